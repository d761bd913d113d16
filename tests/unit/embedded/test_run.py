"""`make run` and its like give a pipeline what was meant, or say what cannot be."""

import json

import pytest

from embedded import run
from nyc_tlc.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("pipeline", "words", "given"),
    [
        (
            "tlc_trips",
            ["MONTHS=2024-01", "SERVICE=green"],
            {"months": "2024-01", "service": "green"},
        ),
        ("tlc_trips", ["YEAR=2024", "MONTH=1"], {"year": "2024", "month": "1"}),
        ("tlc_sync", [], {}),
        ("tlc_sync", ["plan=true"], {"plan": "true"}),
        ("lake_audit", ["DEEP=true", "MONTHS="], {"deep": "true", "months": ""}),
    ],
)
def test_names_are_the_pipelines_own_in_either_case(pipeline, words, given):
    assert run.variables(pipeline, words) == given


@pytest.mark.parametrize(
    ("pipeline", "words", "said"),
    [
        ("tlc_trips", [], "MONTHS is empty"),
        ("tlc_trips", ["MONTHS=", "FORCE=true"], "MONTHS is empty"),
        ("tlc_sync", ["PLN=true"], "Did you mean plan?"),
        ("tlc_sync", ["MONTHS=2024-01"], "tlc_sync has no variable 'months'"),
        ("tlc_sync", ["plan"], "'plan' is no NAME=VALUE"),
        ("tlc_marts", ["SERVICE=green"], "tlc_marts has no variable 'service'"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(
    pipeline, words, said, tmp_path, capsys
):
    with pytest.raises(ConfigurationError, match=said):
        run.variables(pipeline, words)
    assert run.main(["--state", str(tmp_path / "state"), pipeline, *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_quotes_and_spaces_in_a_value_reach_mage_as_they_are():
    command = run.mage_command("tlc_trips", {"months": '2024-01, "x"'})
    assert command[1:5] == ["run", "mage_project", "tlc_trips", "--runtime-vars"]
    assert json.loads(command[5]) == {"months": '2024-01, "x"'}


@pytest.mark.parametrize(
    ("pipeline", "own", "exported", "source"),
    [
        ("tlc_trips", "", {}, ""),
        ("tlc_sync", "TLC_SOURCE_URL=\n", {}, ""),
        ("tlc_trips", "TLC_SOURCE_URL=https://mirror\n", {}, "https://mirror"),
        ("tlc_trips", "", {"TLC_SOURCE_URL": "file:///months"}, "file:///months"),
        ("tlc_marts", "", {}, "http://samples"),
    ],
)
def test_real_months_come_from_tlc_unless_a_source_is_named(
    tmp_path, monkeypatch, pipeline, own, exported, source
):
    env_file = tmp_path / ".env"
    env_file.write_text(own)
    monkeypatch.delenv("TLC_SOURCE_URL", raising=False)
    for name, value in exported.items():
        monkeypatch.setenv(name, value)

    def of_stack(*_):
        return {"TLC_SOURCE_URL": "http://samples", **run.read_env_file(env_file), **exported}

    monkeypatch.setattr(run, "run_environment", of_stack)
    assert run.environment_of(pipeline, None, env_file)["TLC_SOURCE_URL"] == source
