"""A .env is read as people's editors save it, and no proxy stands before this machine."""

import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

import pytest

from deploy import env_file
from embedded.environment import merge, read_env_file

TEXT = "A=1\n# a remark\n\nB='two words' # why\nPASSWORD=\"é#'$x\"\n"
READ = {"A": "1", "B": "two words", "PASSWORD": "é#'$x"}
SAVED = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": BOM_UTF8 + TEXT.encode(),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "cr": TEXT.replace("\n", "\r").encode(),
    "utf-16, as PowerShell writes": BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16, big-endian": BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "utf-16-be without a mark": TEXT.encode("utf-16-be"),
    "no end": TEXT.strip().encode(),
}


@pytest.mark.parametrize("form", SAVED)
def test_any_form_is_read(tmp_path, form):
    path = tmp_path / ".env"
    path.write_bytes(SAVED[form])
    assert read_env_file(path) == READ


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("A=1", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("A = 1", {"A": "1"}),
        ("  A=1  ", {"A": "1"}),
        ("A='1'", {"A": "1"}),
        ('A="1"', {"A": "1"}),
        ("A='a#b $c'", {"A": "a#b $c"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=a # why", {"A": "a"}),
        ("A=$HOME/${X}", {"A": "$HOME/${X}"}),
        ("A=https://me:x=y@host", {"A": "https://me:x=y@host"}),
        ("A=", {}),
        ("A=''", {}),
        ("A", {}),
        ("#A=1", {}),
        ("", {}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_what_a_line_sets(tmp_path, line, read):
    path = tmp_path / ".env"
    path.write_text(line)
    assert read_env_file(path) == read
    assert read_env_file(tmp_path / "absent") == {}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"A=\xff\xfe\xe9", "neither UTF-8 nor UTF-16. Nothing was started. Save it as UTF-8"),
        (BOM_UTF16_LE + b"A=1", "neither UTF-8 nor UTF-16"),
        (b"A=1\nPASSWORD='secret\nB=2\n", "line 2 of .env is no NAME=VALUE, or its quote is not"),
        (b"A=1\n=secret\n", "line 2 of .env"),
    ],
)
def test_what_cannot_be_read_is_said_without_the_secret(tmp_path, data, told):
    path = tmp_path / ".env"
    path.write_bytes(data)
    with pytest.raises(RuntimeError) as refusal:
        read_env_file(path)
    assert told in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_make_env_keeps_what_a_utf16_file_sets(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(env_file, "_CHECKOUT", tmp_path)
    path = tmp_path / ".env"
    path.write_bytes(BOM_UTF16_LE + "JWT_SECRET=mine\r\nREADER_PASSWORD=\r\n".encode("utf-16-le"))
    env_file.main()
    assert "new are READER_PASSWORD\n" in capsys.readouterr().out
    assert read_env_file(path)["JWT_SECRET"] == "mine"
    path.write_bytes(b"\xff\xff")
    monkeypatch.setattr(sys, "argv", ["env"])
    with pytest.raises(SystemExit, match="Save it as UTF-8"):
        env_file.main()


@pytest.mark.parametrize(
    "name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
)
@pytest.mark.parametrize("known", [{}, {"NO_PROXY": "corp.example"}, {"no_proxy": "corp.example"}])
def test_a_proxy_is_kept_and_not_asked_for_this_machine(name, known):
    merged = merge({name: "http://proxy:3128", **known}, {}, {})
    assert merged[name] == "http://proxy:3128"
    own = "corp.example," if known else ""
    assert merged["NO_PROXY"] == merged["no_proxy"] == f"{own}127.0.0.1,localhost,::1"


def test_without_a_proxy_nothing_is_added():
    assert merge({"NO_PROXY": "x"}, {}, {"A": "1"}) == {"NO_PROXY": "x", "A": "1"}
