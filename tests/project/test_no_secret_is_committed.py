"""No file of the repository has a secret: what gitleaks looks for, over git's own list."""

import re
import subprocess

from tests.repository import ROOT, files

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


def may_look_like_one(kind: str, name: str) -> bool:
    """Arguments by name in code, and addresses made up for a test, are no secrets."""
    return (kind == "setting of a secret" and name.endswith(".py")) or (
        kind == "password in an address" and name.startswith("tests/")
    )


def test_no_file_has_one():
    committed = files()
    assert len(committed) > 100
    for file in committed:
        name, content = file.relative_to(ROOT).as_posix(), file.read_bytes()
        text = "" if b"\0" in content[:1024] else content.decode(errors="replace")
        found = [kind for kind, pattern in PATTERNS.items() if re.search(pattern, text)]
        assert [kind for kind in found if not may_look_like_one(kind, name)] == [], name


def test_what_has_settings_and_keys_is_not_committed():
    state = (".env", "secrets/key.json", ".local/stack.env", "mage-ai.db", "mage_data/x")
    keys = ("key.json", "deploy/key.json", "my-project-0a1b2c3d4e5f.json", "gcp-key.json")
    more = ("service-account.json", "application_default_credentials.json", "tls.pem", "x.p12")
    for name in (*state, *keys, *more):
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert ignored.returncode == 0, name
