"""What was found by the targets, by the fuzzer or by an input written by hand for its oracle.

Each was mended, and its input stays in the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, Mapping[str, str]] = {
    "parquet_file": {
        "found-histogram-of-another-length": (
            "One byte of a footer ended the process in pyarrow's C++, with every month of the run; "
            "only what pyarrow reads safely is asked of a footer."
        ),
        "found-page-without-rows": (
            "A damaged page gave no rows and no error of pyarrow's; counting them refuses the "
            "month, as before."
        ),
        "found-bytes-under-an-unknown-name": (
            "An unknown column of bytes, kept by TLC_UNKNOWN_COLUMNS, ended in a panic of polars, "
            "and decimals and categories were written as other values; they are kept as text."
        ),
        "found-datetime-at-the-end-of-the-numbers": (
            "One datetime near -2^63 (NaT) overflowed a flag's subtraction and failed the month; "
            "the row is quarantined."
        ),
        "found-nested-column-of-unknown-name": (
            "NaN in an unknown column of lists was kept as null; columns that JSON cannot hold "
            "are refused."
        ),
    },
    "lake_paths": {
        "found-year-0000": "The year 0000 in an object's path was read as a month.",
        "found-digits-of-another-script": (
            "Digits of other scripts in an object's path were read as those of a month of ours."
        ),
    },
    "http_source": {
        "found-location-not-utf8": "A redirect not in UTF-8 ended as a defect of ours.",
        "found-location-no-ipv6": "A redirect to `http://[` ended as a defect of ours.",
        "found-location-no-port": "A redirect to a port that is no number ended as a defect.",
        "found-size-of-5000-digits": "A Content-Length of 5,000 digits ended as a defect of ours.",
        "found-range-of-5000-digits": "A Content-Range of 5,000 digits ended as a defect of ours.",
        "found-retry-after-in-no-zone": (
            "A Retry-After in a time zone of 14 digits ended as a defect of ours."
        ),
        "found-chunk-of-negative-length": "A chunk of negative length ended as a defect of ours.",
        "found-long-reason": "A reason of 60 KB was repeated whole in the error.",
        "found-long-encoding": "A Content-Encoding of 60 KB was repeated whole in the error.",
    },
    "gcs_answers": {
        "found-empty-object": "An empty JSON object for an object's metadata ended as a defect.",
        "found-null": "JSON null for an object's metadata ended as a defect of ours.",
        "found-error-null": 'A proxy\'s {"error": null} ended as a defect of ours.',
        "found-size-no-number": "A size that is no number ended as a defect of ours.",
        "found-folder-marker": (
            "An object `trips/`, by which Google's console marks a folder, ended every listing."
        ),
    },
    "zone_polygons": {
        "found-id-missing": "A zone without an id ended as a defect of ours.",
        "found-zone-without-a-shape": "A zone without a shape ended as a defect of ours.",
        "found-damaged-lzma.zip": "A damaged part packed by LZMA ended as a defect of ours.",
        "found-damaged-bzip2.zip": "A damaged part packed by bzip2 ended as a defect of ours.",
        "found-zone-as-far-as-the-sun.zip": "A zone's border without end filled memory.",
        "found-zip-of-zeros.zip": "A part of any size was unpacked whole into memory.",
    },
}
"""By target: name of the input in the corpus to what it did."""
