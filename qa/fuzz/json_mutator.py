"""Change a value of a JSON document and leave it JSON: bytes changed at random hardly ever do."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.0, 1e400, 2**63, 10**30, "", "0", "x", "..", "/", "a//b", "\0", "\ud800",
    "é\u2028", "2024-01-01T00:00:00+23:59", "0000-00-00", "9999-12-31T23:59:59.999999Z",
    "P1D", 1e11, -1e11, [], {}, [[]], {"": 0},
)  # fmt: skip


def mutated(data: bytes, seed: int) -> bytes | None:
    """The document with a value or a few replaced, dropped or doubled; None of what is no JSON."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    chance = random.Random(seed)  # noqa: S311 - the fuzzer's seed
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        places = list(_places(document))
        if not places:
            break
        _change(*chance.choice(places), chance)
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - JSON
    """Every container and key of it at which a value stands."""
    if isinstance(document, dict | list):
        keys = document if isinstance(document, dict) else range(len(document))
        for key in list(keys):
            yield document, key
            yield from _places(document[key])


def _change(container: Any, key: Any, chance: random.Random) -> None:  # noqa: ANN401 - JSON
    kind = chance.randrange(8)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, list):
        container.append(container[key])
    elif kind == 2 and isinstance(container, dict):
        container[str(chance.choice(_ODD))] = container[key]
    elif kind == 3 and isinstance(container[key], str):
        at = chance.randrange(len(container[key]) + 1)
        container[key] = container[key][:at] + str(chance.choice(_ODD)) + container[key][at:]
    else:
        container[key] = chance.choice(_ODD)
