"""`make demo`: sample months through the complete pipeline on its own servers, and the result."""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from embedded.environment import without_proxy_for_us
from embedded.samples.months import write_cdn
from embedded.servers.postgres import psql_environment, psql_program
from embedded.stack import CHECKOUT, DEFAULT_STATE_DIR, Stack
from mage_server.private_files import make_private_files
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import GREEN, YELLOW
from nyc_tlc.core.lake import paths
from nyc_tlc.core.month import Month
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.warehouse import StoreCounts
from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_stores

_MONTHS = [
    Partition(service, Month(2023, month)) for service in (YELLOW, GREEN) for month in (1, 2)
]
"""Two months on both sides of a change of TLC's schema: types, Airport_fee, compression."""
_THEIRS = '{"service": "yellow,green", "months": "2023-01:2023-02"}'
_VARIABLES = {"tlc_trips": _THEIRS, "lake_audit": _THEIRS}
_ROWS = 100_000
_QUESTIONS = {
    "Trips per day, the first week of February 2023": """
        SELECT pickup_datetime::date AS day,
               count(*) FILTER (WHERE service = 'yellow') AS yellow,
               count(*) FILTER (WHERE service = 'green') AS green
        FROM trips
        WHERE pickup_datetime >= '2023-02-01' AND pickup_datetime < '2023-02-08'
        GROUP BY day ORDER BY day""",
    "The busiest pick-up zones": """
        SELECT pu_zone AS zone, pu_borough AS borough, count(*) AS trips,
               round(avg(total_amount)::numeric, 2) AS mean_usd
        FROM yellow_named
        GROUP BY zone, borough ORDER BY trips DESC, zone LIMIT 5""",
    "Quarantined rows by reason": """
        SELECT service, to_char(source_month, 'YYYY-MM') AS month, reason, count(*) AS rows
        FROM quarantine GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
}
_NEXT = """
What next:
  make ui      the Mage UI at http://localhost:6789: its overview has these four runs; open
               tlc_trips for rows below each block, look_at_trips for those of any store
  make report  the audit's page, month by month
  make psql    a SQL prompt: select * from tlc.ledger;
  make run SERVICE=green MONTHS=2024-01    a real month from TLC (needs the network)
  make stop    end the servers; the data stay in .local/"""


def main(arguments: Sequence[str] | None = None) -> int:
    make_private_files()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE_DIR, help="where all is kept")
    began = time.monotonic()
    stack = Stack(parser.parse_args(arguments).state)
    try:
        environment = without_proxy_for_us({**os.environ, **stack.start()})
    except RuntimeError as error:  # a server did not start, or PostgreSQL has no place here
        print(error, file=sys.stderr)
        return 1
    _say("Sample months, as TLC would publish them, but shorter (the run will note that)")
    with _list_of_runs(environment):
        write_cdn(stack.cdn_root, _MONTHS, _ROWS, keep=True)
    if not _pipelines_run(environment, stack.state_dir):
        return 1
    for question, sql in _QUESTIONS.items():
        _say(question)
        _ask(environment, sql)
    stores = connect_stores(Settings.load(environment))
    _say("The same rows in every store, accepted and quarantined")
    print(_counts_table(stores))
    if stores.bigquery is None:
        print("BigQuery: skipped, its emulator cannot be installed here (see above)")
    _say(f"The lake, {stores.lake.url}")
    print("\n".join(_tree((stored.path, stored.bytes) for stored in stores.lake.list(""))))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{time.monotonic() - began:.0f} s; peak memory of a pipeline process {peak:.0f} MB")
    print(_NEXT)
    return 0


def _list_of_runs(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Make the database in which Mage's UI finds the runs that follow."""
    return subprocess.Popen(
        [sys.executable, "-m", "mage_server.run_record"], cwd=CHECKOUT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _pipelines_run(environment: Mapping[str, str], folder: Path) -> bool:
    """Run everything once; those that only read the trips at the same time."""
    mage = partial(_mage, environment, folder)
    if not all(mage(pipeline) for pipeline in ("tlc_zones", "tlc_trips")):
        return False
    with ThreadPoolExecutor() as pool:
        return all(pool.map(partial(mage, at_its_end=True), ("tlc_marts", "lake_audit")))


def _mage(
    environment: Mapping[str, str], folder: Path, pipeline: str, *, at_its_end: bool = False
) -> bool:
    mage, log = Path(sys.executable).with_name("mage"), folder / f"demo_{pipeline}.log"
    title = f"mage run mage_project {pipeline}"
    if not at_its_end:
        _say(title)
    variables = _VARIABLES.get(pipeline, "{}")
    with log.open("w", encoding="utf-8") as errors:
        done = subprocess.run(
            [mage, "run", "mage_project", pipeline, "--runtime-vars", variables],
            cwd=CHECKOUT, env=environment, stderr=errors, check=False, text=True,
            stdout=subprocess.PIPE if at_its_end else None,
        )  # fmt: skip
    if at_its_end:
        print(f"\n== {title}\n{done.stdout}", end="", flush=True)
    if done.returncode:
        tail = log.read_text("utf-8").strip().splitlines()[-20:]
        print("\n".join([*tail, f"{title} failed; all it said: {log}"]), file=sys.stderr)
    return done.returncode == 0


def _ask(environment: Mapping[str, str], sql: str) -> None:
    words = ["--no-psqlrc", "--pset", "footer=off", "--command", sql]
    subprocess.run([psql_program(), *words], env=psql_environment(environment), check=True)


def _counts_table(stores: Ports) -> str:
    """The rows of each month as each store has them, asked of the stores themselves."""
    bigquery = stores.bigquery
    counts: dict[str, Callable[[Partition], StoreCounts]] = {
        "Postgres": stores.warehouse.count,
        "the lake": lambda partition: _in_the_lake(stores.lake, partition),
    }
    if bigquery is not None:
        counts["BigQuery"] = lambda partition: bigquery.count(partition).counts
    lines = [f"{'partition':<16}" + "".join(f"{store:>10}" for store in counts)]
    for partition in sorted(_MONTHS, key=str):
        held = [count(partition) for count in counts.values()]
        rows = "".join(f"{one.accepted + one.quarantined:>10,}" for one in held)
        lines.append(f"{partition!s:<16}{rows}")
    return "\n".join(lines)


def _in_the_lake(lake: Lake, partition: Partition) -> StoreCounts:
    rows = []
    for path in (paths.trips(partition), paths.quarantine(partition)):
        with lake.open_range(path) as file:
            rows.append(pq.read_metadata(file).num_rows)
    return StoreCounts(*rows)


def _tree(objects: Iterable[tuple[str, int]]) -> list[str]:
    """Objects as an indented tree, each folder named once."""
    lines: list[str] = []
    shown: tuple[str, ...] = ()
    for name, size in objects:
        *folders, file = name.split("/")
        for depth, folder in enumerate(folders):
            if tuple(folders[: depth + 1]) != shown[: depth + 1]:
                lines.append(f"{'  ' * depth}{folder}/")
        short = file if len(file) < 40 else f"{file[:12]}…{Path(file).suffix}"
        lines.append(f"{'  ' * len(folders)}{short}  {size:,} bytes")
        shown = tuple(folders)
    return lines


def _say(title: str) -> None:
    print(f"\n== {title}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
