"""`make keep-edits`: what Mage's pages changed of a shipped pipeline, in its file, to commit."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mage_server.local_edits import BLOCKS, overlaid

_PIPELINES = Path(__file__).resolve().parents[1] / "mage_project" / "pipelines"


def main(words: Sequence[str]) -> int:
    changed = [file.parent.name for file in sorted(_PIPELINES.glob("*/metadata.local.yaml"))]
    if len(words) != 1 or words[0] not in changed:
        names = ", ".join(changed) or "none"
        sys.stderr.write(f"name a pipeline that was changed in Mage's pages: {names}\n")
        return 2
    keep(_PIPELINES / words[0] / "metadata.yaml")
    sys.stdout.write(f"mage_project/pipelines/{words[0]}/metadata.yaml has it: see git diff\n")
    return 0


def keep(file: Path) -> None:
    """Write the local edits of a pipeline into its own file, without the states of its blocks."""
    shipped = yaml.safe_load(file.read_text("utf-8"))
    edited = overlaid(file, shipped)
    for key in BLOCKS:
        states = {block["uuid"]: block["status"] for block in shipped.get(key) or ()}
        edited[key] = [
            {**block, "status": states.get(block["uuid"], "not_executed")}
            for block in edited.get(key) or ()
        ]
    file.write_text(yaml.dump(edited, Dumper=_NoAliases, allow_unicode=True), "utf-8")
    file.with_suffix(".local.yaml").unlink()


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - as in PyYAML
        return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
