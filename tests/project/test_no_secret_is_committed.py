"""No file of the repository holds a secret: what gitleaks looks for, over git's own list."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATTERNS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{16}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "Google OAuth token": r"\bya29\.[0-9A-Za-z_-]{20,}",
    "service account's key": r'"private_key_id":\s*"[0-9a-f]{40}"',
    "AWS key": r"\b(AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub token": r"\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_[0-9A-Za-z_]{60,}",
    "GitLab token": r"\bglpat-[0-9A-Za-z_-]{20}\b",
    "Slack token": r"\bxox[abposr]-[0-9A-Za-z-]{10,}",
    "Slack webhook": r"hooks\.slack\.com/services/T[0-9A-Z]{8,}/B[0-9A-Z]{8,}/[0-9A-Za-z]{20,}",
    "PyPI token": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "JSON web token": r"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{20,}",
    "password in an address": r"\b[a-z][a-z0-9+.-]*://(?!user:password@)[^\s/:@{}$<>\"']+:(?!\*{3}@)[^\s/@{}$<>\"']{6,}@",
    "setting of a secret": r"(?m)^\s*(?:export\s+)?[A-Z_]*(PASSWORD|SECRET|TOKEN|WEBHOOK|API_KEY)"
    r"=(?!\s*$|[\"']?[$<{(*]|[\"']{2})\S{6,}",
}
LOOKALIKES = {
    "tests/project/test_no_secret_is_committed.py": "the examples below",
}
"""Files in which something looks like a secret and is none."""
EXAMPLES = {
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA",
    "Google API key": "AIza" + "a" * 35,
    "AWS key": "AKIA" + "B" * 16,
    "GitHub token": "ghp_" + "c" * 36,
    "Slack webhook": "https://hooks.slack.com/services/T00000000/B00000000/" + "d" * 24,
    "password in an address": "postgresql://tlc:hunter22@db.example.org/trips",
    "setting of a secret": "POSTGRES_PASSWORD=hunter22",
}


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content[:1024] else content.decode(errors="replace")


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_must_not_be_there_is_recognised(kind: str) -> None:
    assert re.search(PATTERNS[kind], EXAMPLES[kind])


def is_an_example(kind: str, path: Path) -> bool:
    """Whether code or tests may look like this: arguments by name, addresses made up for a test."""
    in_tests = path.is_relative_to(ROOT / "tests")
    return (kind == "setting of a secret" and path.suffix == ".py") or (
        kind == "password in an address" and in_tests
    )


def test_no_file_holds_one() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {kind}"
        for path in files()
        if str(path.relative_to(ROOT)) not in LOOKALIKES
        for kind, pattern in PATTERNS.items()
        if re.search(pattern, text_of(path)) and not is_an_example(kind, path)
    ]
    assert len(files()) > 100
    assert found == []


def test_what_holds_settings_and_keys_is_not_committed() -> None:
    for name in (".env", "secrets/key.json", ".local/stack.env", "mage-ai.db", "mage_data/x"):
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert ignored.returncode == 0, name
