"""What every lake says when another run was faster."""

from nyc_tlc.core.errors import ReconciliationError


def changed(uri: str) -> ReconciliationError:
    return ReconciliationError(
        f"{uri} was changed by another run since this one looked. This run wrote nothing over "
        "it. Run the month again."
    )


def gone(uri: str) -> ReconciliationError:
    return ReconciliationError(
        f"{uri} is gone: another run of the same month finished and cleared it. Nothing was "
        "changed. Run the month again; it will find the month unchanged, or load it."
    )
