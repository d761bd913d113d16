"""The variables that a run was given: every one known and readable, or the run is refused.

Mage 0.9.80 drops ``--runtime-vars`` that are no JSON, and passes on names that nothing reads: a
plan whose quotes a shell has eaten would load everything.
"""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from nyc_tlc.core.errors import ConfigurationError, shorten

_PROJECT = Path(__file__).parent
_OPTION = "--runtime-vars"
_OF_MAGE = frozenset({
    "block_uuid", "configuration", "context", "destination_table", "ds", "dynamic_block_index",
    "env", "event", "execution_date", "execution_partition", "hr", "index", "interval_end_datetime",
    "interval_seconds", "interval_start_datetime", "interval_start_datetime_previous",
    "is_last_block_run", "logger", "parent_block_uuid", "part_index", "pipeline_run_id",
    "pipeline_uuid", "remote_blocks", "repo_path", "retry", "spark", "stream", "trigger_name",
})  # fmt: skip
"""What Mage 0.9.80 adds to a block's keyword arguments; and what begins with ``__``."""
HINT = "_takes"
"""Ends the name of a variable that only says, in Mage's run dialog, what another one takes."""
_OF_THE_COURSE = {"service": {"color"}, "months": {"year", "month"}}
"""Other spellings, by the variable that a pipeline declares."""


def require_readable(kwargs: Mapping[str, Any]) -> None:
    """Refuse a run whose variables cannot be what the user meant.

    Args:
        kwargs: What Mage gives a block: the run's variables, and names of its own.

    Raises:
        ConfigurationError: they are no JSON object, or one is unknown or of an unusable type.
    """
    _require_object(sys.argv)
    given = {name: value for name, value in kwargs.items() if not _is_of_nobody(name)}
    if pipeline := str(kwargs.get("pipeline_uuid") or ""):
        require_known(given, pipeline, Path(kwargs.get("repo_path") or _PROJECT))
    for name, value in given.items():
        _require_plain(name, value)


def require_known(names: Iterable[str], pipeline: str, project: Path = _PROJECT) -> None:
    """Refuse variables that a pipeline does not have.

    Raises:
        ConfigurationError: names the first, and what was probably meant.
    """
    known = variables_of(pipeline, project)
    for name in names:
        if name not in known:
            raise _unknown(name, pipeline, known)


def variables_of(pipeline: str, project: Path = _PROJECT) -> Collection[str]:
    """The variables that a pipeline declares, and the course's spellings of them."""
    file = project / "pipelines" / pipeline / "metadata.yaml"
    listed = yaml.safe_load(file.read_text("utf-8")).get("variables") or {}
    declared = [name for name in listed if not name.endswith(HINT)]
    return {*declared, *(other for name in declared for other in _OF_THE_COURSE.get(name, ()))}


def _unknown(name: str, pipeline: str, known: Collection[str]) -> ConfigurationError:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    listed = f"expected {', '.join(sorted(known))}" if known else "it has none"
    return ConfigurationError(
        f"{pipeline} has no variable {shorten(name)!r}: {listed}. Nothing was started. "
        + (f"Did you mean {near[0]}?" if near else "Leave it out, or declare it in the pipeline.")
    )


def _require_object(words: Sequence[str]) -> None:
    """Read what `mage run` was given, as Mage should."""
    text = _option_of(words)
    if text is None or not text.strip():
        return
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _no_object(text, f"no JSON ({error})") from None
    if not isinstance(value, dict):
        raise _no_object(text, "JSON, but no object")


def _option_of(words: Sequence[str]) -> str | None:
    found = None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == _OPTION:
            found = following
        elif word.startswith(f"{_OPTION}="):
            found = word.partition("=")[2]
    return found


def _no_object(text: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"{_OPTION} is {shorten(text)!r}: {found}; expected an object, such as "
        '\'{"months": "2024-01"}\'. Nothing was started. Some shells eat the quotes: '
        "docs/windows.md has forms that work in each."
    )


def _require_plain(name: str, value: object) -> None:
    """A text, a whole number, true or false, or a list of these: what a form or JSON can mean."""
    items = value if isinstance(value, list | tuple) else [value]
    wrong = [item for item in items if item is not None and not isinstance(item, str | int)]
    if wrong:
        raise ConfigurationError(
            f"{name} is {shorten(value)} ({type(wrong[0]).__name__}): expected a text, a number, "
            "true, false, or a list of these. Nothing was started."
        )


def _is_of_nobody(name: str) -> bool:
    """Whether no user has to have given it."""
    return name in _OF_MAGE or name.startswith("__") or name.endswith(HINT)
