"""Sample CSV months: laid out as TLC's, and read back as they were written."""

import gzip

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from embedded.samples.csv_months import LAYOUTS, layout_of, write_csv_month
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.files.file_kind import SAMPLE_LINES
from nyc_tlc.core.month import Month

ROWS = pa.table(
    {
        "VendorID": pa.array([1, None, 2], pa.int64()),
        "pickup_datetime": pc.strptime(
            pa.array(["2009-01-04 02:52:00", None, "2014-12-31 23:59:59"]),
            format="%Y-%m-%d %H:%M:%S",
            unit="us",
        ),
        "trip_distance": [2.63, None, 1e-5],
        "payment_type": ["CASH", None, "CRD"],
        "ehail_fee": pa.nulls(3),
    }
)


def _partition(service: str, month: Month) -> Partition:
    return Partition(SERVICES[service], month)


LINES = {
    ("yellow", "2013-12"): b"a,b\n\r\n1,x\r\n,\r\n",
    ("yellow", "2014-12"): b"a, b\n\r\n1,x\r\n,\r\n",
    ("yellow", "2016-06"): b"a,b\r\n1,x\r\n,\r\n",
    ("yellow", "2016-12"): b"a,b\r\n1,x,,\r\n,,,\r\n",
    ("green", "2014-12"): b"a,b \n\r\n1,x,,\r\n,,,\r\n",
    ("green", "2015-06"): b"a,b \r\n1,x,,\r\n,,,\r\n",
    ("green", "2015-12"): b"a,b \r\n1,x\r\n,\r\n",
    ("green", "2016-12"): b"a,b\n\r\n1,x,,\r\n,,,\r\n",
    ("green", "2021-07"): b"a,b\r\n1,x\r\n,\r\n",
    ("fhv", "2018-12"): b'"a","b"\r\n"1","x"\r\n"",""\r\n',
    ("fhvhv", "2020-06"): b"a,b\r\n1,x\r\n,\r\n",
}


@pytest.mark.parametrize(("service", "month"), list(LINES), ids=" ".join)
def test_the_lines_are_those_that_tlc_wrote(service, month, tmp_path):
    """Spelled out once, so that reader and writer cannot be wrong together."""
    rows = pa.table({"a": [1, None], "b": ["x", None]})
    path = write_csv_month(_partition(service, Month.parse(month)), rows, tmp_path)
    assert gzip.decompress(path.read_bytes()) == SAMPLE_LINES + LINES[service, month]


@pytest.mark.parametrize("service", LAYOUTS)
def test_headers_are_those_of_the_real_files(service, shared_tlc, tmp_path):
    headers = (shared_tlc / "csv_headers" / f"{service}.tsv").read_text().splitlines()
    for name, header in (line.split("\t") for line in headers):
        month = Month.parse(name.removesuffix(".csv")[-7:])
        names = [name.strip(' "') for name in header.split(",")]
        rows = pa.table([pa.array(["x"])] * len(names), names=names)
        path = write_csv_month(_partition(service, month), rows, tmp_path, compressed=False)
        assert path.read_text().lstrip().splitlines()[0] == header, month


def test_the_same_rows_give_the_same_bytes_compressed_or_not(tmp_path):
    partition = _partition("green", Month(2020, 7))
    text = (
        b"VendorID,pickup_datetime,trip_distance,payment_type,ehail_fee\r\n"
        b"1,2009-01-04 02:52:00,2.63,CASH,\r\n,,,,\r\n2,2014-12-31 23:59:59,0.00001,CRD,\r\n"
    )
    batches = [*ROWS.slice(0, 1).to_batches(), *ROWS.slice(1).to_batches()]
    packed = [write_csv_month(partition, r, tmp_path).read_bytes() for r in (ROWS, iter(batches))]
    assert packed[0] == packed[1]
    path = write_csv_month(partition, ROWS, tmp_path, compressed=False)
    assert path.name == "green_tripdata_2020-07.csv"
    assert path.read_bytes() == gzip.decompress(packed[0]) == SAMPLE_LINES + text
    empty = write_csv_month(partition, ROWS.schema.empty_table(), tmp_path, compressed=False)
    assert empty.read_bytes() == SAMPLE_LINES + text.splitlines(keepends=True)[0]


def test_months_beyond_the_known_layouts_have_the_nearest():
    yellow = LAYOUTS["yellow"]
    assert layout_of(_partition("yellow", Month(2021, 7))) is yellow[-1]
    assert layout_of(_partition("fhv", Month(2014, 1))) is LAYOUTS["fhv"][0]
