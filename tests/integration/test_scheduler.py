"""What Mage's scheduler does with the project: triggers, backfills, failures, repairs."""

import pytest

pytestmark = pytest.mark.integration


def test_triggers_of_the_repository_are_there_and_time_triggers_off(scheduled):
    trigger = scheduled.server.trigger("tlc_trips", "monthly_green")
    assert (trigger["schedule_type"], trigger["status"]) == ("time", "inactive")
