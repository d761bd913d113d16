"""Mage's io classes and SQL blocks on the profiles of io_config.yml, as Mage's templates have them.

One `mage run` of a project that holds nothing but such blocks, and our io_config.yml.
"""

import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from embedded.servers.postgres import LOADER
from mage_server.io_classes import io_class_environment
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores
from tests.integration.conftest import ROOT, Mage
from tests.project.test_io_packages import TABLE

pytestmark = pytest.mark.integration
PASSWORD = "% ' \" \\ # $ { a space"
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("mage_ai.data_preparation", "templates"), autoescape=False
)
TRIPS = r"""
import pandas as pd

@data_loader
def load(*args, **kwargs):
    return pd.DataFrame({
        "trip": [1, 2, 3],
        "note": ["it's \"here\"", None, "\u00e9, \U0001f695"],
        "distance": [0.5, float("nan"), 70000.25],
        "pickup_datetime": pd.to_datetime(["2024-01-01 00:00:01"] * 3),
    })
"""
COLLECT = """
import json, os

@data_exporter
def export(*frames, **kwargs):
    options = {"orient": "records", "date_format": "iso", "date_unit": "s"}
    with open(os.environ["COLLECTED"], "w") as file:
        json.dump([json.loads(frame.to_json(**options)) for frame in frames], file)
"""
PLACEHOLDER = re.compile(
    r"'your[ _-][^']*'|'path/to/your/file.csv'|'path/to/write/dataframe/to.csv'"
)


@dataclass(frozen=True)
class Block:
    """A block of the pipeline.

    Attributes:
        kind: In Mage's words: ``data_loader``, ``transformer``, ``data_exporter``.
        text: Its Python or SQL.
        upstream: Names of the blocks before it.
        connection: Of a SQL block, as the lists above its editor set it.
    """

    kind: str
    text: str
    upstream: tuple[str, ...] = ()
    connection: dict[str, Any] | None = None

    def write(self, project: Path, name: str) -> dict[str, Any]:
        """Write its file; returns its part of the pipeline's metadata.yaml."""
        language = "sql" if self.connection else "python"
        file = project / f"{self.kind}s" / f"{name}.{'sql' if self.connection else 'py'}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(self.text, "utf-8")
        return {
            "uuid": name, "name": name, "type": self.kind, "language": language,
            "upstream_blocks": [*self.upstream], "configuration": self.connection or {},
            "executor_type": "local_python", "status": "not_executed",
        }  # fmt: skip


def python(kind: str, store: str, upstream: str, *values: str, profile: str = "dev") -> Block:
    """A block of Mage's template for a store, filled in from top to bottom."""
    template = TEMPLATES.get_template(f"{kind}s/{store}.py").render(code="")
    left = iter(values)
    text = PLACEHOLDER.sub(lambda _: repr(next(left)), template)
    assert list(left) == []
    return Block(kind, text.replace("'default'", repr(profile)), (upstream,))


def sql(
    kind: str, text: str, *upstream: str, provider: str = "postgres", profile: str = "dev",
    **connection: Any,
) -> Block:  # fmt: skip
    chosen = {"data_provider": provider, "data_provider_profile": profile, "limit": 1000}
    return Block(kind, text, upstream, chosen | (connection or {"use_raw_sql": True}))


def blocks_of_stores(schema: str, bucket: str, prefix: str, folder: Path) -> dict[str, Block]:
    table = f"select * from {schema}.trips order by trip"
    key, file = f"{prefix}/mine/trips.parquet", str(folder / "trips.parquet")
    gcs = "google_cloud_storage"
    return {
        "to_postgres": python("data_exporter", "postgres", "trips", schema, "trips"),
        "from_postgres": python("data_loader", "postgres", "to_postgres", table, profile="default"),
        f"to_{gcs}": python("data_exporter", gcs, "trips", bucket, key),
        f"from_{gcs}": python("data_loader", gcs, f"to_{gcs}", bucket, key, profile="default"),
        "to_file": python("data_exporter", "file", "trips", file),
        "from_file": python("data_loader", "file", "to_file", file),
        "from_sql": sql("data_loader", "select 1 as one;"),
        # One after the other: each of them makes the schema if need be.
        "sql_exporter": sql(
            "data_exporter", "select trip from {{ df_1 }} where distance > 1", "trips",
            "to_postgres", data_provider_schema=schema, data_provider_table="long_trips",
            export_write_policy="replace",
        ),
        "from_sql_over_frame": sql(
            "transformer", "select count(*) as trips, max(note) as note from {{ df_1 }}", "trips",
            "sql_exporter", profile="default",
        ),
    }  # fmt: skip


