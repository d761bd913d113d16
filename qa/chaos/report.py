"""docs/reliability.md from what each suite kept in qa/chaos/results/."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from embedded.stack import CHECKOUT
from qa.chaos.trials import Trial

PAGE = CHECKOUT / "docs" / "reliability.md"
_HERE = Path(__file__).parent
_RESULTS = _HERE / "results"


def read_results() -> dict[str, Any]:
    """What the last complete run of each suite kept: ``date``, ``commit``, ``trials``."""
    return {file.stem: json.loads(file.read_text("utf-8")) for file in _RESULTS.glob("*.json")}


def keep(suite: str, trials: Sequence[Trial]) -> None:
    """Keep what a suite found, and write the page again."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    result = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.stdout.strip(),
        "trials": [asdict(trial) for trial in trials],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (_RESULTS / f"{suite}.json").write_text(f"{text}\n", "utf-8")
    PAGE.write_text(render(), "utf-8")


def render() -> str:
    results = read_results()
    wrong = [trial for kept in results.values() for trial in kept["trials"] if trial["problems"]]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - a page of Markdown
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"fold": _fold, "cell": _cell}
    return environment.get_template("report.md.j2").render(results=results, wrong=wrong)


def _fold(trials: Iterable[Mapping[str, Any]]) -> str:
    """``an upload answered 500/503; …``: what differs only in the last number, once."""
    folded: dict[str, list[str]] = {}
    for fault in (trial["what"] for trial in trials):
        words, _, last = fault.rpartition(" ")
        key, number = (words, last) if last.isdigit() else (fault, "")
        folded.setdefault(key, []).append(number)
    return _cell(
        "; ".join(f"{words} {'/'.join(numbers)}".strip() for words, numbers in folded.items())
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
