"""Open a job: settings read, log configured, stores connected. Every job begins here."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self, TypeVar

from nyc_tlc.core.catalog.publication import Publication
from nyc_tlc.jobs.log import configure_logging, fail_on_one_screen
from nyc_tlc.ports.bundles import Ports
from nyc_tlc.settings import Settings
from nyc_tlc.steps.run_each import Effort, retried
from nyc_tlc.wiring import connect_stores
from nyc_tlc.work_dir import require_own

T = TypeVar("T")


class Job:
    """A job on the stores of the settings."""

    def __init__(self, settings: Settings, ports: Ports) -> None:
        self._settings = settings
        self._ports = ports
        self._effort = Effort(settings.tlc_workers, settings.tlc_attempts)

    @classmethod
    def open(cls) -> Self:
        """With the settings of the environment."""
        return cls(*open_job(connect_stores))

    def _retried(self, what: str, attempt: Callable[[], T], *, brief: bool = False) -> T:
        return retried(attempt, what, self._effort.brief() if brief else self._effort)

    def _publication(self) -> Publication:
        return Publication(
            self._settings.tlc_source_format,
            self._settings.tlc_publication_lag,
            datetime.now(UTC).date(),
        )


def open_job(connect: Callable[[Settings], T]) -> tuple[Settings, T]:
    """The settings of the environment, and what one of ``wiring``'s functions makes of them.

    Raises:
        ConfigurationError: settings are missing or wrong; lists all of them. Or the work folder is
            not this account's own.
    """
    fail_on_one_screen()
    settings = Settings.load()
    require_own(settings.tlc_work_dir)
    configure_logging(settings.tlc_log_level, settings.tlc_work_dir)
    if settings.ssl_cert_file and not settings.requests_ca_bundle:
        # Python's own TLS reads the one, requests only the other; Google's login makes its own
        # sessions, which nothing else reaches.
        os.environ["REQUESTS_CA_BUNDLE"] = str(settings.ssl_cert_file)
    return settings, connect(settings)
