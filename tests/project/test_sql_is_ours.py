"""No SQL is made of text that came from outside: statements are constants, names are quoted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for package in ("nyc_tlc", "mage_project", "mage_server")
    for file in (ROOT / package).rglob("*.py")
)  # fmt: skip
TAKE_SQL = {"execute", "executemany", "copy_expert", "mogrify", "SQL"}


def made_of_text(statement: ast.expr) -> bool:
    """Whether an expression puts a statement together as text: f"…", "…" % x, "…" + x, format."""
    if isinstance(statement, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in statement.values)
    if isinstance(statement, ast.BinOp):
        return any(map(_is_text, (statement.left, statement.right)))
    if isinstance(statement, ast.Call) and isinstance(statement.func, ast.Attribute):
        return statement.func.attr in {"format", "join", "replace"} and _is_text(
            statement.func.value
        )
    return False


def _is_text(part: ast.expr) -> bool:
    is_constant = isinstance(part, ast.Constant) and isinstance(part.value, str)
    return is_constant or made_of_text(part)


def statements(tree: ast.AST) -> Iterator[ast.expr]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args:
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in TAKE_SQL:
                yield call.args[0]


def test_there_are_statements_to_look_at() -> None:
    found = [s for file in FILES for s in statements(ast.parse(file.read_text()))]
    assert len(found) > 50


@pytest.mark.parametrize(
    "code",
    [
        'cursor.execute(f"DROP TABLE {name}")',
        'cursor.execute("DROP TABLE %s" % name)',
        'cursor.execute("DROP TABLE " + name)',
        'cursor.execute("DROP TABLE {}".format(name))',
        'cursor.execute(SQL(f"DROP TABLE {name}"))',
        'cursor.execute("; ".join(names))',
    ],
)
def test_what_must_not_be_is_found(code: str) -> None:
    assert any(map(made_of_text, statements(ast.parse(code))))


@pytest.mark.parametrize(
    "code",
    [
        'cursor.execute("SELECT %s", [name])',
        'cursor.execute(SQL("DROP TABLE {}").format(Identifier(name)))',
        "cursor.execute(_STATEMENT)",
    ],
)
def test_what_may_be_is_let_through(code: str) -> None:
    assert not any(map(made_of_text, statements(ast.parse(code))))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_statement_is_made_of_text(file: Path) -> None:
    made = [s.lineno for s in statements(ast.parse(file.read_text())) if made_of_text(s)]
    assert made == []
