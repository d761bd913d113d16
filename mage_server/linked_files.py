"""Mage's editor opens io_config.yaml, which is a link to the io_config.yml of the repository."""

import os


def open_links() -> None:
    """Take a file for the project's by its path in the project, wherever a link there leads.

    Mage 0.9.80 follows links first, and says that the file is not in the project directory. A path
    with `..` is refused as before.
    """
    from mage_ai.data_preparation.models import file

    file.get_absolute_path = os.path.abspath
