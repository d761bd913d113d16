"""Every input that fuzzing began with or found, read again by the same readers and promises."""

import json
from unittest.mock import Mock

import pytest

from nyc_tlc.core.errors import SourceError
from qa.fuzz.oracle import FaultError, check, require
from qa.fuzz.targets import CORPUS, TARGETS

pytestmark = pytest.mark.filterwarnings("ignore::shapefile.PossiblyCorruptFileHeader")
FILES = sorted(CORPUS.glob("*/*"))
MONTHS = ("seed-green_tripdata", "seed-yellow_tripdata", "seed-fhvhv_tripdata")


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_is_read_or_refused(target):
    broken, outcomes = {}, {}
    for file in (file for file in FILES if file.parent.name == target):
        try:
            outcomes[file.name] = check(TARGETS[target].read, file.read_bytes())
        except Exception as error:  # noqa: BLE001 - whatever it is, it breaks a promise
            broken[file.name] = f"{type(error).__name__}: {error}"
    assert outcomes
    assert not broken
    # Seeds that the contract refuses no longer lead the fuzzer anywhere: write them again with
    # embedded.samples, a month of four rows.
    assert not any(why for name, why in outcomes.items() if name.startswith(MONTHS))


def test_the_corpora_are_those_of_the_targets_and_stay_small():
    assert {file.parent.name for file in FILES} == set(TARGETS)
    assert len(FILES) < 300
    assert sum(file.stat().st_size for file in FILES) < 1_000_000


def test_every_target_has_results_and_every_finding_its_input():
    results = json.loads(CORPUS.with_name("results.json").read_text("utf-8"))
    assert list(results) == list(TARGETS)
    for target, result in results.items():
        found = [file for file in (CORPUS / target).iterdir() if file.name.startswith("found-")]
        assert (result["crashes"], len(result["findings"])) == (0, len(found)), target


@pytest.mark.parametrize(
    ("read", "found"),
    [
        (Mock(side_effect=KeyError("a defect")), "a defect"),
        (Mock(side_effect=SourceError("x" * 5_000)), "5,000 characters"),
        (lambda _: require(holds=False, otherwise="one is not more"), "one is not more"),
    ],
)
def test_a_broken_promise_is_no_refusal(read, found):
    with pytest.raises((FaultError, KeyError), match=found):
        check(read, b"")
    refusal = SourceError("x is not a valid trip file")
    assert check(Mock(side_effect=refusal), b"") == "SourceError"
    assert check(lambda _: None, b"") == ""
