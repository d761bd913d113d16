"""A failed `mage run` ends non-zero and on one screen."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("pipeline", "variables", "source", "says"),
    [
        (
            "tlc_sync", {"plan": True}, "https://tlc.invalid",
            ["the name tlc.invalid does not resolve (DNS)", "not tried, because the name",
             "partitions failed; none is done"],
        ),
        (
            "tlc_trips", {"service": "green", "months": "2024-13"}, "http://127.0.0.1:1",
            ["'2024-13' is not a month", "Nothing was started"],
        ),
    ],
    ids=["a plan without a network", "a wrong month"],
)  # fmt: skip
def test_the_last_lines_of_mage_run_say_why(mage, tmp_path, pipeline, variables, source, says):
    here = mage.on("failed_runs", tmp_path, source)
    ended = here.run(pipeline, json.dumps(variables))
    assert ended.returncode == 1
    *_, last = lines = ended.stdout.strip().splitlines()
    told = "\n".join(lines[-25:])
    assert [words for words in says if words not in told] == []
    assert "Traceback" not in ended.stdout
    assert "Warning" not in "\n".join(lines[3:])
    assert len(lines) < 50
    log = Path(last.partition("Log, with all that is not shown here: ")[2])
    assert log.parent == tmp_path / "work" / "logs"
    assert "Traceback (most recent call last)" in log.read_text("utf-8")
