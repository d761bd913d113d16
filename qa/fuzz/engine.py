"""One target under libFuzzer: `FUZZ_TARGET=… python -m qa.fuzz.engine CORPUS… -FLAG=…`.

Needs atheris on the path, which :mod:`qa.fuzz.session` sees to.
"""

from __future__ import annotations

import os
import shlex
import sys

import atheris

MUTATED_AS_JSON = {"lake_records"}
COVERED = ["nyc_tlc", "requests", "shapefile"]
"""Packages whose branches guide the fuzzer, and are counted: ours, and the readers in Python."""


def main() -> None:
    name = os.environ["FUZZ_TARGET"]
    with atheris.instrument_imports(include=COVERED):
        from qa.fuzz.targets import TARGETS
    from qa.fuzz.json_mutator import mutated

    def run(data: bytes) -> None:
        TARGETS[name].check(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        changed = mutated(data, seed) if name in MUTATED_AS_JSON and seed % 4 else None
        return (changed or atheris.Mutate(data, len(data)))[:most]

    # To minimise a corpus libFuzzer runs itself again, by the shell.
    sys.argv[0] = f"{shlex.quote(sys.executable)} -m qa.fuzz.engine"
    more = {"custom_mutator": mutate} if name in MUTATED_AS_JSON else {}
    atheris.Setup(sys.argv, run, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
