"""Write docs/configuration.md from the settings."""

import sys

from nyc_tlc.settings import Settings

_INTRODUCTION = """\
# Configuration

Written by `make docs` from `nyc_tlc/settings.py`. Environment variables only: `cp dev.env .env`, or
set them where you run it. Empty means not set.

| variable | default | meaning |
|---|---|---|
"""


def configuration_page() -> str:
    """docs/configuration.md: every variable, its default, its meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        if name == "tlc_work_dir":
            default = "`nyc-tlc` in the user's cache folder"
        text = "required" if field.is_required() else default
        rows.append(f"| `{name.upper()}` | {text} | {field.description} |\n")
    return _INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(configuration_page())
