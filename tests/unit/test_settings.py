"""What the environment says, and how it is told when it says it wrong."""

import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import certifi
import pytest
from pydantic import SecretStr

from nyc_tlc.core.errors import ConfigurationError
from nyc_tlc.settings import IO_CONFIG, Settings
from tests.repository import DEV_ENV, ROOT, ascii_id

SECRET = "hunter2-s3cr3t"
GIVEN = {
    "POSTGRES_DBNAME": "trips",
    "POSTGRES_USER": "loader",
    "POSTGRES_PASSWORD": SECRET,
    "LAKE_URL": "gs://bucket/prefix",
}
CONNECTIONS = re.sub(r"(^|\s)#.*", "", IO_CONFIG.read_text("utf-8"), flags=re.MULTILINE)
"""io_config.yml without its comments."""
OPTIONAL = sorted(name.upper() for name in Settings.model_fields if name.upper() not in GIVEN)


def _load(**changes: str) -> Settings:
    return Settings.load({**GIVEN, **changes})


def _complaint(environment: Mapping[str, str], io_config: Path = IO_CONFIG) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(environment, io_config)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    return f"{caught.value}\n{caught.value.details}"


def test_four_settings_are_enough() -> None:
    settings = _load()
    assert (settings.postgres_host, settings.postgres_port) == ("localhost", 5432)
    assert (settings.postgres_dbname, settings.postgres_schema) == ("trips", "tlc")
    assert settings.lake_url == "gs://bucket/prefix"
    assert settings.storage_emulator_host is None
    assert settings.google_application_credentials is None
    assert (settings.tlc_publication_lag, settings.tlc_workers) == (2, 2)


def test_every_setting_is_read_from_the_environment() -> None:
    stated = {
        "POSTGRES_HOST": "db.example.org",
        "POSTGRES_PORT": "6543",
        "POSTGRES_SCHEMA": "magic",
        "POSTGRES_CONNECT_TIMEOUT": "3",
        "POSTGRES_SSLMODE": "verify-full",
        "POSTGRES_SSLROOTCERT": "/certificates/ca.pem",
        "GOOGLE_APPLICATION_CREDENTIALS": "/keys/me.json",
        "STORAGE_EMULATOR_HOST": "http://localhost:9023",
        "BIGQUERY_PROJECT": "some-project",
        "BIGQUERY_DATASET": "trips",
        "BIGQUERY_LOCATION": "europe-west4",
        "BIGQUERY_MAXIMUM_BYTES_BILLED": "1000000",
        "BIGQUERY_EMULATOR_HOST": "http://localhost:9050",
        "TLC_SOURCE_FORMAT": "csv",
        "TLC_SOURCE_URL": "file:///published",
        "TLC_SOURCE_REDIRECT_HOSTS": "files.example.org,mirror.example.org:8443",
        "TLC_SOURCE_TIMEOUT": "1.5",
        "TLC_PUBLICATION_LAG": "0",
        "TLC_FIRST_MONTH": "2009-01",
        "TLC_REVISION_MONTHS": "1",
        "TLC_WORK_DIR": "/scratch",
        "TLC_UNKNOWN_COLUMNS": "keep",
        "TLC_WORKERS": "16",
        "TLC_ATTEMPTS": "1",
        "TLC_LOG_LEVEL": "DEBUG",
        "SSL_CERT_FILE": certifi.where(),
        "REQUESTS_CA_BUNDLE": str(Path(certifi.where()).parent),
        "TLC_ALERT_SLACK_WEBHOOK": "https://hooks.example.org/1",
        "TLC_ALERT_TEAMS_WEBHOOK": "https://hooks.example.org/2",
        "TLC_ALERT_EMAIL_TO": "a@example.org,b@example.org",
        "TLC_ALERT_EMAIL_FROM": "tlc@example.org",
        "TLC_ALERT_ON_SUCCESS": "True",
        "TLC_SMTP_HOST": "mail.example.org",
        "TLC_SMTP_PORT": "25",
        "TLC_SMTP_USER": "me",
        "TLC_SMTP_PASSWORD": SECRET,
    }
    assert sorted(stated) == OPTIONAL
    settings = _load(**stated)
    found = {name: _as_stated(getattr(settings, name.lower())) for name in stated}
    assert found == stated


