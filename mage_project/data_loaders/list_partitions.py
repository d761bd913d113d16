"""List the run's months, for a block of its own each."""

from mage_project.run_context import run_items, run_partitions

if "data_loader" not in globals():
    from mage_ai.data_preparation.decorators import data_loader, test


@data_loader
def list_partitions(**kwargs):
    return run_items(kwargs)


@test
def test_every_partition_has_an_item(items, *_, **kwargs):
    assert len(items) == len(run_partitions(kwargs))
