"""The README cannot rot: what it names exists, what it tabulates is the code's own."""

import re
from pathlib import Path

from docs.generate.configuration import configuration_page
from docs.generate.data_dictionary import dictionary
from nyc_tlc.core.audit.findings import KINDS
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.rows.rules import FLAGS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_configuration_page_is_what_the_settings_render():
    written = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert written == configuration_page(), "stale: run `make docs`"


def test_every_make_target_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", README, re.M))
    assert named <= targets
    assert {"demo", "ui", "test", "check", "run", "stop"} <= named


def test_every_file_it_names_exists():
    named = re.findall(r"\]\((docs/[^)]+)\)|`((?:nyc_tlc|mage_project|embedded)/[\w/.]*)`", README)
    assert named
    assert all((ROOT / (first or second)).exists() for first, second in named)


def test_its_example_of_a_flag_has_the_right_bit():
    bit, meaning = re.search(r"quality_flags & \(1 << (\d+)\).*-- (.+)", README).groups()
    assert FLAGS[int(bit)].code == meaning.replace(" ", "_").removesuffix("s")


def test_it_says_from_when_on_each_service_can_be_loaded():
    for service in SERVICES.values():
        assert f"{service.first_month}" in README


def test_it_is_short():
    assert len(README.splitlines()) <= 200


def test_the_data_dictionary_is_what_the_contracts_render():
    written = (ROOT / "docs" / "data-dictionary.md").read_text("utf-8")
    assert written == dictionary(), "stale: run `make docs`"


def test_the_audit_page_lists_every_finding_with_its_remedy():
    page = (ROOT / "docs" / "audit.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", page, re.M)
    assert listed == [(kind.code, kind.sentence, kind.remedy) for kind in KINDS.values()]
