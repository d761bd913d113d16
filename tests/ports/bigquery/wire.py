"""Just enough of the APIs of BigQuery and its bucket: sees what is sent, answers by script."""

import json
import re
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.ports.scripted_http import Answer, Request

PROJECT, DATASET, BUCKET = "some-project", "tlc", "lake"
_BASE = rf"/bigquery/v2/projects/{PROJECT}"
ENDED_AT = 1_700_000_000_000


@dataclass
class BigQueryWire:
    """One dataset, and the bucket that it is loaded from.

    Attributes:
        location: Of the dataset; None: there is none.
        bucket_location: None: we may not ask.
        output_rows: What the next load jobs say that they wrote.
        outcomes: Errors in which the next jobs end; None: they succeed.
        faults: Answers to the next inserts of jobs, in place of what they earn.
        jobs: By id, as jobs.get answers.
    """

    location: str | None = "EU"
    bucket_location: str | None = "EU"
    bucket_type: str = "multi-region"
    output_rows: deque[int] = field(default_factory=deque)
    outcomes: deque[dict[str, str] | None] = field(default_factory=deque)
    faults: deque[Answer] = field(default_factory=deque)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        body = json.loads(request.body) if request.method == "POST" else {}
        for pattern, earned in (
            (rf"/storage/v1/b/{BUCKET}", self._bucket),
            (rf"{_BASE}/datasets", lambda: self._create_dataset(body)),
            (rf"{_BASE}/datasets/(\w+)", self._dataset),
            (rf"{_BASE}/datasets/{DATASET}/tables", lambda: self._create_table(body)),
            (rf"{_BASE}/datasets/{DATASET}/tables/(\w+)", partial(_known, self.tables)),
            (rf"{_BASE}/jobs", lambda: self._insert_job(body)),
            (rf"{_BASE}/jobs/([\w-]+)", partial(_known, self.jobs)),
            (rf"{_BASE}/queries/([\w-]+)", self._rows),
        ):
            if match := re.fullmatch(pattern, request.path):
                return earned(*match.groups())
        return error(400, "invalid", f"not in this script: {request.method} {request.path}")

    def _bucket(self) -> Answer:
        if self.bucket_location is None:
            return error(403, "forbidden", "me does not have storage.buckets.get access")
        return reply({"name": BUCKET, "location": self.bucket_location,
                      "locationType": self.bucket_type})  # fmt: skip

    def _dataset(self, name: str) -> Answer:
        if self.location is None:
            return error(404, "notFound", f"Not found: Dataset {PROJECT}:{name}")
        reference = {"projectId": PROJECT, "datasetId": DATASET}
        return reply({"datasetReference": reference, "location": self.location})

    def _create_dataset(self, body: dict[str, Any]) -> Answer:
        self.location = body["location"]
        return reply(body)

    def _create_table(self, body: dict[str, Any]) -> Answer:
        name = body["tableReference"]["tableId"]
        self.tables[name] = {**body, "creationTime": str(ENDED_AT - 1000), "numRows": "0"}
        return reply(self.tables[name])

    def _insert_job(self, body: dict[str, Any]) -> Answer:
        if self.faults:
            return self.faults.popleft()
        job_id = body["jobReference"]["jobId"]
        if job_id in self.jobs:
            return error(409, "duplicate", f"Already Exists: Job {PROJECT}:EU.{job_id}")
        outcome = self.outcomes.popleft() if self.outcomes else None
        rows = self.output_rows.popleft() if self.output_rows else 0
        self.jobs[job_id] = _job(body, outcome, rows)
        return reply(self.jobs[job_id])

    def _rows(self, job_id: str) -> Answer:
        fields = [{"name": name, "type": "INTEGER"} for name in ("accepted", "quarantined")]
        return reply({
            "jobReference": self.jobs[job_id]["jobReference"], "jobComplete": True,
            "schema": {"fields": fields}, "rows": [{"f": [{"v": "7"}, {"v": "2"}]}],
            "totalRows": "1",
        })  # fmt: skip


def _job(body: dict[str, Any], outcome: dict[str, str] | None, rows: int) -> dict[str, Any]:
    """A job that is done, as the service would describe it."""
    times = {"creationTime": "1", "startTime": "2", "endTime": str(ENDED_AT)}
    statistics = {
        **times,
        "totalSlotMs": "4321",
        "load": {"outputRows": str(rows), "inputFiles": "1"},
        "query": {"totalBytesBilled": "10485760", "totalSlotMs": "17", "statementType": "SELECT"},
    }
    status = {"state": "DONE", **({"errorResult": outcome, "errors": [outcome]} if outcome else {})}
    return {**body, "status": status, "statistics": statistics}


def reply(value: object, status: int = 200, **headers: str) -> Answer:
    content = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, {**content, **headers}, json.dumps(value).encode())


def error(status: int, reason: str, message: str, **headers: str) -> Answer:
    errors = [{"reason": reason, "message": message, "domain": "global"}]
    return reply(
        {"error": {"code": status, "message": message, "errors": errors}}, status, **headers
    )


def _known(things: dict[str, dict[str, Any]], name: str) -> Answer:
    return reply(things[name]) if name in things else error(404, "notFound", f"Not found: {name}")
