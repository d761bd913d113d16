"""The page for the database's administrator has the figures of the code and of our servers."""

import re

from embedded.servers.postgres import SETTINGS
from nyc_tlc.adapters.postgres import connection, month_table, schema, warehouse
from tests.project.test_compose import SERVICES
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "database-administrator.md").read_text("utf-8")
_OF_ITS_PLACE = {"listen_addresses", "unix_socket_directories", "log_line_prefix", "log_timezone"}


def test_times_and_numbers_are_those_of_the_code():
    for said in (
        f"waited for {warehouse._LOCK_TIMEOUT.replace('ms', ' ms')} at a time",
        f"of which there are {warehouse._SWAP_ATTEMPTS} in",
        f"first key {schema.LOCK_SPACE} ",
        f"({month_table._WORTH_PARTS:,} rows or more)",
        f"for {connection._STANDBY_PATIENCE:.0f} s at most",
    ):
        assert said in " ".join(PAGE.split()), said
    # Some five minutes, with what each attempt itself may wait.
    waits = (min(0.1 * n, warehouse._LONGEST_PAUSE) for n in range(1, warehouse._SWAP_ATTEMPTS))
    assert 240 < sum(waits) < 330
    idle = connection._OF_A_TRANSACTION["idle_in_transaction_session_timeout"]
    assert idle == "1h"
    assert "to an hour" in PAGE
    assert month_table._MOST_PARTS == 2
    assert "three server\nconnections" in PAGE


def test_settings_are_those_of_our_servers():
    containers = " ".join(SERVICES["postgres"]["command"])
    listed = re.findall(r"^\| `(\w+)` \| `(\S+)` \| (.+) \| (.+) \|$", PAGE, re.M)
    assert listed == [
        (name, value.strip("'"), "yes" if f"{name}=" in containers else "no", why)
        for name, value, why in SETTINGS
        if name not in _OF_ITS_PLACE
    ]
