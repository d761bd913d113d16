"""The BigQuery emulator: uploads, and what the stack does where it cannot be installed."""

import hashlib
import os
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import BadRequest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery as api

from embedded.servers import environment


def test_stack_does_without_it_and_says_why(own_stack, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(environment, "_LOCAL", tmp_path / "local")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    settings = own_stack.start()
    assert "bigquery: skipped: bigquery_emulator cannot be installed: " in caplog.text
    assert "network was disabled" in caplog.text
    assert own_stack.bigquery.pid is None
    assert not [name for name in settings if name.startswith("BIGQUERY_")]
    assert own_stack.is_running()
    assert settings["LAKE_URL"]


@pytest.fixture(scope="module")
def client(bigquery) -> api.Client:
    return api.Client(
        project=bigquery.project,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": bigquery.url},
    )


def upload(client: api.Client, table: str, rows: list[dict], **options: str) -> None:
    """As `load_table_from_dataframe` does, which warns of its end."""
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    config = api.LoadJobConfig(source_format="PARQUET", **options)
    size = file.tell()
    client.load_table_from_file(file, table, rewind=True, size=size, job_config=config).result()


@pytest.mark.parametrize("rows", [200, 2_000], ids=["in one request", "in parts"])
def test_an_upload_arrives_byte_for_byte(client, rows):
    """Google's client sends more than 5 MB in parts."""
    client.create_dataset(f"upload_{rows}")
    sent = [{"row": row, "bytes": os.urandom(3_000)} for row in range(rows)]
    upload(client, f"upload_{rows}.t", sent)
    found = client.query(f"select row, md5(bytes) from upload_{rows}.t order by row").result()
    expected = [(row["row"], hashlib.md5(row["bytes"]).digest()) for row in sent]
    assert [tuple(row) for row in found] == expected


def test_a_load_makes_a_table_and_makes_it_anew_only_where_all_is_replaced(client):
    def loaded(*rows: dict, **options: str) -> list[dict]:
        upload(client, "anew.t", list(rows), **options)
        return [dict(row) for row in client.query("select * from anew.t").result()]

    client.create_dataset("anew")
    with pytest.raises(BadRequest, match="Not found"):
        loaded({"a": 1}, create_disposition="CREATE_NEVER")
    assert loaded({"a": 1}) == [{"a": 1}]
    assert loaded({"a": 1}) == [{"a": 1}, {"a": 1}]
    assert loaded({"a": "x", "b": 2.5}, write_disposition="WRITE_TRUNCATE") == [
        {"a": "x", "b": 2.5}
    ]
    for refused in ({"write_disposition": "WRITE_EMPTY"}, {"create_disposition": "CREATE_NEVER"}):
        with pytest.raises(BadRequest):
            loaded({"c": 1}, **refused)
    assert [dict(row) for row in client.query("select a from anew.t").result()] == [{"a": "x"}]
