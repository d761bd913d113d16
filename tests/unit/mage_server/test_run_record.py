"""Which processes are a `mage run` to be listed, by their command lines."""

import subprocess
import sys

import pytest

from mage_server.run_record import parse_run

RUN = ["/venv/bin/mage", "run", "mage_project", "tlc_trips"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (RUN, ("tlc_trips", {})),
        ([*RUN, "--test", "--runtime-vars", '{"plan": true}'], ("tlc_trips", {"plan": True})),
        ([*RUN, '--runtime-vars={"a": [1]}'], ("tlc_trips", {"a": [1]})),
        (["mage.exe", "run", "--runtime-vars", "{}", "p", "mine"], ("mine", {})),
        (["mage", "run", "--test", "p", "mine", "--skip-sensors"], ("mine", {})),
        # Mage's scheduler and Kubernetes record theirs; a block is no run.
        ([*RUN, "--pipeline-run-id", "7"], None),
        ([*RUN, "--block-uuid", "land_trips"], None),
        ([*RUN, "--execution-partition", "1/2"], None),
        ([*RUN, "--runtime-vars", "{months: 1}"], None),
        ([*RUN, "--runtime-vars", "[1]"], None),
        ([*RUN, "--unknown"], None),
        (["mage", "run", "mage_project"], None),
        (["mage", "start", "mage_project"], None),
        (["mage"], None),
        (["/venv/bin/pytest", "run", "a", "b"], None),
        ([], None),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_only_whole_runs_of_the_command_line_are_listed(words, expected):
    run = parse_run(words)
    assert (run and (run.pipeline, run.variables)) == expected


@pytest.mark.parametrize("ending", ["sys.exit(0)", "sys.exit(3)", "raise KeyError", "pass"])
def test_a_process_that_is_no_run_of_mages_ends_as_it_would(ending, tmp_path):
    program = f"import mage_project, sys\n{ending}"
    plain = subprocess.run([sys.executable, "-c", f"import sys\n{ending}"], check=False,
                           capture_output=True)  # fmt: skip
    ours = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ours.returncode == plain.returncode
