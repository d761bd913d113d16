"""How far each month's publication has come, in a table beside the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2.extensions import cursor as Cursor  # noqa: N812 - its class names are lower case
from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Identifier, Literal

from nyc_tlc.adapters.postgres.schema import ensure_schema
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month

_TABLE = """
CREATE TABLE IF NOT EXISTS {} (
  service       text        NOT NULL,
  source_month  date        NOT NULL,
  state         text        NOT NULL CHECK (state IN ({})),
  since         timestamptz NOT NULL DEFAULT now(),
  asked_at      timestamptz,
  bytes         bigint,
  last_modified text,
  note          text        NOT NULL,
  PRIMARY KEY (service, source_month)
)
"""
_RECORD = """
INSERT INTO {} AS known (service, source_month, state, asked_at, bytes, last_modified, note)
VALUES %s
ON CONFLICT (service, source_month) DO UPDATE SET
  state = EXCLUDED.state,
  since = CASE WHEN known.state = EXCLUDED.state THEN known.since ELSE now() END,
  asked_at = coalesce(EXCLUDED.asked_at, known.asked_at),
  bytes = coalesce(EXCLUDED.bytes, known.bytes),
  last_modified = coalesce(EXCLUDED.last_modified, known.last_modified),
  note = CASE WHEN EXCLUDED.asked_at IS NULL AND known.state = EXCLUDED.state
              THEN known.note ELSE EXCLUDED.note END
"""


def record(cursor: Cursor, schema: str, states: Sequence[MonthState]) -> None:
    """Record states; what they leave open stays as it was."""
    table = Identifier(schema, "publication")
    cursor.execute("SELECT to_regclass(%s) IS NULL", [table.as_string(cursor)])
    if cursor.fetchone() == (True,):
        ensure_schema(cursor, schema)
        cursor.execute(SQL(_TABLE).format(table, SQL(", ").join(map(Literal, State))))
    execute_values(
        cursor,
        SQL(_RECORD).format(table).as_string(cursor),
        [
            (
                state.partition.service.name,
                state.partition.month.start.date(),
                state.state.value,
                state.asked or None,
                state.bytes,
                state.last_modified,
                state.note,
            )
            # In one order, so that two runs cannot wait for each other's rows.
            for state in sorted(states, key=lambda state: state.partition.table_name)
        ],
        template="(%s, %s, %s, CASE WHEN %s THEN now() END, %s, %s, %s)",
    )


def read(cursor: Cursor, schema: str) -> Mapping[Partition, State]:
    """Every recorded state; none where nothing was recorded yet."""
    table = Identifier(schema, "publication")
    cursor.execute("SELECT to_regclass(%s) IS NULL", [table.as_string(cursor)])
    if cursor.fetchone() == (True,):
        return {}
    cursor.execute(SQL("SELECT service, source_month, state FROM {}").format(table))
    return {
        Partition(SERVICES[service], Month.of(month)): State(state)
        for service, month, state in cursor.fetchall()
    }
