"""A patch has what was changed, and keeps it when the document below it goes on."""

import copy

import pytest

from mage_server.merge_patch import patch_between, patched

LOAD = {"uuid": "load", "status": "executed", "upstream_blocks": [], "color": None}
STORE = {"uuid": "store", "status": "not_executed", "upstream_blocks": ["load"], "color": None}
MINE = {"uuid": "mine", "upstream_blocks": ["load"], "color": None}
SHIPPED = {"blocks": [LOAD, STORE], "variables": {"months": "", "force": False}, "tags": ["tlc"]}
CHANGED = {
    "nothing": (SHIPPED, {}),
    "what Mage writes out as empty is nothing": (
        SHIPPED | {"executor_type": None, "extensions": {}, "callbacks": []}, {},
    ),
    "a value": (
        SHIPPED | {"variables": {"months": "2024-01", "force": False}},
        {"variables": {"months": "2024-01"}},
    ),
    "a value is gone": (SHIPPED | {"variables": {"months": ""}}, {"variables": {"force": None}}),
    "everything is gone": (
        SHIPPED | {"variables": {}}, {"variables": {"force": None}},
    ),
    "a thing of a list": (
        SHIPPED | {"blocks": [LOAD, STORE | {"status": "failed"}]},
        {"blocks": {"store": {"status": "failed"}}},
    ),
    "a thing is added at the end": (
        SHIPPED | {"blocks": [LOAD, STORE, MINE]}, {"blocks": {"mine": MINE}},
    ),
    "a thing is added between": (
        SHIPPED | {"blocks": [LOAD, MINE, STORE]},
        {"blocks": {"mine": MINE, "[order]": ["load", "mine", "store"]}},
    ),
    "a thing is gone": (SHIPPED | {"blocks": [STORE]}, {"blocks": {"load": None}}),
    "a list without names is one value": (SHIPPED | {"tags": ["mine"]}, {"tags": ["mine"]}),
}  # fmt: skip


def settled(document):
    """Without the values that are as good as absent."""
    if isinstance(document, list):
        return [settled(one) for one in document]
    if not isinstance(document, dict):
        return document
    known = {key: settled(value) for key, value in document.items()}
    return {key: value for key, value in known.items() if value not in (None, [], {}, "")}


@pytest.mark.parametrize(("after", "expected"), CHANGED.values(), ids=CHANGED)
def test_a_patch_is_what_was_changed_and_gives_it_back(after, expected):
    before = copy.deepcopy(SHIPPED)
    patch = patch_between(before, after)
    assert patch == expected
    assert settled(patched(before, patch)) == settled(after)
    assert before == SHIPPED


LATER = {
    "another variable comes": (
        {"variables": {"months": "2024-01"}},
        SHIPPED | {"variables": {"months": "", "force": False, "plan": False}},
        SHIPPED | {"variables": {"months": "2024-01", "force": False, "plan": False}},
    ),
    "another block comes": (
        {"blocks": {"mine": MINE, "[order]": ["load", "mine", "store"]}},
        SHIPPED | {"blocks": [LOAD, STORE, {"uuid": "prove"}]},
        SHIPPED | {"blocks": [LOAD, MINE, STORE, {"uuid": "prove"}]},
    ),
    "a changed block goes": (
        {"blocks": {"store": {"status": "failed"}, "mine": MINE}},
        SHIPPED | {"blocks": [LOAD]},
        SHIPPED | {"blocks": [LOAD, MINE]},
    ),
    "a block that was taken out goes": (
        {"blocks": {"store": None}}, SHIPPED | {"blocks": [LOAD]}, SHIPPED | {"blocks": [LOAD]},
    ),
    "all blocks go": ({"blocks": {"mine": MINE}}, {"blocks": []}, {"blocks": [MINE]}),
}  # fmt: skip


@pytest.mark.parametrize(("patch", "later", "expected"), LATER.values(), ids=LATER)
def test_a_patch_stays_when_the_document_goes_on(patch, later, expected):
    assert settled(patched(later, patch)) == settled(expected)
