"""The runbook knows every error that the pipeline raises, in the program's own words."""

import ast
import json
import re
from collections.abc import Iterator

import pytest

from nyc_tlc.core import errors
from tests.repository import ROOT

_RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
_KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
_GAP = "…"
"""What a value stands for, in a message and in the runbook."""


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return _GAP


_OF_MAGE = [ROOT / "mage_project" / name for name in ("frames.py", "run_variables.py")]
_NODES = [
    (f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", node)
    for path in sorted((*(ROOT / "nyc_tlc").rglob("*.py"), *_OF_MAGE))
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
]
# Every text: parts of messages are put together in functions of their own.
_LITERALS = "\n".join(_text(n) for _, n in _NODES if isinstance(n, ast.JoinedStr | ast.Constant))
_MESSAGES = [
    (where, text)
    for where, node in _NODES
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _KINDS and node.args
    if (text := _text(node.args[0])).strip(f"{_GAP}: ")
]
_FIRST_CELLS = [line.split(" | ")[0] for line in _RUNBOOK.splitlines() if line.startswith("| `")]
_SEEN = [words for cell in _FIRST_CELLS for words in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("words", _SEEN)
def test_what_the_runbook_quotes_is_what_the_program_says(words):
    assert words in _LITERALS


@pytest.mark.parametrize(("where", "message"), _MESSAGES, ids=lambda value: value[:60])
def test_every_error_has_a_line(where, message):
    assert any(words in message for words in _SEEN), f"{where}: {message}"


def _said_under_faults() -> Iterator[tuple[str, str]]:
    kept = (ROOT / "qa" / "chaos" / "results").glob("*.json")
    for trial in (one for file in kept for one in json.loads(file.read_text("utf-8"))["trials"]):
        if trial["said"]:
            # The first line is the heading of every run that fails.
            yield f"{trial['of']}: {trial['what']}", trial["said"].partition("\n")[2]


@pytest.mark.parametrize(
    ("fault", "said"), list(_said_under_faults()), ids=lambda value: value[:60]
)
def test_what_a_broken_server_made_the_program_say_has_a_line(fault, said):
    assert any(words in said for words in _SEEN), f"{fault}: {said}"
