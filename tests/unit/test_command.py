"""`nyc-tlc` and `python -m nyc_tlc`: the jobs by name."""

import subprocess
import sys

import pytest

from nyc_tlc import __version__
from nyc_tlc.__main__ import main
from nyc_tlc.jobs.audit import LakeAudit
from nyc_tlc.jobs.trips import Trips
from tests.repository import ROOT

COMMANDS = ("load", "sync", "zones", "marts", "audit", "report", "rebuild", "bucket", "check")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_its_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ([command] if command else COMMANDS))


def test_the_version_is_the_packages_and_costs_no_import_of_its_libraries():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nyc_tlc", "--version"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"nyc-tlc {__version__}\n"
    assert "pyarrow" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load", "--months", "2024-13"], "months '2024-13' cannot be read"),
        (["load", "--months", "2024-01", "--service", "red"], "service red is unknown"),
        (["load", "--months", ""], "months is empty"),
        (["audit", "--months", "2024-13"], "cannot be read"),
        (["bucket"], "only a bucket of Google Cloud Storage is set up from here"),
        (["rebuild", "postgres", "--service", "red"], "service red is unknown"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_failure_is_its_message_and_a_status(words, said, capsys):
    assert main(words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["load"], ["sync", "--first-month", "May"], ["sync", "--pln"], ["lod"], []]
)
def test_a_command_line_that_cannot_be_read_is_refused(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: nyc-tlc" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_what_is_asked_for_reaches_the_job(monkeypatch):
    asked = {}

    def land(self, months, *, force, only_plan):
        asked["load"] = ([str(month) for month in months], force, only_plan)
        return []

    def audit(self, scope):
        asked["audit"] = scope
        raise SystemExit

    monkeypatch.setattr(Trips, "land", land)
    monkeypatch.setattr(Trips, "load", lambda *_: [])
    monkeypatch.setattr(LakeAudit, "audit", audit)
    main(["load", "--months", "2024-01:2024-02", "--plan"])
    assert asked["load"] == (["green 2024-01", "green 2024-02"], False, True)
    with pytest.raises(SystemExit):
        main(["audit", "--service", "yellow", "--months", "2024", "--deep"])
    assert len(asked["audit"].partitions) == 12
    assert (asked["audit"].deep, asked["audit"].repair) == (True, False)
