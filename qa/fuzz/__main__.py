"""Fuzz what reads bytes from outside: `make fuzz [SECONDS=60] [TARGET=csv_file]`.

Writes qa/fuzz/corpus/ and qa/fuzz/results.json, which has an object for each target:

- ``reads``: what it is, for people;
- ``date``, ``commit``: when the target was last fuzzed, and which commit;
- ``sessions``, ``seconds``, ``executions``: of all sessions together;
- ``coverage``: edges that the last session reached in the packages of ``engine.COVERED``;
- ``corpus``: files in its corpus afterwards, and ``added``: the new ones;
- ``crashes``: inputs that broke a promise and are not fixed yet;
- ``findings``: a sentence, written by hand, for each input `found-…` of the corpus.

The corpus holds `seed-…`, made by the generators of the sample months, and `found-…`, named by
hand; the fuzzer names its own inputs by their SHA-1, and replaces only these.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qa.fuzz.targets import CORPUS, TARGETS

CHECKOUT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
CRASHES = CHECKOUT / ".local" / "fuzz" / "crashes"
_UV = (
    Path(sys.executable).with_name("uv"), "run", "--quiet", "--isolated", "--no-project",
    "--python", sys.executable, "--with-requirements", Path(__file__).with_name("atheris.txt"),
)  # fmt: skip
"""An environment with atheris, which has wheels for one platform only; ours is on its path."""
_LIMITS = ("-timeout=20", "-rss_limit_mb=2048")
"""Seconds and megabytes that no input may take."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz", description="Fuzz outside bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one")
    options = parser.parse_args(words)
    crashes = 0
    for name in options.target or TARGETS:
        print(f"{name}: {TARGETS[name].reads}, {options.seconds} s", flush=True)
        crashes += fuzz(name, options.seconds)
    return 1 if crashes else 0


def fuzz(name: str, seconds: int) -> int:
    """Fuzz a target, keep the inputs that reach more than others, and record the session.

    Returns:
        The number of inputs that broke a promise; libFuzzer ends at the first.
    """
    corpus, crashes = CORPUS / name, CRASHES / name
    limits = (f"-max_len={TARGETS[name].most_bytes}", *_LIMITS)
    crashes.mkdir(parents=True, exist_ok=True)
    before, known = _names(corpus), _names(crashes)
    with tempfile.TemporaryDirectory() as made:
        work = Path(made) / "corpus"
        shutil.copytree(corpus, work)
        output = _engine(
            name, work, f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/",
            "-print_final_stats=1", *limits,
        )  # fmt: skip
        new = _names(crashes) - known
        if not new:
            # Counters guide the fuzzer, but to keep them would keep hundreds of files.
            minimal = Path(made) / "minimal"
            shutil.copytree(corpus, minimal, ignore=lambda *_: _by_the_fuzzer(before))
            _engine(name, minimal, work, "-merge=1", "-use_counters=0", *limits)
            shutil.rmtree(corpus)
            shutil.copytree(minimal, corpus)
    session = {
        "executions": int(re.findall(r"number_of_executed_units: (\d+)", output)[-1]),
        "coverage": int(([0, *re.findall(r" cov: (\d+)", output)])[-1]),
        "corpus": len(_names(corpus)),
        "added": len(_names(corpus) - before),
        "crashes": len(new),
    }
    print("  " + ", ".join(f"{value:,} {what}" for what, value in session.items()))
    for crash in sorted(new):
        print(f"  {(crashes / crash).relative_to(CHECKOUT)}")
    _record(name, session, seconds)
    return len(new)


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _by_the_fuzzer(names: set[str]) -> set[str]:
    return {name for name in names if re.fullmatch("[0-9a-f]{40}", name)}


def _engine(name: str, *arguments: str | Path) -> str:
    """Run libFuzzer at low priority, and return its output."""
    packages = sysconfig.get_path("purelib")
    environment = os.environ | {
        "FUZZ_TARGET": name,
        "PYTHONPATH": f"{CHECKOUT}{os.pathsep}{packages}",
        "PYTHONWARNINGS": "ignore",
        "RUST_BACKTRACE": "0",
    }
    command = ["nice", "-n", "15", *_UV, "python", "-m", "qa.fuzz.engine", *arguments]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, check=False)
    output = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    if "-merge=1" not in arguments and "number_of_executed_units" not in output:
        sys.exit(f"{name}: the fuzzer did not run: {output[-2_000:]}")
    return output


def _record(name: str, session: dict[str, int], seconds: int) -> None:
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    before = known.get(name, {"sessions": 0, "seconds": 0, "executions": 0, "findings": []})
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    result: dict[str, Any] = {
        "reads": TARGETS[name].reads,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit.stdout.strip(),
        "sessions": before["sessions"] + 1,
        "seconds": before["seconds"] + seconds,
        **session,
        "executions": before["executions"] + session["executions"],
        "findings": before["findings"],
    }
    results = {**known, name: result}
    kept = {target: results[target] for target in TARGETS if target in results}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
