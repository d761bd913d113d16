"""`make report`: the page of the last audit, from the lake to this machine."""

from nyc_tlc.__main__ import main
from nyc_tlc.adapters.lake.folder import FolderLake
from nyc_tlc.core.lake.paths import AUDIT_REPORT


def test_the_report_is_fetched_from_the_lake(environment, tmp_path, capsys):
    lake = FolderLake(tmp_path / "lake")
    assert main(["report"]) == 1
    assert f"{AUDIT_REPORT} is not there yet. Run `make audit` first." in capsys.readouterr().err
    lake.write(AUDIT_REPORT, b"the page", if_generation=None)
    assert main(["report"]) == 0
    page = tmp_path / "work" / "report" / "lake_audit.html"
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_bytes() == b"the page"