def blocks_of_bigquery(dataset: str) -> dict[str, Block]:
    table = f"{dataset}.trips"
    rows = f"select * from `{table}` order by trip"
    return {
        "dataset": sql("data_loader", f"create schema `{dataset}`", provider="bigquery"),
        "to_bigquery": python("data_exporter", "bigquery", "trips", table),
        "from_bigquery": python("data_loader", "bigquery", "to_bigquery", rows, profile="default"),
        "from_sql_bigquery": sql(
            "data_loader", f"select count(*) as trips from `{table}`", "to_bigquery",
            provider="bigquery",
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> str:
    return f"own_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def on(mage, stack, schema, tmp_path_factory) -> Iterator[Mage]:
    """The same servers, entered with a password of every awkward character."""
    role, password = f"{schema}_role", PASSWORD.replace("'", "''")
    stack.postgres.psql(f"CREATE ROLE {role} LOGIN IN ROLE {LOADER} PASSWORD '{password}'")
    own = mage.on(schema, tmp_path_factory.mktemp("io"), "file:///nowhere", bigquery=True)
    try:
        yield Mage({**own.environment, "POSTGRES_USER": role, "POSTGRES_PASSWORD": PASSWORD})
    finally:
        stack.postgres.psql(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@pytest.fixture(scope="module")
def read(on, schema, tmp_path_factory) -> dict[str, list[dict[str, Any]]]:
    """The rows of `trips`, and those that each block read, by its name."""
    folder = tmp_path_factory.mktemp("project")
    project, collected = folder / "io_project", folder / "collected.json"
    (project / "pipelines" / "io").mkdir(parents=True)
    shutil.copy(ROOT / "io_config.yml", project / "io_config.yaml")
    (project / "metadata.yaml").write_text("project_type: standalone\n")
    bucket, _, prefix = on.environment["LAKE_URL"].removeprefix("gs://").partition("/")
    blocks = {
        "trips": Block("data_loader", TRIPS, ("dataset",) if on.has_bigquery else ()),
        **blocks_of_stores(schema, bucket, prefix, folder),
    }
    if on.has_bigquery:
        blocks |= blocks_of_bigquery(f"{on.environment['BIGQUERY_PROJECT']}.{schema}")
    readers = ("trips", *(name for name in blocks if name.startswith("from_")))
    blocks["collect"] = Block("data_exporter", COLLECT, readers)
    written = [block.write(project, name) for name, block in blocks.items()]
    for one in written:
        one["downstream_blocks"] = [n for n, b in blocks.items() if one["uuid"] in b.upstream]
    pipeline = {"uuid": "io", "name": "io", "type": "python", "blocks": written}
    (project / "pipelines" / "io" / "metadata.yaml").write_text(yaml.safe_dump(pipeline))
    run = on.run("io", project=project, COLLECTED=str(collected))
    assert run.returncode == 0, run.stdout
    return dict(zip(readers, json.loads(collected.read_text("utf-8")), strict=True))


@pytest.mark.parametrize(
    "store", [module.split(".")[-1] for module, (_, text) in TABLE.items() if text == "works"]
)
def test_a_frame_comes_back_from_each_store_as_it_was_exported(read, on, store):
    if store == "bigquery" and not on.has_bigquery:
        pytest.skip("no BigQuery emulator here")
    assert read[f"from_{store}"] == read["trips"]
    assert [row["distance"] for row in read["trips"]] == [0.5, None, 70000.25]


def test_a_sql_block_answers_and_asks_the_frame_of_another_block(read, on):
    assert read["from_sql"] == [{"one": 1}]
    assert read["from_sql_over_frame"] == [{"trips": 3, "note": "é, 🚕"}]
    assert read.get("from_sql_bigquery", [{"trips": 3}]) == [{"trips": 3}]


def test_a_sql_exporter_writes_a_table(read, on, schema):
    assert on.sql(f"select * from {schema}.long_trips") == [(3,)]


def test_our_own_steps_take_the_same_password(on):
    assert connect_stores(Settings.load(on.environment)).warehouse.describe()


def test_the_tls_that_the_settings_ask_for_is_asked_by_mages_class_too(on):
    strict = {**on.environment, "POSTGRES_SSLMODE": "require"}
    code = (
        "from mage_ai.io.config import ConfigFileLoader; from mage_ai.io.postgres import Postgres\n"
        "with Postgres.with_config(ConfigFileLoader('io_config.yml', 'dev')): pass"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, check=True,
        env=strict | io_class_environment(strict), capture_output=True, text=True,
    )  # fmt: skip
    assert "server does not support SSL, but SSL was required" in run.stderr
