"""One month: the server's floor, our load, our whole job, and what a user would pick instead."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from embedded.servers.postgres import psql_program
from qa.benchmarks import inputs
from qa.benchmarks.case import Case
from qa.benchmarks.measure import Command
from qa.benchmarks.peer import PEERS, peer_case
from qa.benchmarks.study import Plan, Study
from qa.benchmarks.workbench import SCRATCH_SCHEMA, Workbench

_SERVICE, _MONTH = "yellow", "2024-01"
_FLOOR = f"{SCRATCH_SCHEMA}.floor"
_OURS = ("floor", "floor_freeze", "load", "job", "mage_run")


def cases(bench: Workbench, plan: Plan) -> list[Case]:
    plan.tell(f"making the input: {_SERVICE} {_MONTH}, {plan.rows:,} rows")
    folder = inputs.published(bench, _SERVICE, _MONTH, plan.rows)
    load = {
        **bench.environment(schema="load", lake="lake_load"),
        "TLC_SOURCE_URL": folder.as_uri(),
    }
    staged = inputs.staged(bench, load, _SERVICE, _MONTH, encode=True)
    ours = [*_floors(bench, staged), _load(load, staged), *_jobs(bench, folder, staged.rows)]
    peers = [
        peer_case(peer, bench, plan, _SERVICE, _MONTH) for peer in PEERS if plan.wants(peer.name)
    ]
    return [case for case in [*ours, *peers] if plan.wants(case.name)]


def _floors(bench: Workbench, staged: inputs.Staged) -> list[Case]:
    create = f"CREATE TABLE {_FLOOR} (LIKE load.{_SERVICE})"
    copy = f"COPY {_FLOOR} ({', '.join(staged.columns)}) FROM STDIN (FORMAT binary%s)"
    count = f"SELECT count(*) FROM {_FLOOR}"
    return [
        Case(
            "floor",
            "floor: binary COPY by psql",
            _psql(bench, staged.encoded, copy % ""),
            count,
            staged.rows,
            before=(create,),
            kind="floor",
        ),
        Case(
            "floor_freeze",
            "floor: in one transaction, FREEZE",
            _psql(bench, staged.encoded, "BEGIN", create, copy % ", FREEZE", "COMMIT"),
            count,
            staged.rows,
            kind="floor",
        ),
    ]


def _psql(bench: Workbench, stdin: Path, *statements: str) -> Command:
    commands = [word for statement in statements for word in ("--command", statement)]
    return Command(
        (psql_program(), "-X", "-q", "-v", "ON_ERROR_STOP=1", *commands),
        bench.psql_environment(),
        stdin,
    )


def _load(environment: dict[str, str], staged: inputs.Staged) -> Case:
    return Case(
        "load",
        "our load to Postgres",
        Command((*inputs.program("load"), "--table", staged.table), environment),
        f"SELECT count(*) FROM load.{_SERVICE}",
        staged.rows,
    )


def _jobs(bench: Workbench, folder: Path, rows: int) -> list[Case]:
    variables = json.dumps({"service": _SERVICE, "months": _MONTH, "force": "true"})
    mage = Path(sys.executable).with_name("mage")
    commands = {
        "job": (
            "our whole job",
            (*inputs.program("job"), "--service", _SERVICE, "--months", _MONTH),
        ),
        "mage_run": (
            "our whole job, `mage run`",
            (mage, "run", "mage_project", "tlc_trips", "--runtime-vars", variables),
        ),
    }
    return [
        Case(
            name,
            title,
            Command(
                words,
                {
                    **bench.environment(schema=name, lake=f"lake_{name}"),
                    "TLC_SOURCE_URL": folder.as_uri(),
                },
            ),
            f"SELECT count(*) FROM {name}.{_SERVICE}",
            rows,
        )
        for name, (title, words) in commands.items()
    ]


COMPARE = Study(
    name="compare",
    title="One month",
    names=(*_OURS, *(peer.name for peer in PEERS)),
    rows=3_000_000,
    quick_rows=20_000,
    rounds=5,
    cases=cases,
)
