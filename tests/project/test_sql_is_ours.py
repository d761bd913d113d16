"""No SQL is made of text that came from outside: statements are constants, names are quoted."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import ROOT, shipped

FILES = shipped("nyc_tlc/*.py", "mage_project/*.py", "mage_server/*.py")
TAKE_SQL = {"execute", "executemany", "copy_expert", "mogrify", "SQL", "sql"}


def made_of_text(statement: ast.expr) -> bool:
    """Whether an expression puts a statement together as text: f"…", "…" % x, "…" + x, format."""
    match statement:
        case ast.JoinedStr(values):
            return any(isinstance(part, ast.FormattedValue) for part in values)
        case ast.BinOp(left, _, right):
            return any(map(is_text, (left, right)))
        case ast.Call(ast.Attribute(text, "format" | "join" | "replace")):
            return is_text(text)
    return False


def is_text(part: ast.expr) -> bool:
    return isinstance(getattr(part, "value", None), str) or made_of_text(part)


def statements(file: Path) -> Iterator[ast.expr]:
    for call in ast.walk(ast.parse(file.read_text())):
        if isinstance(call, ast.Call) and call.args:
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in TAKE_SQL:
                yield call.args[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_statement_is_made_of_text(file):
    assert [made.lineno for made in statements(file) if made_of_text(made)] == []
