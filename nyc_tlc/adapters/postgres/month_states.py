"""How far each month's publication has come, in a table next to the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Literal

from nyc_tlc.adapters.postgres import schema as ddl
from nyc_tlc.adapters.postgres.connection import Cursor, exists
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.publication import MonthState, State
from nyc_tlc.core.contract.service import SERVICES
from nyc_tlc.core.month import Month

_TABLE = """
CREATE TABLE IF NOT EXISTS publication (
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
INSERT INTO publication AS known
  (service, source_month, state, asked_at, bytes, last_modified, note)
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


def record(cursor: Cursor, states: Sequence[MonthState]) -> None:
    """Record states; what they leave open stays as it was."""
    if not exists(cursor, "publication"):
        ddl.ensure_schema(cursor)
        cursor.execute(SQL(_TABLE).format(SQL(", ").join(map(Literal, State))))
    execute_values(
        cursor,
        _RECORD,
        [
            (
                *ddl.key(state.partition),
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


def read(cursor: Cursor) -> Mapping[Partition, State]:
    """Every recorded state; none where nothing was recorded yet."""
    if not exists(cursor, "publication"):
        return {}
    cursor.execute("SELECT service, source_month, state FROM publication")
    return {
        Partition(SERVICES[service], Month.of(day)): State(state)
        for service, day, state in cursor.fetchall()
    }
