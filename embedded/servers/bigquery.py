"""A BigQuery emulator as a background server, in its own Python environment."""

from pathlib import Path

from embedded.servers.daemon import HttpDaemon
from embedded.servers.environment import is_installed, own_python

_PINS = Path(__file__).with_name("bigquery_emulator.txt")
"""One environment for every state directory: it has 450 MB."""


class BigQueryServer(HttpDaemon):
    """The emulator of a state directory; it loads from the files of a GCS emulator."""

    project = "emulated"
    dataset = "tlc"
    location = "US"

    def __init__(self, state_dir: Path, objects_dir: Path) -> None:
        self._folders = (state_dir.absolute() / "bigquery", objects_dir)
        words = ("--data-dir", self._folders[0], "--gcs-root", objects_dir)
        super().__init__("bigquery", state_dir, "embedded.servers.bigquery_emulator", *words)

    @property
    def is_installed(self) -> bool:
        """Whether the emulator is here, in the version that is pinned."""
        return is_installed(_PINS)

    def start(self) -> bool:
        """Make the server answer, installing it first if need be; False when it already did.

        Raises:
            NotInstallableError: it cannot be installed here.
            ServerStartError: it died or stayed silent. Read its log.
        """
        self.python = own_python(_PINS)
        for folder in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
        return super().start()
