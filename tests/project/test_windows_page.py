"""The forms of docs/windows.md deliver what they say, by the rules of each shell.

No Windows is at hand: the rules are PowerShell's about_Parsing (PSNativeCommandArgumentPassing)
and Microsoft's "Parsing C command-line arguments", written out below.
"""

import json
import re
import shlex
import sys

import pytest

from mage_project.run_variables import require_readable
from nyc_tlc.__main__ import _parser
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "windows.md").read_text("utf-8")
FORMS = dict(re.findall(r"^\| ([^|]+) \| `(.+)` \|$", PAGE, re.MULTILINE))
WINDOWS, CORE, CMD, UNIX = FORMS


def _c_arguments(line: str) -> list[str]:
    """How a Windows program splits its command line."""
    words, word, quoted, begun, at = [], "", False, False, 0
    while at < len(line):
        slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
        if line[at + slashes : at + slashes + 1] == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            begun, at = True, at + slashes + 1
        elif slashes:
            word, begun, at = word + "\\" * slashes, True, at + slashes
        elif line[at].isspace() and not quoted:
            words, word, begun, at = [*words, word] if begun else words, "", False, at + 1
        else:
            word, begun, at = word + line[at], True, at + 1
    return [*words, word] if begun else words


def _legacy(form: str) -> str:
    """Windows PowerShell: quotes inside stay as they are."""
    text = form.strip("'")
    return f'"{text}"' if re.search(r"\s", text) else text


def _standard(form: str) -> str:
    """PowerShell 7.3: quotes inside, and backslashes before them, are escaped."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', form.strip("'"))
    return f'"{escaped}"'


def _delivered(shell: str, form: str) -> str:
    if shell == UNIX:
        (text,) = shlex.split(form)
    else:
        line = {WINDOWS: _standard, CORE: _legacy, CMD: str}[shell](form)
        (text,) = _c_arguments(line)
    return text


@pytest.mark.parametrize("shell", FORMS)
def test_each_form_delivers_the_object(shell, monkeypatch):
    text = _delivered(shell, FORMS[shell])
    assert json.loads(text) == {"plan": True}
    monkeypatch.setattr(sys, "argv", ["mage", "run", "--runtime-vars", text])
    require_readable({"plan": True})


def test_commands_without_quotes_name_real_options():
    prefix = "docker compose exec mage with-settings python -m nyc_tlc "
    commands = re.findall(rf"^{prefix}(.+)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert not set("\"'\\{}$`") & set(command)
        _parser().parse_args(command.split())
