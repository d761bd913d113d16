"""`make env`: every secret that is empty gets a value, and nothing else changes."""

import re
import stat
from pathlib import Path

from deploy import env_file
from mage_server.environment import safe_environment

ROOT = Path(__file__).parents[3]
DEV_ENV = (ROOT / "dev.env").read_text("utf-8")


def value(text: str, name: str) -> str:
    return re.search(rf"^{name}=(.*)$", text, re.MULTILINE)[1]


def test_every_secret_is_filled_and_no_other_line_touched():
    text, made = env_file.filled(DEV_ENV)
    assert {"POSTGRES_PASSWORD", "DEFAULT_OWNER_PASSWORD", "JWT_SECRET"} <= set(made)
    before, after = DEV_ENV.splitlines(), text.splitlines()
    assert len(before) == len(after)
    assert set(before) - set(after) == {f"{name}=" for name in made}
    values = dict(line.split("=", 1) for line in after if line not in before)
    assert values.pop("DEFAULT_OWNER_EMAIL") == "owner@localhost.localdomain"
    assert values.pop("DEFAULT_OWNER_USERNAME") == "owner"
    assert len(set(values.values())) == len(values)
    assert all(re.fullmatch(r"[\w-]{32}", secret) for secret in values.values())
    given = dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))
    assert safe_environment(given)  # with which Mage's server starts


def test_what_is_set_stays_and_the_password_of_a_server_elsewhere_is_not_made_up():
    mine = DEV_ENV.replace("JWT_SECRET=", "JWT_SECRET=mine")
    once, _ = env_file.filled(mine.replace("POSTGRES_HOST=", "POSTGRES_HOST=db.example.org"))
    assert (value(once, "JWT_SECRET"), value(once, "POSTGRES_PASSWORD")) == ("mine", "")
    assert env_file.filled(once) == (once, [])


def test_it_is_written_for_its_owner_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "dev.env").write_text(DEV_ENV)
    monkeypatch.setattr(env_file, "_CHECKOUT", tmp_path)
    env_file.main()
    written = tmp_path / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    said = capsys.readouterr().out
    assert str(written) in said
    assert value(written.read_text(), "JWT_SECRET") not in said
