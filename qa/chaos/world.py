"""Real servers, proxies before them, and processes that run the pipeline on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from embedded.samples.months import write_month
from embedded.stack import CHECKOUT, Stack
from nyc_tlc.core.catalog.partition import Partition
from qa.chaos.pipeline import Ending, Order
from qa.chaos.proxies import HttpProxy, TcpProxy
from qa.chaos.stores import Stores


class Pipeline:
    """A process that has imported the pipeline, and forks one run after the other."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("a", encoding="utf-8") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "qa.chaos.pipeline"],
                cwd=CHECKOUT, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip

    def run(self, order: Order) -> Ending:
        """Run the pipeline once, to its end or its death."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(order.to_json() + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the process of the trials has ended; pipeline.log says why")
        return Ending(**json.loads(line))

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Proxies:
    """Between the pipeline and its servers."""

    postgres: TcpProxy
    gcs: HttpProxy
    bigquery: HttpProxy
    source: HttpProxy

    @classmethod
    def before(cls, stack: Stack) -> Proxies:
        return cls(
            TcpProxy(stack.postgres.port or 0),
            HttpProxy(stack.gcs.port or 0),
            HttpProxy(stack.bigquery.port or 0),
            HttpProxy(stack.cdn.port or 0),
        )

    def environment(self) -> dict[str, str]:
        """Leads the pipeline here."""
        return {
            "POSTGRES_PORT": str(self.postgres.port),
            "STORAGE_EMULATOR_HOST": self.gcs.url,
            "BIGQUERY_EMULATOR_HOST": self.bigquery.url,
            "TLC_SOURCE_URL": self.source.url,
        }

    def close(self) -> None:
        for proxy in (self.postgres, self.gcs, self.bigquery, self.source):
            proxy.close()


@dataclass
class World:
    """The servers of a trial. The pipeline runs in processes of its own.

    Attributes:
        stores: Reached directly; the pipeline goes by the proxies.
    """

    stack: Stack
    stores: Stores
    proxies: Proxies
    _pipeline: Pipeline | None = None

    def publish(self, partition: Partition, rows: int, seed: int) -> None:
        """Let the CDN have this version of the month from now on."""
        kept = self.stack.state_dir / "versions" / f"{seed}-{rows}"
        kept.mkdir(parents=True, exist_ok=True)
        if not (kept / partition.file_name).exists():
            write_month(partition, rows, kept, seed=seed)
        target = self.stack.cdn_root / "trip-data" / partition.file_name
        incoming = target.with_suffix(".incoming")
        shutil.copyfile(kept / partition.file_name, incoming)
        incoming.replace(target)

    def run(self, order: Order) -> Ending:
        """Run the pipeline once, to its end or its death."""
        if self._pipeline is None:
            self._pipeline = self.pipeline()
        ending = self._pipeline.run(order)
        # No path of this machine gets into a report.
        return replace(ending, error=ending.error.replace(str(self.stack.state_dir), "…"))

    def pipeline(self, **settings: str) -> Pipeline:
        """A further process that runs the pipeline, with settings of its own; close it yourself."""
        log = self.stack.state_dir / "pipeline.log"
        return Pipeline(self.pipeline_environment | settings, log)

    @property
    def pipeline_environment(self) -> dict[str, str]:
        return {**self.stores.environment, **self.proxies.environment()}

    def forget_raw(self, partition: Partition) -> None:
        """Delete the published bytes that the lake keeps, so that a version lands again."""
        for blob in list(self.stores.blobs(f"raw/{partition.hive_path}/")):
            blob.delete()

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.close()


@contextmanager
def temporary_world() -> Iterator[World]:
    """Start servers in a folder that is removed at the end, whatever happens."""
    with ExitStack() as cleanup:
        folder = Path(tempfile.mkdtemp(prefix="nyc-tlc-chaos-"))
        cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
        # The server's own account has to enter where this runs as root.
        folder.chmod(0o755)
        stack = Stack(folder / "world")
        stack.state_dir.mkdir()
        cleanup.callback(stack.stop)
        environment = {
            **{name: value for name, value in os.environ.items() if not _steers(name)},
            **stack.start(),
            "PYTHONPATH": str(CHECKOUT),
            "TLC_LOG_LEVEL": "WARNING",
        }
        proxies = cleanup.enter_context(closing(Proxies.before(stack)))
        world = World(stack, Stores(environment, stack.gcs.bucket), proxies)
        yield cleanup.enter_context(closing(world))


def _steers(name: str) -> bool:
    return name.startswith(("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_"))
