"""SECURITY.md names what is there."""

import re
from pathlib import Path

from mage_server.environment import KNOWN_DEFAULTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
LOCK = (ROOT / "requirements.txt").read_text("utf-8")


def test_every_file_that_it_names_is_there():
    named = set(re.findall(r"`([\w./]+/[\w./]+\.\w+)`", PAGE))
    assert len(named) > 12
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_target_that_it_names_is_in_the_makefile():
    targets = set(re.findall(r"`make\s([\w-]+)`", PAGE))
    assert targets
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


def test_the_versions_that_it_judges_are_those_that_are_pinned():
    judged = re.findall(r"(?:^\| |, )([a-z0-9]+) (\d[\d.]+)(?= |,)", PAGE, re.M)
    assert len(judged) > 6
    assert [
        f"{name} {version}" for name, version in judged if f"\n{name}=={version}\n" not in LOCK
    ] == []


def test_the_defaults_of_mage_are_named():
    assert all(f"`{default}`" in PAGE for default in KNOWN_DEFAULTS)
