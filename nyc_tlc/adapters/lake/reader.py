"""Rows of the trips in the lake for a person to look at."""

from collections.abc import Sequence

import pyarrow as pa

from nyc_tlc.core.audit.values import Part
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.service import Service
from nyc_tlc.core.errors import ReconciliationError
from nyc_tlc.core.files.parquet_file import open_parquet, read_head
from nyc_tlc.core.lake import paths as lake_paths
from nyc_tlc.core.lake.records import Manifest, parse_record
from nyc_tlc.core.month import Month
from nyc_tlc.ports.lake import Lake
from nyc_tlc.ports.reader import CodeCounts


class LakeReader:
    """Looks at what the lake has committed; of an object, no more is read than the first pages."""

    name = "the lake"

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def months(self, service: Service) -> Sequence[Month]:
        prefix = lake_paths.manifests(service)
        found = (lake_paths.partition_of(stored.path) for stored in self._lake.list(prefix))
        return [partition.month for partition in found if partition]

    def rows(self, partition: Partition, part: Part, most: int) -> pa.Table:
        objects = dict(zip(Part, self._manifest(partition).objects, strict=True))
        return read_object_head(self._lake, objects[part].path, most)

    def count_codes(self, partition: Partition) -> CodeCounts:
        counts = self._manifest(partition).counts
        by_flag = {flag: rows for flag, rows in counts.by_flag.items() if rows}
        return CodeCounts(counts.by_reason, by_flag)

    def _manifest(self, partition: Partition) -> Manifest:
        path = lake_paths.manifest(partition)
        found = self._lake.read(path)
        if found is None:
            raise ReconciliationError(
                f"{partition}: {self._lake.url}/{path} is gone. Nothing was changed. Load the "
                "month again."
            )
        return parse_record(Manifest, found[0], path)


def read_object_head(lake: Lake, path: str, most: int) -> pa.Table:
    """The first rows of a Parquet object."""
    with lake.open_range(path) as source, open_parquet(source, path) as file:
        return read_head(file, path, most)
