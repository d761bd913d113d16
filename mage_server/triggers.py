"""`make schedules`, `make schedule-on`, …: the triggers of a running Mage, from the shell."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from mage_server.api import MageApi, MageApiError
from mage_server.run_record import TRIGGER as MAGE_RUN

_PIPELINES = Path(__file__).resolve().parents[1] / "mage_project" / "pipelines"
_URL = "http://127.0.0.1:6789"
Trigger = dict[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(words)
    api = MageApi(arguments.url)
    try:
        api.sign_in(os.environ["DEFAULT_OWNER_EMAIL"], os.environ["DEFAULT_OWNER_PASSWORD"])
        sys.stdout.writelines(_COMMANDS[arguments.command](api, getattr(arguments, "trigger", "")))
    except requests.ConnectionError:
        problem = f"no Mage answers at {arguments.url}: start it, or give its URL (--url)"
    except KeyError as error:
        problem = (
            f"{error.args[0]} is not set, and no `make ui` was run here. In the containers: "
            "docker compose exec mage triggers …"
        )
    except MageApiError as error:
        problem = str(error)
    else:
        return 0
    finally:
        api.close()
    sys.stderr.write(f"{problem}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mage_server.triggers", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("MAGE_URL") or _URL, help=f"default {_URL}")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("list", help="every trigger, whether it is on, and when it fires next")
    for command, text in (
        ("on", "switch a trigger on"),
        ("off", "switch a trigger off"),
        ("token", "make a new token for an API trigger; the one before is no longer valid"),
    ):
        commands.add_parser(command, help=text).add_argument("trigger")
    return parser


def _list(api: MageApi, _: str) -> Iterator[str]:
    for trigger in _triggers(api):
        when = trigger["schedule_interval"] or "by API"
        following = trigger["next_pipeline_run_date"] if trigger["status"] == "active" else ""
        name = f"{trigger['pipeline_uuid']:<16} {trigger['name']:<27}"
        yield f"{name} {trigger['status']:<9} {when:<13} {following or ''}".rstrip() + "\n"


def _switch_on(api: MageApi, name: str) -> Iterator[str]:
    found = _change(api, _found(api, name), status="active")
    following = found["next_pipeline_run_date"] or "a call"
    yield f"{name} is on; it fires next at {following} (UTC)\n"


def _switch_off(api: MageApi, name: str) -> Iterator[str]:
    _change(api, _found(api, name), status="inactive")
    yield f"{name} is off\n"


def _make_token(api: MageApi, name: str) -> Iterator[str]:
    trigger = _found(api, name)
    if trigger["schedule_type"] != "api":
        raise MageApiError(f"{name} fires by time: only an API trigger has a token")
    token = _change(api, trigger, rotate_token=True)["token"]
    yield f"{api.url}/api/pipeline_schedules/{trigger['id']}/pipeline_runs/{token}\n"


def _change(api: MageApi, trigger: Trigger, **values: object) -> Trigger:
    body = {"pipeline_schedule": {"id": trigger["id"], **values}}
    changed: Trigger = api.put(f"pipeline_schedules/{trigger['id']}", body)["pipeline_schedule"]
    return changed


def _found(api: MageApi, name: str) -> Trigger:
    triggers = list(_triggers(api))
    found = [trigger for trigger in triggers if trigger["name"] == name]
    if len(found) != 1:
        names = ", ".join(sorted(trigger["name"] for trigger in triggers))
        raise MageApiError(f"{name or '(no name)'} is not a trigger: expected one of {names}")
    return found[0]


def _triggers(api: MageApi) -> Iterator[Trigger]:
    """The triggers that the pipelines declare; not those that Mage makes for a backfill.

    Nor is what runs of `mage run` are listed under one to be switched on.
    """
    for pipeline in sorted(path.parent.name for path in _PIPELINES.glob("*/triggers.yaml")):
        listed = api.get(f"pipelines/{pipeline}/pipeline_schedules")["pipeline_schedules"]
        yield from (trigger for trigger in listed if trigger["name"] != MAGE_RUN)


_COMMANDS = {"list": _list, "on": _switch_on, "off": _switch_off, "token": _make_token}

if __name__ == "__main__":
    sys.exit(main())
