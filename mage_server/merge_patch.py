"""The difference of two YAML documents as a JSON merge patch (RFC 7396), and its application.

Beyond the RFC, a list of named things (blocks by ``uuid``, triggers by ``name``) is patched thing
by thing: who adds a block does not repeat the others, and gets what they become later.
"""

from typing import Any

Document = dict[str, Any]
_EMPTY: tuple[Any, ...] = (None, [], {}, "")
_ORDER = "[order]"
"""The names of a list, where adding the new ones at its end would not give their order."""


def patch_between(before: Document, after: Document) -> Document:
    """What has to be changed in one document to get the other; a value that is gone is None.

    A value that is absent and one that is None or empty are the same: Mage writes out all of them.
    """
    patch = {}
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if old == new or (old in _EMPTY and new in _EMPTY):
            continue
        patch[key] = _difference(old, new)
    return {key: value for key, value in patch.items() if value != {} or not after.get(key)}


def patched(document: Document, patch: Document) -> Document:
    """Apply a patch; what it says nothing of stays as the document has it now."""
    result = dict(document)
    for key, change in patch.items():
        if change is None:
            result.pop(key, None)
        else:
            result[key] = _applied(result.get(key), change)
    return result


def _difference(old: Any, new: Any) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(old, dict) and isinstance(new, dict):
        return patch_between(old, new)
    before, after = _by_name(old), _by_name(new)
    if before is None or after is None:
        return new
    patch = patch_between(before, after)
    if list(patched(before, patch)) != list(after):
        patch[_ORDER] = list(after)
    return patch


def _applied(value: Any, change: Any) -> Any:  # noqa: ANN401
    if not isinstance(change, dict):
        return change
    if (named := _by_name(value)) is None:
        return patched(value if isinstance(value, dict) else {}, change)
    order = {name: place for place, name in enumerate(change.get(_ORDER, ()))}
    # A thing that is gone has no use for what was changed of it.
    things = patched(
        named,
        {
            name: one
            for name, one in change.items()
            if name != _ORDER and (name in named or _name(one) is not None)
        },
    )
    names = sorted(things, key=lambda name: order.get(name, len(order)))
    return [things[name] for name in names]


def _by_name(value: Any) -> Document | None:  # noqa: ANN401
    """A list of named things by their names; None for every other value."""
    if not isinstance(value, list):
        return None
    names = [_name(one) for one in value]
    return dict(zip(names, value, strict=True)) if len({*names} - {None}) == len(value) else None


def _name(thing: Any) -> Any:  # noqa: ANN401
    return thing.get("uuid", thing.get("name")) if isinstance(thing, dict) else None
