"""Every setting, from the environment and io_config.yml."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from nyc_tlc.core.contract.source_format import SourceFormat
from nyc_tlc.core.errors import ConfigurationError, listed, shorten
from nyc_tlc.io_config import read_profile
from nyc_tlc.work_dir import DEFAULT_WORK_DIR

_CHECKOUT = Path(__file__).resolve().parents[1]
HOME = _CHECKOUT if (_CHECKOUT / "io_config.yml").exists() else Path.cwd()
"""What relative folders are relative to: the checkout; of an installed package, where it runs."""
_OWN = HOME / "io_config.yml"
IO_CONFIG = _OWN if _OWN.exists() else Path(__file__).with_name("io_config.yml")
_CSV_MIRROR = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"
_MIRROR_REDIRECTS_TO = "release-assets.githubusercontent.com,objects.githubusercontent.com"
_LAKE_ADDRESS = re.compile(r"(gs|s3|az)://[a-z0-9][a-z0-9._-]+(/.*)?|file:///.+")
_NOT_IN_IO_CONFIG = ("TLC_", "STORAGE_", "GOOGLE_", "SSL_", "REQUESTS_")
_FOLDER = re.compile(r"\.{0,2}/|~|\.{1,2}$")

_NAME = r"^[^\x00-\x1f]+$"
"""What Postgres takes in quotes."""


class Settings(BaseModel):
    """Every setting, validated. Field names in upper case are the environment variables."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    postgres_host: str = Field(pattern=r"^[!-~]+$", description="Host of the Postgres server")
    postgres_port: int = Field(5432, ge=1, le=65535, description="Its port")
    postgres_dbname: str = Field(pattern=_NAME, description="Database that holds the trips")
    postgres_user: str = Field(pattern=_NAME, description="Role that owns the schema")
    postgres_password: SecretStr = Field(description="Its password")
    postgres_schema: str = Field(
        "tlc", pattern=_NAME, max_length=63, description="Schema of every table"
    )
    postgres_connect_timeout: int = Field(10, ge=1, description="Seconds to wait for a connection")
    postgres_sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        "prefer",
        description="TLS to Postgres: `prefer` takes it where the server has it; only "
        "`verify-full` proves that it is the server of that name",
    )
    postgres_sslrootcert: Path | None = Field(
        None,
        description="File of the certificates to trust for `verify-ca` and `verify-full`; empty: "
        "those that browsers trust",
    )
    lake_url: str = Field(
        min_length=1,
        description="`gs://bucket[/prefix]`, a folder (`./lake` in the checkout, `/srv/lake`), or "
        "one of [other clouds](lake.md)",
    )
    google_application_credentials: Path | None = Field(
        None,
        validation_alias=AliasChoices(
            "google_service_acc_key_filepath",  # Mage's name for it, in io_config.yml
            "google_application_credentials",
        ),
        description="Key file; empty: whatever google-auth finds",
    )
    storage_emulator_host: str | None = Field(
        None, pattern="^https?://.+", description="Address of a GCS emulator; empty: the real GCS"
    )
    bigquery_project: str | None = Field(
        None, min_length=1, description="Google Cloud project that owns the dataset and pays"
    )
    bigquery_dataset: str | None = Field(
        None,
        pattern=r"^\w+$",
        description="Dataset of the trips; empty: nothing goes to BigQuery. Needs BIGQUERY_PROJECT "
        "and a lake in `gs://`",
    )
    bigquery_location: str | None = Field(
        None, description="Where the dataset is, or is to be made; empty: where the bucket is"
    )
    bigquery_maximum_bytes_billed: int = Field(
        10 << 30, gt=0, description="Bytes that one query of ours may bill; loads are free"
    )
    bigquery_emulator_host: str | None = Field(
        None,
        pattern="^https?://.+",
        description="Address of a BigQuery emulator; empty: the real one",
    )
    tlc_source_format: SourceFormat = Field(
        SourceFormat.PARQUET,
        description="Form of the published files: `parquet`, or `csv` (`.csv.gz` or `.csv`, as "
        "TLC had it to mid 2021)",
    )
    tlc_source_url: str = Field(
        "https://d37ci6vzurychx.cloudfront.net",
        pattern=r"^(https?://[^/].*|file:///.+)$",
        repr=False,
        description="Where the published files are: `https://…`, or `file://…` for a folder; with "
        "`csv` by default the DataTalksClub mirror",
    )
    tlc_source_redirect_hosts: str = Field(
        "",
        pattern=r"^[^/@\\\s]*$",
        description="Hosts to which the source may redirect, from https to https, separated by "
        "commas; its own is always allowed. With `csv` by default those of GitHub's releases",
    )
    tlc_source_timeout: float = Field(
        15,
        gt=0,
        description="Seconds the source may stay silent; over four times as long it has to send "
        "16 KB a second",
    )
    tlc_publication_lag: int = Field(
        2, ge=0, le=24, description="Months between the end of a month and its publication"
    )
    tlc_first_month: str = Field(
        "2025-01",
        pattern=r"^\d{4}-(0[1-9]|1[0-2])$",
        description="First month that `tlc_sync` keeps loaded, of every service (each month of "
        "all four is some 0.6 GB)",
    )
    tlc_revision_months: int = Field(
        3,
        ge=1,
        description="Newest loaded months of each service that `tlc_sync` asks about for a "
        "revision (with scope `all`: every month)",
    )
    tlc_work_dir: Path = Field(
        DEFAULT_WORK_DIR, description="Local folder for files on their way, of this account's own"
    )
    tlc_unknown_columns: Literal["stop", "keep"] = Field(
        "stop",
        description="A column that no contract knows: `stop` its month, or `keep` it as JSON in "
        "`extra_columns`",
    )
    tlc_workers: int = Field(2, ge=1, le=16, description="Partitions of a run worked on at once")
    tlc_attempts: int = Field(
        5, ge=1, le=20, description="Tries per step when network, server or lock fail"
    )
    tlc_alert_slack_webhook: SecretStr | None = Field(
        None, description="Address of a Slack webhook for alerts; empty: none are sent there"
    )
    tlc_alert_teams_webhook: SecretStr | None = Field(
        None, description="Address of a Teams workflow's webhook for alerts"
    )
    tlc_smtp_host: str | None = Field(None, description="Mail server of alerts by e-mail")
    tlc_smtp_port: int = Field(587, ge=1, le=65535, description="Its port, for STARTTLS")
    tlc_smtp_user: str | None = Field(
        None,
        description="SMTP user name; leave empty if the server needs no login, nor encryption",
    )
    tlc_smtp_password: SecretStr | None = Field(None, description="Its password")
    tlc_alert_email_from: str | None = Field(None, description="Sender of alerts by e-mail")
    tlc_alert_email_to: str | None = Field(
        None, description="Who gets alerts by e-mail, separated by commas"
    )
    tlc_alert_on_success: bool = Field(
        default=False,
        description="Whether months that were loaded are worth an alert, as failed and late months "
        "and changed columns always are",
    )
    ssl_cert_file: Path | None = Field(
        None,
        description="File of the certificates to trust for TLS to TLC, Google and webhooks, as of "
        "a company's proxy; `REQUESTS_CA_BUNDLE` goes first. Not in dev.env: to OpenSSL an empty "
        "one means none",
    )
    requests_ca_bundle: Path | None = Field(
        None, description="The same, as the libraries for TLC, Google and webhooks name it"
    )
    tlc_log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much the pipeline tells of its work"
    )

    @model_validator(mode="before")
    @classmethod
    def _csv_is_on_the_mirror(cls, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("tlc_source_format") != SourceFormat.CSV:
            return given
        mirror = {"url": _CSV_MIRROR, "redirect_hosts": _MIRROR_REDIRECTS_TO}
        return {f"tlc_source_{name}": value for name, value in mirror.items()} | given

    @field_validator("ssl_cert_file", "requests_ca_bundle")
    @classmethod
    def _has_certificates(cls, value: Path | None) -> Path | None:
        try:
            if value and not value.is_dir() and b"CERTIFICATE" not in value.read_bytes():
                raise ValueError(f"{value} holds no certificate")
        except OSError as error:
            raise ValueError(f"{value} cannot be read ({error.strerror})") from None
        return value

    @field_validator("postgres_schema")
    @classmethod
    def _is_ours(cls, value: str) -> str:
        if value.startswith("pg_") or value in {"information_schema", "$user"}:
            raise ValueError("expected a schema of your own: Postgres keeps this one for itself")
        if "%" in value:
            raise ValueError("expected a name without %, which our driver takes for a parameter")
        return value

    @field_validator("lake_url")
    @classmethod
    def _is_a_bucket_or_a_folder(cls, value: str) -> str:
        if ":" in value.split("/", maxsplit=1)[0]:
            if not _LAKE_ADDRESS.fullmatch(value):
                raise ValueError(
                    "expected gs://bucket[/prefix], s3://bucket[/prefix], az://container[/prefix], "
                    "file:///folder, or a folder (./lake, /srv/lake)"
                )
        elif not _FOLDER.match(value):
            raise ValueError(
                f"{shorten(value)!r} could mean a bucket or a folder: write gs://{shorten(value)} "
                f"for the bucket, or ./{shorten(value)} for the folder"
            )
        return value

    @field_validator("tlc_alert_slack_webhook", "tlc_alert_teams_webhook")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not value.get_secret_value().startswith(("https://", "http://")):
            raise ValueError("expected the address of a webhook, https://…")
        return value

    @field_validator("tlc_alert_email_to")
    @classmethod
    def _has_a_server(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value and not all(map(others.data.get, ("tlc_smtp_host", "tlc_alert_email_from"))):
            raise ValueError("needs TLC_SMTP_HOST and TLC_ALERT_EMAIL_FROM")
        return value

    @field_validator("bigquery_dataset")
    @classmethod
    def _has_a_project_and_a_bucket(cls, value: str | None, others: ValidationInfo) -> str | None:
        if value and not others.data.get("bigquery_project"):
            raise ValueError("needs BIGQUERY_PROJECT")
        if value and not str(others.data.get("lake_url", "gs://")).startswith("gs://"):
            raise ValueError("BigQuery loads from a bucket: needs LAKE_URL=gs://…")
        return value

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ, io_config: Path = IO_CONFIG) -> Self:
        """Read io_config.yml's profile (``TLC_PROFILE``) and the environment's ``TLC_…``.

        Raises:
            ConfigurationError: something is missing or wrong; the message lists everything.
        """
        given = {
            **read_profile(environment, io_config),
            **{name: environment[name] for name in map(str.upper, cls.model_fields)
               if name.startswith(_NOT_IN_IO_CONFIG) and name in environment},
        }  # fmt: skip
        present = {key.lower(): value for key, value in given.items() if value not in (None, "")}
        try:
            return cls.model_validate(present)
        except ValidationError as error:
            raise _complaint(error, io_config) from None


def _complaint(error: ValidationError, io_config: Path) -> ConfigurationError:
    problems = [
        f"  {'.'.join(map(str, problem['loc'])).upper()}: {_problem(problem)}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return ConfigurationError(
        f"settings are missing or wrong (looked for in the environment and in {io_config.name}):\n"
        f"{listed(problems, chr(10))}\nNothing was started. Set them: dev.env lists every name. A "
        "laptop without servers: `make demo` starts what it needs and sets them itself.",
        details="\n".join(problems),
    )


def _problem(problem: Mapping[str, Any]) -> str:
    if problem["type"] == "missing":
        return "not set"
    return str(problem["msg"]).removeprefix("Value error, ")
