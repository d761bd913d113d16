"""What Mage changes of a shipped pipeline, kept beside its files: git sees nothing of it.

Mage 0.9.80 writes a pipeline's whole ``metadata.yaml`` whenever a block of it has run or is saved
in the editor: sorted, with the state of each block and the absolute path of its variables; and a
whole ``triggers.yaml`` when a trigger is switched. Here what differs from the shipped file goes to
``metadata.local.yaml`` or ``triggers.local.yaml`` beside it, and is laid over it whenever Mage
reads. So a shipped file changes by git and by its own editor only, and what both changed is merged.
``mage run`` reads what is shipped.

Pipelines of the user's own stay in their ``metadata.yaml``; only the states of their blocks go
beside it.
"""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mage_server.merge_patch import Document, patch_between, patched

_FILES = ("metadata.yaml", "triggers.yaml")
BLOCKS = ("blocks", "callbacks", "conditionals", "widgets")
_NOT_DECLARED = {
    "": ("remote_variables_dir", "variables_dir"),
    **dict.fromkeys(BLOCKS, ("all_upstream_blocks_executed",)),
    "triggers": ("pipeline_uuid", "token"),
}
"""What Mage writes of itself into a file and into each block and trigger of it: paths, secrets."""
_HEADER = """\
# What was changed in Mage's pages, and the state of blocks: laid over the file of this name without
# ".local". Delete this file to have what the other says.
"""


@cache
def shipped_pipelines(project: Path) -> frozenset[str]:
    """The pipelines that are this repository's: those that its .gitignore lists."""
    listed = project / ".gitignore"
    text = listed.read_text("utf-8") if listed.is_file() else ""
    return frozenset(re.findall(r"^!/pipelines/(\w+)/$", text, re.MULTILINE))


def overlaid(file: Path, document: Document) -> Document:
    """What Mage reads: a pipeline's file with the local edits laid over it."""
    edits = _read(file.with_suffix(".local.yaml")) if document and _is_kept(file) else {}
    return patched(document, edits) if edits else document


def save(file: Path, document: Document) -> Document | None:
    """Keep the local edits of what Mage writes; returns what the file itself is to become, if that.

    Args:
        file: ``metadata.yaml`` or ``triggers.yaml`` of a pipeline.
        document: All that Mage would write there.
    """
    kept, after = _read(file), _declared(document)
    if file.parent.name in shipped_pipelines(file.parents[2]):
        before, becomes = _declared(kept), None
    else:
        becomes = document if file.name == "triggers.yaml" else _unrun(after)
        before, becomes = becomes, (None if becomes == kept else becomes)
    _write_edits(file.with_suffix(".local.yaml"), patch_between(before, after))
    return becomes


def keep_apart() -> None:
    """Make Mage read and write a pipeline's files this way, in this process and those it forks.

    Call it before Mage's modules are imported: they import these functions by name.
    """
    from mage_ai.cache import mem_lru
    from mage_ai.shared import io

    read, read_async = mem_lru.read_yaml_file, mem_lru.read_yaml_file_async
    write, write_async = io.safe_write, io.safe_write_async

    def read_overlaid(path: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401 - as Mage's
        return overlaid(Path(path), read(path, *rest, **options))

    async def read_overlaid_async(path: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        return overlaid(Path(path), await read_async(path, *rest, **options))

    def write_apart(path: str, content: str, *rest: Any, **options: Any) -> None:  # noqa: ANN401
        if (text := _to_write(Path(path), content)) is not None:
            write(path, text, *rest, **options)

    async def write_apart_async(path: str, content: str, *rest: Any, **options: Any) -> None:  # noqa: ANN401
        if (text := _to_write(Path(path), content)) is not None:
            await write_async(path, text, *rest, **options)

    mem_lru.read_yaml_file, mem_lru.read_yaml_file_async = read_overlaid, read_overlaid_async
    io.safe_write, io.safe_write_async = write_apart, write_apart_async


def keep_apart_in_server(project: Path) -> None:
    """Do the same with triggers and the project's settings, and in the kernel that runs blocks.

    Call it once Mage knows its project.
    """
    settings_edits = project / "metadata.local.yaml"
    from mage_ai.data_preparation import repo_manager
    from mage_ai.data_preparation.models import triggers
    from mage_ai.server.kernels import DEFAULT_KERNEL_NAME, kernel_managers

    load_content, persist = triggers.load_triggers_file_content, triggers.safe_write
    load_settings = repo_manager.load_yaml

    def load_overlaid(pipeline: str, repo_path: str | None = None) -> str | None:
        file = Path(triggers.get_triggers_file_path(pipeline, repo_path=repo_path))
        content: str | None = load_content(pipeline, repo_path=repo_path)
        return _text(overlaid(file, yaml.safe_load(content) or {})) if content else content

    def persist_and_forget(path: str, content: str) -> None:
        persist(path, content)
        # Mage reads again what it has read when triggers.yaml is younger, and that it may not be.
        triggers.triggers_cache.pop(path, None)

    def load_overlaid_settings(content: str) -> Document:
        return patched(load_settings(content), _read(settings_edits))

    def save_settings(config: Any, **settings: Any) -> None:  # noqa: ANN401
        _write_edits(settings_edits, {**_read(settings_edits), **settings})
        for name, value in settings.items():
            setattr(config, name, value)

    triggers.load_triggers_file_content = load_overlaid
    triggers.safe_write = persist_and_forget
    repo_manager.load_yaml, repo_manager.RepoConfig.save = load_overlaid_settings, save_settings
    kernel_managers[DEFAULT_KERNEL_NAME].kernel_spec.argv.append(f"--ext={__name__}")


def load_ipython_extension(_shell: object) -> None:
    """Called by the kernel at its start."""
    keep_apart()


def _is_kept(file: Path) -> bool:
    return file.name in _FILES and file.parent.parent.name == "pipelines"


def _to_write(file: Path, content: str) -> str | None:
    if not _is_kept(file):
        return content
    document = save(file, yaml.safe_load(content))
    return None if document is None else _text(document)


def _read(file: Path) -> Document:
    try:
        document = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return document if isinstance(document, dict) else {}


def _declared(document: Document) -> Document:
    """A document without what Mage writes of itself."""
    kept = {key: value for key, value in document.items() if key not in _NOT_DECLARED[""]}
    for key in _NOT_DECLARED.keys() & kept.keys():
        kept[key] = [
            {name: value for name, value in one.items() if name not in _NOT_DECLARED[key]}
            for one in kept[key] or ()
        ]
    return kept


def _unrun(document: Document) -> Document:
    """A pipeline with every block as it is before its first run."""
    blocks = {
        key: [{**one, "status": "not_executed"} for one in document[key] or ()]
        for key in BLOCKS
        if key in document
    }
    return {**document, **blocks}


def _write_edits(file: Path, edits: Document) -> None:
    if edits == _read(file):
        return
    if not edits:
        file.unlink()
        return
    # The scheduler and the kernel may be reading it.
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_text(_HEADER + _text(edits), "utf-8")
    unfinished.replace(file)


def _text(document: Document) -> str:
    return yaml.safe_dump(document, allow_unicode=True)
