"""What a run is about: from the keyword arguments that Mage gives a block.

A variable that makes no sense raises ConfigurationError, before anything is started.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from mage_project.run_variables import require_readable
from nyc_tlc.core.catalog.partition import Partition
from nyc_tlc.core.catalog.selection import parse_months, parse_services, partitions
from nyc_tlc.core.contract.service import SERVICES, Service
from nyc_tlc.core.errors import ConfigurationError, shorten
from nyc_tlc.core.month import Month
from nyc_tlc.jobs.audit import AuditScope
from nyc_tlc.jobs.sync import Scope
from nyc_tlc.settings import Settings

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def run_partitions(kwargs: Mapping[str, Any]) -> tuple[Partition, ...]:
    """The partitions of a run.

    The course's ``color`` wins over ``service``, which the pipeline always gives by default.
    ``months`` (or the course's ``year`` with ``month``) wins; else the month of
    ``execution_date``: of a backfill itself, of a trigger less the publication lag.
    ``interval_end_datetime`` is never read: Mage 0.9.80 has it wrong for a backfill's last month.
    """
    current = Month.of(datetime.now(UTC).date())
    settings = Settings.load()
    return partitions(
        run_services(kwargs),
        _months(kwargs, settings.tlc_publication_lag, current),
        current=current,
        source_format=settings.tlc_source_format,
    )


def run_items(kwargs: Mapping[str, Any]) -> list[list[dict[str, str]]]:
    """The partitions of a run as Mage takes them from a dynamic block: items, then their names."""
    chosen = run_partitions(kwargs)
    return [
        [
            {"service": str(partition.service), "month": str(partition.month)}
            for partition in chosen
        ],
        [{"block_uuid": partition.table_name} for partition in chosen],
    ]


def run_force(kwargs: Mapping[str, Any]) -> bool:
    """Whether to load months that have not changed."""
    return _flag(kwargs, "force")


def run_plan(kwargs: Mapping[str, Any]) -> bool:
    """Whether only to say what the run would do."""
    return _flag(kwargs, "plan")


def run_services(kwargs: Mapping[str, Any]) -> tuple[Service, ...]:
    """The services of a run; the course's ``color`` wins over ``service``."""
    require_readable(kwargs)
    return parse_services(kwargs.get("color") or kwargs.get("service") or "")


def run_service(kwargs: Mapping[str, Any]) -> Service:
    """The one service of a run that shows one."""
    services = run_services(kwargs)
    if len(services) != 1:
        raise ConfigurationError(
            f"service is {shorten(', '.join(map(str, services)))}: expected one of "
            f"{', '.join(SERVICES)}. Nothing was started."
        )
    return services[0]


def run_store(kwargs: Mapping[str, Any]) -> str:
    """The store of a run that shows one: Postgres, unless it says so."""
    return str(kwargs.get("store") or "postgres").strip().lower()


def run_month(kwargs: Mapping[str, Any]) -> Month | None:
    """The one month of a run that shows one; None is the newest that there is."""
    return _one_month(kwargs, "month", "the newest month")


def run_first_month(kwargs: Mapping[str, Any]) -> Month | None:
    """From which month on a sync looks; None leaves it to TLC_FIRST_MONTH."""
    return _one_month(kwargs, "first_month", "TLC_FIRST_MONTH")


def run_scope(kwargs: Mapping[str, Any]) -> Scope:
    """Which months a sync asks about."""
    require_readable(kwargs)
    text = str(kwargs.get("scope") or "changed").strip().lower()
    if text not in {"changed", "all"}:
        raise ConfigurationError(
            f"scope is {shorten(text)!r}: expected changed (only the months that may have "
            "changed) or all. Nothing was started."
        )
    return cast("Scope", text)


def run_audit(kwargs: Mapping[str, Any]) -> AuditScope:
    """What an audit looks at: without ``months``, every month there can be, in either format."""
    current = Month.of(datetime.now(UTC).date())
    services = run_services({"service": "all", **kwargs})
    asked = kwargs.get("months") or _year_and_month(kwargs)
    months = (
        parse_months(asked, latest=current - Settings.load().tlc_publication_lag) if asked else ()
    )
    return AuditScope(
        partitions=AuditScope.months_of(services, months),
        deep=_flag(kwargs, "deep"),
        ask_source=_flag(kwargs, "source"),
        # To say what a repair would do is what every audit does.
        repair=str(kwargs.get("repair")).strip().lower() != "plan" and _flag(kwargs, "repair"),
    )


def _one_month(kwargs: Mapping[str, Any], name: str, if_empty: str) -> Month | None:
    require_readable(kwargs)
    text = str(kwargs.get(name) or "").strip()
    try:
        return Month.parse(text) if text else None
    except ValueError as error:
        raise ConfigurationError(
            f"{name} cannot be read ({error}). Nothing was started. Give it as 2025-01, or "
            f"leave it empty for {if_empty}."
        ) from None


def _flag(kwargs: Mapping[str, Any], name: str) -> bool:
    require_readable(kwargs)
    text = str(kwargs.get(name) or "").strip().lower()
    if text not in _TRUE | _FALSE:
        raise ConfigurationError(
            f"{name} is {shorten(text)!r}: expected true or false. Nothing was started."
        )
    return text in _TRUE


def _months(kwargs: Mapping[str, Any], lag: int, current: Month) -> tuple[Month, ...]:
    asked = kwargs.get("months") or _year_and_month(kwargs)
    if asked:
        return parse_months(asked, latest=current - lag)
    execution_date = kwargs.get("execution_date")
    if execution_date is None:
        raise ConfigurationError(
            "the run does not say which months: set the variable months (2024-01, "
            "2024-01:2024-06, 2024, latest, or a list), or let a trigger or a backfill give an "
            "execution_date: a backfill's month, or a trigger's less the publication lag, is then "
            "loaded. Nothing was started."
        )
    if isinstance(execution_date, str):
        execution_date = _instant(execution_date)
    return (Month.of(execution_date) - (0 if _is_backfill(kwargs) else lag),)


def _is_backfill(kwargs: Mapping[str, Any]) -> bool:
    """Whether the dates were chosen on Mage's backfill page, where they name the months meant.

    Mage 0.9.80 runs a backfill under a trigger of its own, which it names ``Backfill <name>``;
    nothing else tells the two apart.
    """
    return str(kwargs.get("trigger_name") or "").startswith("Backfill ")


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"execution_date {shorten(text)!r} is not a date: expected 2024-03-05 or the like. "
            "Nothing was started."
        ) from None


def _year_and_month(kwargs: Mapping[str, Any]) -> list[str]:
    """The course's spelling: ``year`` and ``month``, each a number or a list."""
    years, months = (_numbers(kwargs, name) for name in ("year", "month"))
    if months and not years:
        raise ConfigurationError("month is set without year. Nothing was started. Set both.")
    if not months:
        return [f"{year:04d}" for year in years]
    return [f"{year:04d}-{month:02d}" for year in years for month in months]


def _numbers(kwargs: Mapping[str, Any], name: str) -> list[int]:
    value = kwargs.get(name)
    items = (
        value if isinstance(value, list | tuple) else str("" if value is None else value).split(",")
    )
    try:
        return [int(item) for item in items if str(item).strip()]
    except ValueError:
        raise ConfigurationError(
            f"{name} is {shorten(repr(value))}: expected a number or a list of numbers. "
            "Nothing was started."
        ) from None
