"""One target under libFuzzer: `FUZZ_TARGET=… python -m qa.fuzz.engine CORPUS… -FLAG=…`.

:mod:`qa.fuzz.__main__` runs it in an environment that has atheris.
"""

import json
import os
import random
import shlex
import sys
from collections.abc import Iterator
from typing import Any

import atheris

COVERED = ["nyc_tlc", "requests", "shapefile"]
"""Packages whose branches guide the fuzzer, and are counted: ours, and the readers in Python."""
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.0, 1e400, 2**63, 10**30, "", "0", "x", "..", "/", "a//b", "\0", "\ud800",
    "é\u2028", "2024-01-01T00:00:00+23:59", "0000-00-00", "9999-12-31T23:59:59.999999Z",
    "P1D", 1e11, -1e11, [], {}, [[]], {"": 0},
)  # fmt: skip


def main() -> None:
    with atheris.instrument_imports(include=COVERED):
        from qa.fuzz.oracle import check
        from qa.fuzz.targets import TARGETS
    name = os.environ["FUZZ_TARGET"]

    def run(data: bytes) -> None:
        check(TARGETS[name].read, data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        changed = _mutated(data, seed) if seed % 4 else None
        return (changed or atheris.Mutate(data, len(data)))[:most]

    # To minimise a corpus libFuzzer runs itself again, through the shell.
    sys.argv[0] = f"{shlex.quote(sys.executable)} -m qa.fuzz.engine"
    atheris.Setup(sys.argv, run, **({"custom_mutator": mutate} if name == "lake_records" else {}))
    atheris.Fuzz()


def _mutated(data: bytes, seed: int) -> bytes | None:
    """Replace, drop or double values of a JSON document, or return None if it is not JSON.

    Bytes that are changed at random hardly ever leave a document JSON.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    chance = random.Random(seed)  # noqa: S311 - the fuzzer's seed
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(document))
        if not places:
            break
        container, key = chance.choice(places)
        odd, kind = chance.choice(_ODD), chance.randrange(6)
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[str(odd)] = container[key]
        elif kind == 1:
            container.append(container[key])
        elif kind == 2 and isinstance(container[key], str):
            at = chance.randrange(len(container[key]) + 1)
            container[key] = container[key][:at] + str(odd) + container[key][at:]
        else:
            container[key] = odd
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Yield every container with each key of it that has a value."""
    if isinstance(document, dict | list):
        for key in list(document if isinstance(document, dict) else range(len(document))):
            yield document, key
            yield from _places(document[key])


if __name__ == "__main__":
    main()