def _as_stated(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"TLC_ALERT_EMAIL_TO": "a@example.org"}, "needs TLC_SMTP_HOST and TLC_ALERT_EMAIL_FROM"),
        ({"TLC_ALERT_SLACK_WEBHOOK": SECRET}, "expected the address of a webhook"),
        ({"BIGQUERY_DATASET": "tlc"}, "BIGQUERY_DATASET: needs BIGQUERY_PROJECT"),
        (
            {"BIGQUERY_DATASET": "tlc", "BIGQUERY_PROJECT": "p", "LAKE_URL": "./lake"},
            "BigQuery loads from a bucket: needs LAKE_URL=gs://",
        ),
        ({"BIGQUERY_DATASET": "my-dataset", "BIGQUERY_PROJECT": "p"}, "BIGQUERY_DATASET: "),
        ({"TLC_PROFILE": "prod"}, "Choose one that is there: default or dev"),
        ({"TLC_PROFILE": "dev"}, "POSTGRES_HOST: not set"),
        *(
            ({"TLC_SOURCE_FORMAT": name}, "TLC_SOURCE_FORMAT: Input should be 'parquet' or 'csv'")
            for name in ("CSV", "csv.gz", "json", "parquet ")
        ),
        *(
            ({name: port}, f"{name}: Input should be a valid integer")
            for name in ("POSTGRES_PORT", "POSTGRES_CONNECT_TIMEOUT")
            for port in ("postgres", "5432.5", "1e3")
        ),
        *(({"POSTGRES_PORT": port}, "POSTGRES_PORT: Input") for port in ("0", "65536", "-1")),
        ({"POSTGRES_SCHEMA": "50%"}, "POSTGRES_SCHEMA: expected a name without %"),
        *(
            ({"POSTGRES_SCHEMA": name}, "POSTGRES_SCHEMA: expected a schema of your own")
            for name in ("pg_toast", "information_schema", "$user")
        ),
        *(
            ({"LAKE_URL": url}, "LAKE_URL: expected gs://bucket")
            for url in ("gs://", "gs://B", "gs:/bucket", "GS://bucket", "hdfs://bucket", "az://",
                        "s3:/bucket", "https://x/y", "file://", "a:b", "gs:///x", "C:\\lake")
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_at_the_start(changes: dict[str, str], told: str) -> None:
    assert told in _complaint({**GIVEN, **changes})


_CDN = "https://d37ci6vzurychx.cloudfront.net"
_MIRROR = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("parquet", _CDN)),
        ({"TLC_SOURCE_FORMAT": "csv"}, ("csv", _MIRROR)),
        ({"TLC_SOURCE_FORMAT": "csv", "TLC_SOURCE_URL": ""}, ("csv", _MIRROR)),
        ({"TLC_SOURCE_FORMAT": "csv", "TLC_SOURCE_URL": "file:///csv"}, ("csv", "file:///csv")),
        ({"TLC_SOURCE_URL": "https://example.org/x"}, ("parquet", "https://example.org/x")),
    ],
    ids=str,
)
def test_csv_comes_from_the_mirror_unless_another_source_is_named(
    changes: dict[str, str], expected: tuple[str, str]
) -> None:
    settings = _load(**changes)
    assert (settings.tlc_source_format.value, settings.tlc_source_url) == expected
    redirects = settings.tlc_source_redirect_hosts
    assert ("release-assets.githubusercontent.com" in redirects) is (expected[0] == "csv")


def test_other_variables_are_nobodys_business() -> None:
    assert _load(DB_USER="mage", POSTGRES_COLOUR="x", TLC_NONSENSE="y") == _load()


@pytest.mark.parametrize("name", OPTIONAL)
def test_empty_is_unset(name: str) -> None:
    """dev.env says so, and has many of them empty."""
    assert _load(**{name: ""}) == _load()


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_required_must_not_be_empty(name: str) -> None:
    assert f"  {name}: not set\n" in _complaint({**GIVEN, name: ""})


def test_all_problems_are_listed_at_once() -> None:
    wrong = {
        "POSTGRES_PORT": "65536",
        "LAKE_URL": "hdfs://bucket",
        "TLC_WORKERS": "many",
        "TLC_SOURCE_URL": "ftp://nyc.gov",
        "TLC_SOURCE_REDIRECT_HOSTS": "https://nyc.gov",
        "TLC_LOG_LEVEL": "LOUD",
        "TLC_ATTEMPTS": "0",
        "TLC_SOURCE_TIMEOUT": "-1",
        "TLC_PUBLICATION_LAG": "25",
        "TLC_FIRST_MONTH": "2024-13",
        "TLC_REVISION_MONTHS": "0",
    }
    message = _complaint({"POSTGRES_PASSWORD": SECRET, **wrong})
    shown, _, complete = message.partition("Nothing was started")
    assert len(re.findall(r"^  [A-Z_]+: ", shown, re.MULTILINE)) == 10
    assert "and 3 more" in shown
    named = re.findall(r"^  ([A-Z_]+): ", complete, re.MULTILINE)
    assert sorted(named) == sorted([*wrong, "POSTGRES_DBNAME", "POSTGRES_USER"])
    assert "Nothing was started" in message
    assert "dev.env" in message


