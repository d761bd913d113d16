"""`make env`: a .env with its own secrets. Needs no package, only Python."""

import os
import re
import secrets
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
_GENERATED = (
    "POSTGRES_PASSWORD",
    "DEFAULT_OWNER_PASSWORD",
    "JWT_SECRET",
    "JWT_DOWNLOAD_SECRET",
    "MAGE_DATABASE_PASSWORD",
    "READER_PASSWORD",
)
_OWNER = {
    "DEFAULT_OWNER_EMAIL": "owner@localhost.localdomain",
    "DEFAULT_OWNER_USERNAME": "owner",
}


def decoded(data: bytes, name: str) -> str:
    """The text of a .env as editors save it: UTF-8 or UTF-16, with or without a mark, any line end.

    Raises:
        ValueError: it is neither.
    """
    encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in data:  # UTF-16 without its mark
        encoding = "utf-16-be" if data.startswith(b"\0") else "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(
            f"{name} is neither UTF-8 nor UTF-16. Nothing was started. Save it as UTF-8."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def filled(text: str) -> tuple[str, list[str]]:
    """The text of a .env with a value for each empty secret, and the names of those.

    A server of one's own (POSTGRES_HOST) has a password that nobody can make up here.
    """
    has_server = re.search(r"^POSTGRES_HOST=.*\S", text, re.MULTILINE)
    names = _GENERATED[1:] if has_server else _GENERATED
    made = []
    for name, value in {**_OWNER, **{name: secrets.token_urlsafe(24) for name in names}}.items():
        text, count = re.subn(rf"^{name}=[ \t]*$", f"{name}={value}", text, flags=re.MULTILINE)
        made += [name] * count
    return text, made


def write_private(path: Path, text: str) -> None:
    """Replace a file, readable to its owner only, atomically."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    unfinished.replace(path)


def main() -> None:
    """Write .env, from dev.env where there is none; what is set there stays."""
    path = _CHECKOUT / ".env"
    source = path if path.exists() else _CHECKOUT / "dev.env"
    try:
        text, made = filled(decoded(source.read_bytes(), source.name))
    except ValueError as error:
        sys.exit(str(error))
    write_private(path, text)
    sys.stdout.write(f"{path} (readable to you alone): new are {', '.join(made) or 'none'}\n")


if __name__ == "__main__":
    main()
