"""`make run`, `make sync`, …: a pipeline of Mage on the stack, or on the servers of .env."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from embedded.environment import read_env_file
from embedded.stack import CHECKOUT, DEFAULT_STATE_DIR, Stack, become, run_environment
from mage_project.run_variables import require_known
from mage_server.private_files import make_private_files
from nyc_tlc.core.errors import ConfigurationError

_FROM_TLC = ("tlc_trips", "tlc_sync", "tlc_zones")
"""What these load is TLC's own, not the samples that the stack serves."""
_NEED_MONTHS = ("tlc_trips", "backfill_fanout")


def variables(pipeline: str, words: Sequence[str]) -> dict[str, str]:
    """What `SERVICE=green plan=true` gives a pipeline.

    Raises:
        ConfigurationError: a word is no NAME=VALUE, the pipeline has no such variable, or it does
            not say which months.
    """
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigurationError(
                f"{name!r} is no NAME=VALUE, such as MONTHS=2024-01. Nothing was started."
            )
    given = {name.lower(): value for name, _, value in pairs}
    require_known(given, pipeline)
    if pipeline in _NEED_MONTHS and not {"months", "year"} & {k for k, v in given.items() if v}:
        raise ConfigurationError(
            "MONTHS is empty. Nothing was started. Name them: make run SERVICE=green "
            "MONTHS=2024-01 (or 2024-01:2024-06, 2024, latest, a list)."
        )
    return given


def environment_of(pipeline: str, stack: Stack, env_file: Path) -> dict[str, str]:
    """The stack's, but for its samples where real months are meant."""
    environment = run_environment(stack, env_file)
    named = {**read_env_file(env_file), **os.environ}
    if pipeline in _FROM_TLC and "TLC_SOURCE_URL" not in named:
        environment["TLC_SOURCE_URL"] = ""
    return environment


def mage_command(pipeline: str, given: Mapping[str, str]) -> list[str]:
    mage = str(Path(sys.executable).with_name("mage"))
    return [mage, "run", "mage_project", pipeline, "--runtime-vars", json.dumps(given)]


def main(words: Sequence[str] | None = None) -> int:
    """Become `mage run`; returns only where that may not or cannot be."""
    make_private_files()
    parser = argparse.ArgumentParser(prog="python -m embedded.run", description=__doc__)
    parser.add_argument("--state", type=Path, default=DEFAULT_STATE_DIR, metavar="DIR")
    parser.add_argument("--env-file", type=Path, default=CHECKOUT / ".env", metavar="FILE")
    parser.add_argument("pipeline", help="tlc_trips, tlc_sync, tlc_marts, lake_audit, …")
    parser.add_argument("variables", nargs="*", metavar="NAME=VALUE", help="of the pipeline")
    options = parser.parse_args(words)
    try:
        given = variables(options.pipeline, options.variables)
        environment = environment_of(options.pipeline, Stack(options.state), options.env_file)
    except (ConfigurationError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    os.chdir(CHECKOUT)
    return become(mage_command(options.pipeline, given), environment)


if __name__ == "__main__":
    sys.exit(main())
