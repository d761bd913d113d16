"""A SQL block made and run in the browser as a learner does, and the file of its connections."""

import pytest
from playwright.sync_api import expect

from tests.mage_editor import WHICH_SERVER, ask_postgres, expect_answer

pytestmark = pytest.mark.integration


def test_a_sql_block_on_the_profile_dev_shows_the_rows_of_our_postgres(looking, scheduled):
    ask_postgres(looking.page, looking.url, "ask postgres")
    ((started,),) = scheduled.on.sql(WHICH_SERVER)
    expect_answer(looking.page, str(started))
    looking.saw_nothing_wrong("sql-block")


def test_io_config_opens_in_the_editor_and_is_saved_where_it_is(looking, scheduled):
    link = scheduled.server.project / "io_config.yaml"
    before = link.read_text("utf-8")
    page = looking.at("/files")
    page.get_by_text("io_config.yaml", exact=True).first.dblclick()
    expect(page.get_by_text("# The connections of every pipeline")).to_be_visible()
    page.get_by_text("# The connections of every pipeline").click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text("# mine\n")
    with page.expect_request_finished(lambda request: request.method == "PUT"):
        page.keyboard.press("Control+S")
    assert link.is_symlink()
    assert link.read_text("utf-8") == f"# mine\n{before}"
    looking.saw_nothing_wrong("io-config")
