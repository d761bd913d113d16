"""No account of Mage with a published password, not even one from an earlier, open start."""

from __future__ import annotations

import sys

import sqlalchemy as sa
from mage_ai.authentication.passwords import verify_password
from mage_ai.orchestration.db import db_connection, engine
from mage_ai.orchestration.db.models.oauth import User

_PUBLISHED = ("admin@admin.com", "admin")


def require_no_default_owner() -> None:
    """End the process if the account that Mage makes by default is there with its password."""
    if not sa.inspect(engine).has_table(User.__tablename__):
        return
    db_connection.start_session()
    email, password = _PUBLISHED
    for user in User.query.filter(User.email == email).all():
        if user.password_hash and verify_password(password, user.password_hash):
            sys.exit(
                f"Mage was not started: its database has the account {email} with the published "
                "password. Log in with a Mage on this machine alone (mage start --host 127.0.0.1) "
                "and change it, or delete the database, which holds Mage's runs and no trips."
            )
