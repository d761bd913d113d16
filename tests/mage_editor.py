"""What a person does in Mage's editor, for the tests here and for those of the images."""

from playwright.sync_api import Page, Request, expect

WHICH_SERVER = "select extract(epoch from pg_postmaster_start_time())::bigint as started"
"""No two servers answer the same."""


def ask_postgres(page: Page, url: str, pipeline: str) -> None:
    """Make a pipeline of one SQL block on the profile ``dev``, and run it."""
    page.goto(f"{url}/pipelines")
    page.get_by_role("button", name="New", exact=True).click()
    page.get_by_text("Standard (batch)", exact=True).click()
    page.get_by_placeholder("Pipeline name...").fill(pipeline)
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("button", name="Data loader", exact=True).click()
    page.get_by_role("menuitem", name="SQL", exact=True).locator("visible=true").click()
    save = page.get_by_role("button", name="Save and add")
    save.locator("xpath=ancestor::*[.//input][1]").locator("input").first.fill("ask")
    save.click()
    # The run takes these three from what Mage saves by itself after a moment.
    with page.expect_request_finished(_saves_all):
        page.locator("select[label=Connection]").select_option(label="PostgreSQL")
        page.locator("select[label=Profile]").select_option("dev")
        page.get_by_text("Use raw SQL").click()
    page.locator(".monaco-editor .view-lines").first.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(f"{WHICH_SERVER}, 6 * 7 as answer")
    page.keyboard.press("Control+Enter")


def expect_answer(page: Page, started: str) -> None:
    """The row below the block, of the server that started then."""
    for text in (started, "42"):
        expect(page.get_by_role("cell", name=text, exact=True)).to_be_visible()


def _saves_all(request: Request) -> bool:
    chosen = ('"data_provider":"postgres"', '"data_provider_profile":"dev"', '"use_raw_sql":true')
    return request.method == "PUT" and all(one in (request.post_data or "") for one in chosen)
