"""Real servers, proxies before them, and a process that runs the pipeline on them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import Any

from embedded.samples.months import write_month
from embedded.servers.daemon import Daemon
from embedded.stack import CHECKOUT, Stack
from nyc_tlc.core.catalog.partition import Partition
from qa.chaos.pipeline import Ending, Order, pipeline_process, run
from qa.chaos.proxies import HttpFault, HttpHandler, Proxy, TcpFault, TcpHandler
from qa.chaos.stores import Stores


@dataclass
class World:
    """The servers of a trial. The pipeline runs in processes of its own.

    Attributes:
        stores: Reached directly; the pipeline goes by the proxies.
        http: Proxies before the HTTP servers, by the names of the report.
    """

    stack: Stack
    stores: Stores
    postgres: Proxy[TcpFault]
    http: dict[str, Proxy[HttpFault]]

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
        ending = self._pipeline.submit(run, order).result()
        # No path of this machine gets into a report.
        return replace(ending, error=ending.error.replace(str(self.stack.state_dir), "…"))

    def pipeline(self, **settings: str) -> ProcessPoolExecutor:
        """A further process that runs the pipeline, with its own settings."""
        return pipeline_process(
            self.pipeline_environment | settings, self.stack.state_dir / "pipeline.log"
        )

    @property
    def pipeline_environment(self) -> dict[str, str]:
        return {
            **self.stores.environment,
            "POSTGRES_PORT": str(self.postgres.port),
            "STORAGE_EMULATOR_HOST": self.http["GCS"].url,
            "BIGQUERY_EMULATOR_HOST": self.http["BigQuery"].url,
            "TLC_SOURCE_URL": self.http["source"].url,
        }

    def forget_raw(self, partition: Partition) -> None:
        """Delete the published bytes that the lake keeps, so that a version lands again."""
        self.stores.delete_blobs(f"raw/{partition.hive_path}/")

    def close(self) -> None:
        self._pipeline.shutdown()

    @cached_property
    def _pipeline(self) -> ProcessPoolExecutor:
        return self.pipeline()


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

        def proxy(server: Daemon, handler: type[BaseRequestHandler]) -> Proxy[Any]:
            return cleanup.enter_context(closing(Proxy(server.port or 0, handler)))

        http = {"GCS": stack.gcs, "BigQuery": stack.bigquery, "source": stack.cdn}
        world = World(
            stack,
            Stores(environment, stack.gcs.bucket),
            proxy(stack.postgres, TcpHandler),
            {name: proxy(server, HttpHandler) for name, server in http.items()},
        )
        yield cleanup.enter_context(closing(world))


def _steers(name: str) -> bool:
    return name.startswith(("POSTGRES_", "PG", "TLC_", "LAKE_", "STORAGE_", "GOOGLE_", "BIGQUERY_"))
