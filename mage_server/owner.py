"""The owner's password follows DEFAULT_OWNER_PASSWORD, which Mage reads at its first start only.

Without this, nobody can log in after the volume of secrets was lost, or after another password was
set in .env. A password that was changed in the UI stays: only a new value of the variable counts.
"""

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from mage_ai.authentication.passwords import create_bcrypt_hash, generate_salt
from mage_ai.orchestration.db import db_connection, engine
from mage_ai.orchestration.db.models.oauth import User
from mage_ai.settings.repo import get_data_dir

_logger = logging.getLogger(__name__)


def follow_password(environment: Mapping[str, str]) -> None:
    """Give the owner the password of the environment if that is not the one of the last start."""
    password = environment["DEFAULT_OWNER_PASSWORD"]
    last = Path(get_data_dir()) / "owner-password"
    if last.exists() and not _is_of(last.read_text("ascii"), password):
        _set_password(environment["DEFAULT_OWNER_EMAIL"], password)
    last.parent.mkdir(parents=True, exist_ok=True)
    unfinished = last.with_name(f".{last.name}.{os.getpid()}")
    unfinished.touch(0o600)
    unfinished.write_text(_digest(secrets.token_hex(16), password), "ascii")
    unfinished.replace(last)


def _set_password(email: str, password: str) -> None:
    if not sa.inspect(engine).has_table(User.__tablename__):
        return
    db_connection.start_session()
    if user := User.query.filter(User.email == email).first():
        salt = generate_salt()
        user.update(password_hash=create_bcrypt_hash(password, salt), password_salt=salt)
        _logger.warning("DEFAULT_OWNER_PASSWORD is new: %s logs in with it from now on", email)


def _is_of(digest: str, password: str) -> bool:
    salt = digest.partition("$")[0]
    return hmac.compare_digest(digest, _digest(salt, password))


def _digest(salt: str, password: str) -> str:
    key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=1)
    return f"{salt}${key.hex()}"
