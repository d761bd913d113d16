"""The repository's own files, for tests that read them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEV_ENV = dict(
    line.split("=", 1)
    for line in (ROOT / "dev.env").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)


def files(*patterns: str) -> list[Path]:
    """The files of git's patterns that are committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return sorted(ROOT / name for name in set(listed.split("\0")) if (ROOT / name).is_file())


def shipped(*patterns: str) -> list[Path]:
    """The files of git's patterns that are this repository's, not somebody's own pipeline.

    mage_project/.gitignore has what is ours there; who versions own files there adds by force.
    """
    listed = files(*patterns)
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=ROOT, input="\0".join(map(str, listed)), capture_output=True, text=True, check=False,
    ).stdout.split("\0")  # fmt: skip
    return [file for file in listed if str(file) not in ignored]


def ascii_id(case: object) -> str:
    """The id of a test's case that pytest does not escape: again and again, at each collection."""
    return ascii(case).replace("\\", "/")
