"""How large a published file and its parts may be: what TLC has published, with room to grow.

What exceeds them is not a valid trip file, and is refused before it fills memory or disk.
"""

MOST_FILE_BYTES = 8 << 30
"""Of a download. TLC's largest is fhvhv 2019-03 with 0.6 GB, as CSV yellow 2010 with 2.8 GB."""
LEAST_BYTES_PER_SECOND = 16 << 10
"""Of a download, on average over four silences (TLC_SOURCE_TIMEOUT), a minute by default. An eighth
of a line of 1 Mbit/s."""
ROOM_LEFT_BYTES = 256 << 20
"""Of the work folder's disk, that a download has to leave free; of a small disk it is a twentieth.
"""
MOST_FOOTER_BYTES = 4 << 20
"""Of Parquet metadata, read whole before anything of it can be judged. TLC's have 12 KB."""
MOST_COLUMNS = 200
"""TLC's widest, fhvhv since 2025, has 25."""
MOST_ROW_GROUPS = 1_000
"""TLC's have one per million rows; 24 million rows are the most in a month."""
MOST_BYTES_PER_ROW = 512
"""On average in a row group of Parquet, as encoded. TLC's widest, fhvhv, take 180."""
LONGEST_TEXT = 4_096
"""Bytes of one value. TLC's longest are datetimes of 26."""
LONGEST_LINE = 1 << 24
"""Bytes. TLC's lines have some 200. One of 16 MB is a hole in the file, and has no end in sight."""
MOST_GZIP_RATIO = 100
"""Of a CSV's bytes to the file's. TLC's are 4 to 9."""
MOST_LOOKUP_BYTES = 128 << 10
"""Of the zones' lookup. TLC's has 12 KB."""
MOST_ZONE_BYTES = 8 << 20
"""Of each zone file, and of what a zip of them unpacks to. TLC's polygons have 1.6 MB."""
LONGEST_BORDERS = 20_000
"""Miles of all zones' borders together. TLC's are 1,578."""
MOST_RECORD_BYTES = 1 << 20
"""Of a JSON record in the lake. Ours have 2 to 6 KB."""
