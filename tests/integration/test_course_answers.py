"""The course's homework on real CSV months, through `mage run`, by the query of its page."""

import json
import re

import pytest

from tests.integration.conftest import ROOT

pytestmark = pytest.mark.integration


def test_the_query_of_the_page_gives_the_course_answers(mage, shared, tmp_path):
    csv = mage.on("course", tmp_path, (shared / "green").as_uri())
    variables = json.dumps({"color": "green", "year": 2020, "month": [10, 11, 12]})
    assert "note:" not in csv.succeed("tlc_trips", variables, TLC_SOURCE_FORMAT="csv")
    page = (ROOT / "docs" / "course.md").read_text()
    (query,) = re.findall(r"```sql\n(with published.+?)```", page, re.S)
    assert csv.sql(query.replace("tlc.", "")) == [(266_855, 139_370, 95, [1, 2])]
    answers = re.search(
        r"([\d,]+)\s+rows;\s+([\d,]+) of them .*? of vendors (\d) and (\d), .*? (\d+) dates",
        page, re.S,
    ).groups()  # fmt: skip
    assert answers == ("266,855", "139,370", "1", "2", "95")
    assert csv.sql("SELECT rows_published FROM ledger ORDER BY source_month") == [
        (95_120,), (88_605,), (83_130,),
    ]  # fmt: skip
