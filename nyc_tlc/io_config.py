"""A profile of io_config.yml, the file of connections that Mage reads too."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from nyc_tlc.core.errors import ConfigurationError


def read_profile(environment: Mapping[str, str], io_config: Path) -> Mapping[str, Any]:
    """The profile that ``TLC_PROFILE`` names, filled from the environment.

    Raises:
        ConfigurationError: the file cannot be read, or has no such profile.
    """
    name = environment.get("TLC_PROFILE") or "default"
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    template.globals["env_var"] = environment.get
    try:
        text = template.from_string(io_config.read_text("utf-8")).render()
        profiles = yaml.safe_load(text)
    except (OSError, UnicodeError, TypeError, jinja2.TemplateError, yaml.YAMLError) as error:
        raise ConfigurationError(
            f"{io_config} cannot be read ({type(error).__name__}{_place(error)}). Nothing was "
            "started. Compare it with the repository's io_config.yml."
        ) from None
    known = {
        key: profile
        for key, profile in (profiles.items() if isinstance(profiles, Mapping) else ())
        if isinstance(profile, Mapping)
    }
    if name not in known:
        raise ConfigurationError(
            f"TLC_PROFILE={name} is not a profile of {io_config}. Nothing was started. "
            f"Choose one that is there: {' or '.join(map(str, known)) or 'none is'}."
        )
    return {key: _joined(value) for key, value in known[name].items()}


def _joined(value: object) -> object:
    """Undo ``tojson``'s surrogate pairs, which YAML does not join (an emoji in a password)."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16")


def _place(error: Exception) -> str:
    """Line and column only: the line itself may hold the password."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f" at line {mark.line + 1}, column {mark.column + 1}"
    line = getattr(error, "lineno", None)
    return f" at line {line}" if line else ""
