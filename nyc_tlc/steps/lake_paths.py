"""Where everything of a partition lies in the lake."""

from nyc_tlc.core.partition import Partition


def raw(partition: Partition, sha256: str, suffix: str) -> str:
    """Published bytes, by content: never overwritten."""
    return f"raw/{partition.hive_path}/{sha256}{suffix}"


def landing(partition: Partition) -> str:
    """Record of the version landed last."""
    return f"raw/{partition.hive_path}/landing.json"


def staging(partition: Partition) -> str:
    return f"staging/{partition.hive_path}/"


def trips(partition: Partition) -> str:
    return f"trips/{partition.hive_path}/part-0.parquet"


def quarantine(partition: Partition) -> str:
    return f"quarantine/{partition.hive_path}/part-0.parquet"


def manifest(partition: Partition) -> str:
    return f"manifests/{partition.hive_path}.json"
