"""The pages for whoever carries on name what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PAGES = [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"),
    *ROOT.glob("deploy/**/*.md"), *ROOT.glob("qa/**/*.md"),
]  # fmt: skip


def test_the_way_of_a_month_names_each_file_once_and_in_order():
    steps = re.findall(r"^(\d+)\. `([^`]+)`", ARCHITECTURE, re.M)
    numbers, files = zip(*steps, strict=True)
    assert list(map(int, numbers)) == list(range(1, len(steps) + 1))
    assert len(set(files)) == len(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_the_architecture_names_every_room():
    rooms = [path.parent for path in (ROOT / "nyc_tlc").glob("*/*/__init__.py")]
    assert len(rooms) > 10
    assert [room.name for room in rooms if not re.search(rf"\b{room.name}\b", ARCHITECTURE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page):
    links = re.findall(
        r"\]\(([^)\s#]+)", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    )
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_index_lists_every_page():
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    names = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [name for name in sorted(names) if f"({name})" not in index] == []