@pytest.mark.parametrize(
    "url",
    ["gs://bucket", "gs://my-bucket.example.org/a/b/", "s3://bucket/a", "az://container",
     "/data/lake", "./lake", "../lake", "~/lake", ".", "..", "file:///data/my%20lake",
     "./data/lake of trips"],
)  # fmt: skip
def test_a_bucket_or_a_folder_is_a_lake(url: str) -> None:
    assert _load(LAKE_URL=url).lake_url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("my-bucket", "write gs://my-bucket for the bucket, or ./my-bucket for the folder"),
        ("bucket/prefix", "gs://bucket/prefix for the bucket, or ./bucket/prefix for the folder"),
        ("my bucket", "could mean a bucket or a folder"),
        (".lake", "or ./.lake for the folder"),
    ],
)
def test_a_lake_that_could_be_either_is_refused_with_both(url: str, told: str) -> None:
    told_of = re.findall(r"^  LAKE_URL: (.*)$", _complaint({**GIVEN, "LAKE_URL": url}), re.M)
    assert told in told_of[0]


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_of_certificates_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    assert f"{name}: {empty} holds no certificate" in _complaint({**GIVEN, name: str(empty)})
    gone = str(tmp_path / "gone.pem")
    assert f"{name}: {gone} cannot be read (No such file" in _complaint({**GIVEN, name: gone})


def test_the_dev_profile_has_the_connections_of_the_default_one() -> None:
    assert _load(TLC_PROFILE="") == _load(TLC_PROFILE="default") == _load()
    changes = {"POSTGRES_HOST": "postgres", "POSTGRES_SCHEMA": "magic"}
    assert _load(TLC_PROFILE="dev", **changes) == _load(**changes)


_PASSWORD = "{{ env_var('POSTGRES_PASSWORD')"


@pytest.mark.parametrize(
    "text",
    [
        "default: [",
        "default:\n\t- x",
        "default: {{ env_var('X') ",
        "default: {{ no_such_function('X') }}",
        "default: {{ env_var() }}",
        "{% for %}",
        "default: *nowhere",
        "default: \x07",
        "",
        "- default",
        "default:",
        "default: text",
        "default: [1]",
        b"default:\n  POSTGRES_HOST: caf\xe9\n",
        # Next to the password: Mage's own template has no ``tojson``, and a quote breaks it there.
        *(
            f"default:\n  POSTGRES_HOST: localhost\n  {line}\n"
            for line in (
                f'POSTGRES_PASSWORD: "{_PASSWORD} }}}}" x',
                f"POSTGRES_PASSWORD: '{_PASSWORD} }}}}",
                f"POSTGRES_PASSWORD: [{_PASSWORD} }}}}",
                f"{_PASSWORD} }}}}: [}}",
                f"POSTGRES_PASSWORD: {_PASSWORD} | no_such_filter }}}}",
                f"POSTGRES_PASSWORD: {_PASSWORD}.nothing.at_all }}}}",
                f"POSTGRES_PORT: {_PASSWORD} }}}}",
                f"POSTGRES_PASSWORD: [{_PASSWORD} }}}}]",
                f"TLC_PROFILE: {_PASSWORD} }}}}\n\tx",
            )
        ),
    ],
    ids=ascii_id,
)
def test_a_broken_io_config_is_a_configuration_error_that_names_the_file(
    text: str | bytes, tmp_path: Path
) -> None:
    path = tmp_path / "broken.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert path.name in _complaint(GIVEN, path)


def test_a_key_file_that_io_config_names_is_taken_before_that_of_the_environment(tmp_path) -> None:
    path = tmp_path / "io_config.yml"
    named = IO_CONFIG.read_text("utf-8").replace("FILEPATH: null", "FILEPATH: /keys/mine.json")
    path.write_text(named, "utf-8")
    given = {**GIVEN, "GOOGLE_APPLICATION_CREDENTIALS": "/keys/other.json"}
    for io_config, key in ((path, "mine"), (IO_CONFIG, "other")):
        settings = Settings.load(given, io_config)
        assert settings.google_application_credentials == Path(f"/keys/{key}.json")


