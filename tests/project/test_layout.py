"""Folders and modules stay small enough to be read in one go."""

from collections import Counter

from tests.repository import ROOT, files, shipped

ROOMS = ("nyc_tlc", "mage_project", "mage_server", "embedded", "deploy", "qa")
MOST_FOLDERS, MOST_MODULES, MOST_LINES = 9, 14, 320


def test_the_top_has_few_folders():
    paths = [file.relative_to(ROOT).parts for file in files()]
    folders = {parts[0] for parts in paths if len(parts) > 1 and not parts[0].startswith(".")}
    assert len(folders) <= MOST_FOLDERS, sorted(folders)


def test_no_folder_of_the_package_has_many_modules():
    modules = [file for file in files("nyc_tlc/**.py") if file.name != "__init__.py"]
    counts = Counter(str(file.parent.relative_to(ROOT)) for file in modules)
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_no_module_is_long():
    modules = shipped(*(f"{room}/**.py" for room in ROOMS))
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in modules}
    assert lines
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
