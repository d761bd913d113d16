"""Fuzz what reads bytes from outside: `make fuzz [SECONDS=60] [TARGET=csv_file]`.

Writes qa/fuzz/corpus/ and qa/fuzz/results.json, which has an object for each target:

- ``reads``: what it is, for people;
- ``date``, ``commit``: when and of what it was fuzzed last;
- ``sessions``, ``seconds``, ``executions``: how often, how long and with how many inputs it was
  fuzzed, all sessions together;
- ``coverage``: edges of nyc_tlc, requests and pyshp that the last one reached, as libFuzzer counts
  them;
- ``corpus``: files in its corpus afterwards, and ``added``: those that are new;
- ``crashes``: inputs that broke a promise, still to be mended;
- ``findings``: sentences of what was found and mended, ever.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qa.fuzz.findings import FINDINGS
from qa.fuzz.session import CHECKOUT, AtherisError, Session, fuzz
from qa.fuzz.targets import CORPUS, TARGETS

RESULTS = Path(__file__).with_name("results.json")


def main(words: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(words)
    crashed = 0
    for name in options.target or TARGETS:
        print(f"{name}: {TARGETS[name].reads}, {options.seconds} s", flush=True)
        try:
            session = fuzz(name, CORPUS / name, options.seconds, TARGETS[name].most_bytes)
        except AtherisError as error:
            print(error, file=sys.stderr)
            return 2
        print(
            f"  {session.executions:,} executions, coverage {session.coverage:,}, "
            f"{session.added} new of {session.corpus} files, {len(session.crashes)} crashes"
        )
        for crash in session.crashes:
            print(f"  {crash.relative_to(CHECKOUT)}")
        crashed += len(session.crashes)
        _record(name, session, options.seconds)
    return 1 if crashed else 0


def _record(name: str, session: Session, seconds: int) -> None:
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    before = known.get(name, {"sessions": 0, "seconds": 0, "executions": 0})
    result: dict[str, Any] = {
        "reads": TARGETS[name].reads,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "sessions": before["sessions"] + 1,
        "seconds": before["seconds"] + seconds,
        "executions": before["executions"] + session.executions,
        "coverage": session.coverage,
        "corpus": session.corpus,
        "added": session.added,
        "crashes": len(session.crashes),
        "findings": list(FINDINGS.get(name, {}).values()),
    }
    results = {target: {**known, name: result}.get(target) for target in TARGETS}
    kept = {target: found for target, found in results.items() if found}
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz outside bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="of each target (60)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
