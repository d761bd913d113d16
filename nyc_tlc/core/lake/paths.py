"""Where everything is in the lake."""

import re

from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.contract.code_lists import code_lists
from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.lake.bucket import FOLDERS, STAGED_FILES, STAGING

_OF_A_MONTH = re.compile(r"[a-z]+/service=([a-z]+)/year=([1-9][0-9]{3})/month=([0-9]{2})[/.].+")
_HIVE = rf"service=(?:{'|'.join(SERVICES)})/year=[1-9][0-9]{{3}}/month=(?:0[1-9]|1[0-2])"
_FILES = "|".join(map(re.escape, STAGED_FILES))
_RUN = r"\d{8}T\d{12}-[0-9a-f]{8}"
_STAGED = re.compile(rf"{STAGING}{_HIVE}/([0-9a-f]{{16}})_({_RUN})/(?:{_FILES})")
_OURS = re.compile(
    "|".join(
        (
            rf"raw/{_HIVE}/(?:landing\.json|[0-9a-f]{{64}}(?:\.[a-z]+)+)",
            r"raw/taxi_zone/[0-9a-f]{64}\.csv",
            r"raw/taxi_zones/[0-9a-f]{64}\.zip",
            r"raw/taxi_zones?/(?:landing|sample)\.json",
            rf"(?:trips|quarantine)/{_HIVE}/part-0\.parquet",
            rf"manifests/{_HIVE}\.json",
            rf"loads/bigquery/[^/]+/{_HIVE}\.json",
            rf"reference/(?:{'|'.join(('taxi_zone', *code_lists()))})/part-0\.parquet",
            r"report/lake_audit\.html",
            rf"{STAGING}check_connections/[0-9a-f]{{32}}",
        )
    )
)
PREFIXES = (*(f"{folder}/" for folder in FOLDERS), STAGING)
"""Below which we write; ``raw/``, by which staged files are known, before ``staging/``."""
DATA_PREFIXES = ("trips/", "quarantine/", "manifests/")
"""Below which everything is of the last load of some month."""
_LOADS = "loads/bigquery/"
RAW_PREFIX = "raw/service="
CHECK_PREFIX = f"{STAGING}check_connections/"
ZONE_LOOKUP_LANDING = "raw/taxi_zone/landing.json"
ZONE_POLYGONS_LANDING = "raw/taxi_zones/landing.json"
"""Records of TLC's own lookup and polygons that were landed last; samples have others."""
AUDIT_REPORT = "report/lake_audit.html"
"""The page of the last audit."""


def partition_of(path: str) -> Partition | None:
    """The partition to which an object belongs; None when its path is not of one."""
    match = _OF_A_MONTH.fullmatch(path)
    return Partition.of(*match.groups()) if match else None


def is_ours(path: str) -> bool:
    """Whether it is a name under which we write; of what is staged see ``staged_by``."""
    return _OURS.fullmatch(path) is not None


def staged_by(path: str) -> tuple[str, str] | None:
    """Beginning of the content's hash, and name of the run that staged an object of ours."""
    match = _STAGED.fullmatch(path)
    return (match[1], match[2]) if match else None


def raw(partition: Partition, sha256: str, suffix: str) -> str:
    """Published bytes, by content: never overwritten."""
    return f"{landed(partition)}{sha256}{suffix}"


def landed(partition: Partition) -> str:
    """Below which everything is that was published of the month."""
    return f"raw/{partition.hive_path}/"


def landing(partition: Partition) -> str:
    """Record of the version landed last."""
    return f"{landed(partition)}landing.json"


def staging(partition: Partition) -> str:
    return f"{STAGING}{partition.hive_path}/"


def trips(partition: Partition) -> str:
    return f"trips/{partition.hive_path}/part-0.parquet"


def quarantine(partition: Partition) -> str:
    return f"quarantine/{partition.hive_path}/part-0.parquet"


def warehouse_load(partition: Partition, warehouse: str) -> str:
    """Record of what a warehouse loaded from the lake last."""
    return f"{_LOADS}{warehouse}/{partition.hive_path}.json"


def warehouse_loads(service: Service, warehouse: str) -> str:
    """Below which the records of what a warehouse loaded of a service are."""
    return f"{_LOADS}{warehouse}/service={service}/"


def loaded_partition(path: str, warehouse: str) -> Partition | None:
    """The partition of such a record; None when the object is none."""
    return partition_of(path.replace(f"{_LOADS}{warehouse}/", "loads/"))


def manifest(partition: Partition) -> str:
    return f"manifests/{partition.hive_path}.json"


def manifests(service: Service) -> str:
    """Below which the manifests of a service are."""
    return f"manifests/service={service}/"


def zone_lookup(sha256: str) -> str:
    """The published taxi zone lookup, by content."""
    return f"raw/taxi_zone/{sha256}.csv"


def zone_polygons(sha256: str) -> str:
    """The published polygons of the taxi zones, by content."""
    return f"raw/taxi_zones/{sha256}.zip"


def of_samples(landing: str) -> str:
    """The record of the sample of a lookup or of polygons that was landed last."""
    return landing.replace("/landing.json", "/sample.json")


def reference(table: str) -> str:
    """A dimension table: the taxi zones, or a code list."""
    return f"reference/{table}/part-0.parquet"
