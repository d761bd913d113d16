"""Published files for pipelines that read them by their own means: what Mage's blocks call."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.jobs.open import Job
from nyc_tlc.ports.source import Fetched, SourceFileAbsentError
from nyc_tlc.steps.look import absent, find_source_path
from nyc_tlc.steps.run_each import retried
from nyc_tlc.work_dir import require_own


class PublishedFiles(Job):
    """The source of the settings: TLC's CDN, a mirror or a folder."""

    @contextmanager
    def download(self, partitions: Sequence[Partition]) -> Iterator[list[Path]]:
        """The published file of each partition on local disk, for as long as the context is open.

        Raises:
            NotPublishedYet: a month is missing, within its lag.
            SourceError: a month is missing after its lag, or is not the file as stored.
            RetryableError: the source failed, as often as is tried.
        """
        require_own(self._ports.work_dir)
        with tempfile.TemporaryDirectory(dir=self._ports.work_dir) as folder:
            yield [self._fetch(partition, Path(folder)).path for partition in partitions]

    def _fetch(self, partition: Partition, folder: Path) -> Fetched:
        publication = self._publication()

        def fetch(path: str, _: str | None) -> Fetched:
            fetched = self._ports.source.fetch(path, folder, unless_etag=None)
            assert fetched is not None  # noqa: S101 - it has every version that is not None
            return fetched

        find = partial(find_source_path, partition, None, publication.source_format, fetch)
        try:
            return retried(find, str(partition), self._effort, "find")
        except SourceFileAbsentError as error:
            raise absent(partition, error, publication) from error
