"""The errors that every lake raises when another run was faster."""

from nyc_tlc.core.errors import ReconciliationError


class ObjectChangedError(ReconciliationError):
    """Another run wrote the object since we looked."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} was changed by another run since this one looked. This run did not overwrite "
            "it. Run the month again."
        )


class ObjectGoneError(ReconciliationError):
    """There is no such object."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri} is gone: another run of the same month finished and cleared it. Nothing was "
            "changed. Run the month again; it will find the month unchanged, or load it."
        )