def test_a_profile_of_ones_own_is_listed_where_another_is_missing(tmp_path) -> None:
    path = tmp_path / "io_config.yml"
    path.write_text(IO_CONFIG.read_text("utf-8") + "mine: {<<: *connections}\n", "utf-8")
    assert "default or dev or mine." in _complaint({**GIVEN, "TLC_PROFILE": "other"}, path)
    assert Settings.load({**GIVEN, "TLC_PROFILE": "mine"}, path) == _load()


def test_a_missing_io_config_is_a_configuration_error(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.yml"
    assert f"{missing} cannot be read (FileNotFoundError" in _complaint(GIVEN, missing)


@pytest.mark.parametrize(
    "password",
    [
        "a'b\"c", "back\\slash", "{{ 7 * 7 }}", "{% raw %}", "{# gone #}", "${HOME}", "%s", "# no",
        "- a", "a: b", "null", "None", "true", "12345", "0x10", "1e3", "~", "é", "ß", "密码", "🚕",
        "a\tb", "a\nb", "<script>&amp;", "*anchor", "!!str", "|", "@`", "a\u2028b", "\x7f",
        "\"'\\{}%#", "x" * 500, " leading", "trailing ", "  ", "line end\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("profile", ["default", "dev"])
def test_a_password_survives_io_config(password: str, profile: str) -> None:
    settings = _load(POSTGRES_PASSWORD=password, POSTGRES_HOST="h", TLC_PROFILE=profile)
    assert settings.postgres_password.get_secret_value() == password


def test_no_secret_is_in_any_rendering_of_the_settings() -> None:
    url = f"https://me:{SECRET}@example.org/{SECRET}"
    hooks = {"TLC_ALERT_SLACK_WEBHOOK": url, "TLC_ALERT_TEAMS_WEBHOOK": url}
    settings = _load(**hooks, TLC_SMTP_PASSWORD=SECRET)
    renderings: list[Any] = [
        repr(settings), str(settings), f"{settings}", settings.model_dump(),
        settings.model_dump_json(), list(settings), vars(settings), settings.postgres_password,
    ]  # fmt: skip
    for rendering in renderings:
        assert SECRET not in repr(rendering)
        assert SECRET not in str(rendering)


def test_dev_env_lists_the_settings_and_nothing_that_is_mages_own() -> None:
    read = set(re.findall(r"env_var\('(\w+)'", CONNECTIONS))
    assert len(read) > 8
    names = re.findall(r"^[A-Z_]+=", (ROOT / "dev.env").read_text(), re.MULTILINE)
    assert len(names) == len(DEV_ENV)
    settings = {name.upper() for name in Settings.model_fields} | read | {"TLC_PROFILE"}
    settings -= {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}  # their descriptions say why
    assert settings <= DEV_ENV.keys()
    others = ("COMPOSE_PROFILES", "NYC_TLC_IMAGE", "PUBLISH_", "LIMIT_", "READER_PASSWORD",
              "MAGE_", "DEFAULT_OWNER_", "JWT_")  # fmt: skip
    assert [name for name in DEV_ENV.keys() - settings if not name.startswith(others)] == []


def test_no_secret_and_no_connection_is_written_into_a_file() -> None:
    secrets = {
        name: value
        for name, value in DEV_ENV.items()
        if re.search("PASSWORD|SECRET|TOKEN|KEY|CREDENTIALS", name)
    }
    assert "POSTGRES_PASSWORD" in secrets
    assert not any(secrets.values())
    values = [line.strip() for line in CONNECTIONS.splitlines() if line.startswith("  ")]
    literal = [line for line in values if not re.search(r": .*\{\{ \(?env_var\('\w+'.*\}\}$", line)]
    assert set(literal) == {
        "POSTGRES_CONNECTION_METHOD: direct",
        "GOOGLE_SERVICE_ACC_KEY_FILEPATH: null",
        "GOOGLE_LOCATION: *location",
        "<<: *connections",
    }
    assert not [line for line in values if re.search(r"(PASSWORD|KEY).*env_var\('\w+',", line)]


def test_dev_env_has_the_defaults_and_leaves_two_settings_to_choose() -> None:
    told = _complaint(DEV_ENV).partition("Nothing was started")[0]
    unset = re.findall(r"^  ([A-Z_]+): not set$", told, re.MULTILINE)
    assert unset == ["POSTGRES_PASSWORD", "LAKE_URL"]
    chosen = {"POSTGRES_PASSWORD": SECRET, "LAKE_URL": "./lake"}
    written = Settings.load({**DEV_ENV, **chosen})
    named = {name: DEV_ENV[name] for name in ("POSTGRES_DBNAME", "POSTGRES_USER")}
    assert written == Settings.load({**chosen, **named})
