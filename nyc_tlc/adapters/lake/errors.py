"""What every lake says when another run was faster."""

from nyc_tlc.core.errors import ReconciliationError


class ObjectChangedError(ReconciliationError):
    """Somebody else wrote the object since we looked."""


class ObjectGoneError(ReconciliationError):
    """There is no such object."""


def changed(uri: str) -> ObjectChangedError:
    return ObjectChangedError(
        f"{uri} was changed by another run since this one looked. This run wrote nothing over "
        "it. Run the month again."
    )


def gone(uri: str) -> ObjectGoneError:
    return ObjectGoneError(
        f"{uri} is gone: another run of the same month finished and cleared it. Nothing was "
        "changed. Run the month again; it will find the month unchanged, or load it."
    )
