"""Every input that fuzzing began with or found, read again by the same readers and promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nyc_tlc.core.errors import SourceError
from qa.fuzz.findings import FINDINGS
from qa.fuzz.oracle import FaultError, check, require
from qa.fuzz.seeds import seeds
from qa.fuzz.targets import CORPUS, TARGETS

pytestmark = pytest.mark.filterwarnings("ignore::shapefile.PossiblyCorruptFileHeader")
RESULTS = CORPUS.with_name("results.json")


def _files(target: str) -> list[Path]:
    return sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize("target", TARGETS)
def test_every_input_is_read_or_refused(target: str) -> None:
    broken = {}
    for file in _files(target):
        try:
            TARGETS[target].check(file.read_bytes())
        except Exception as error:  # noqa: BLE001 - whatever it is, it breaks a promise
            broken[file.name] = f"{type(error).__name__}: {error}"
    assert not broken


def test_every_target_has_a_corpus_and_none_is_of_no_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)


def test_seeds_are_those_that_the_generators_write() -> None:
    """By name: another version of zlib or pyarrow writes other bytes."""
    there = {target: {file.name for file in _files(target) if file.name.startswith("seed-")}
             for target in TARGETS}  # fmt: skip
    assert there == {
        target: {f"seed-{name}" for name in written} for target, written in seeds().items()
    }


def test_every_finding_has_its_input_and_every_such_input_a_sentence() -> None:
    there = {(target, file.name) for target in TARGETS
             for file in _files(target) if file.name.startswith("found-")}  # fmt: skip
    assert there == {(target, name) for target, found in FINDINGS.items() for name in found}


def test_the_corpora_stay_small() -> None:
    files = [file for target in TARGETS for file in _files(target)]
    assert len(files) < 300
    assert sum(file.stat().st_size for file in files) < 1_000_000


def test_results_are_of_the_targets_that_there_are() -> None:
    results = json.loads(RESULTS.read_text("utf-8"))
    assert list(results) == list(TARGETS)
    for target, result in results.items():
        assert result["crashes"] == 0, target
        assert result["findings"] == list(FINDINGS.get(target, {}).values())


def _defect(_: bytes) -> None:
    raise KeyError("a defect")


def _refused(_: bytes) -> None:
    raise SourceError("x is not a valid trip file")


def _lengthy(_: bytes) -> None:
    raise SourceError("x" * 5_000)


def _unsound(_: bytes) -> None:
    require(holds=False, otherwise="one is not more")


def test_the_oracle_tells_a_refusal_from_a_broken_promise() -> None:
    assert check(lambda _: None, b"") == ""
    assert check(_refused, b"") == "SourceError"
    for read, found in ((_defect, "a defect"), (_lengthy, "5,000 char"), (_unsound, "not more")):
        with pytest.raises((FaultError, KeyError), match=found):
            check(read, b"")
