"""What a file is that should have been a month of trips, by its first bytes."""

HEAD_BYTES = 64
PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"

SAMPLE_KEY = b"nyc_tlc.sample"
"""Of a Parquet file's metadata: the month was generated, and TLC never published it."""
SAMPLE_LINES = b"\n\r\n\n"
"""The same of a CSV file: blank lines before its header, whose ends no program mixes so."""

_STARTS = {
    b"<": "XML or HTML (an error page?)",
    b"{": "JSON (an error answer?)",
    b"[": "JSON (an error answer?)",
    b"version https://git-lfs": "a Git-LFS pointer",
    b"PK\x03\x04": "a ZIP archive (or Excel)",
    GZIP_MAGIC: "gzip",
    PARQUET_MAGIC: "Parquet",
}
_BOM = b"\xef\xbb\xbf"


def known_kind(head: bytes) -> str | None:
    """Name the kind of file that begins so; None if it may be any kind, such as CSV."""
    if not head:
        return "nothing"
    start = head.removeprefix(_BOM).lstrip()
    return next((kind for known, kind in _STARTS.items() if start.startswith(known)), None)
