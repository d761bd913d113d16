"""Set up the lake's bucket: what it deletes by itself, and what can be restored."""

import json

from nyc_tlc.settings import Settings
from nyc_tlc.wiring import connect_bucket


def set_up_bucket(settings: Settings, *, apply: bool) -> str:
    """Compare the bucket with what it should be; say what differs, and change that if ``apply``.

    Raises:
        ConfigurationError: the lake is in no bucket of Cloud Storage, or it refuses us.
        RetryableError: it does not answer, or was changed meanwhile.
    """
    bucket = connect_bucket(settings)
    found = bucket.settings()
    wanted = bucket.wanted(found)
    place = f"gs://{bucket.name} ({found.get('location', 'location unknown')})"
    if not wanted:
        return f"{place} is set up as it should be. Nothing was changed."
    if apply:
        bucket.change(found, wanted)
    differences = "\n".join(
        f"{name}:\n  is     {json.dumps(found.get(name))}\n  {'now is' if apply else 'should'} "
        f"{json.dumps(value)}"
        for name, value in wanted.items()
    )
    end = "It was changed." if apply else "Nothing was changed: `make gcs-setup APPLY=true` does."
    return f"{place}\n{differences}\n{end}"
