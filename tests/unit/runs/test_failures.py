"""What the end of a run says of the partitions that failed."""

import pytest

from nyc_tlc.core.runs.failures import failures
from tests.partitions import named


@pytest.mark.parametrize(
    ("months", "of", "said"),
    [
        ([1], 2, ["1 of 2 partitions failed; the others are done:", "  green 2024-01: "]),
        ([1, 2], 2, ["2 of 2 partitions failed; none is done:", "  green 2024-01 to 2024-02: "]),
        ([4, 1, 2], 1_234, ["3 of 1,234 partitions failed; the others are done:",
                            "  green 2024-01 to 2024-02, 2024-04 (3 months): "]),
    ],
)  # fmt: skip
def test_months_that_failed_for_one_reason_are_said_once(months, of, said):
    failed = [
        (
            named(f"green 2024-0{n}"),
            f"no table green_2024_0{n} of 2024-0{n}. Tried {n} times in 9 s",
        )
        for n in months
    ]
    error = failures(failed, of=of)
    assert str(error).splitlines()[:-1] == [said[0], f"{said[1]}{failed[0][1]}"]
    assert error.details.splitlines() == [f"{month}: {text}" for month, text in failed]


@pytest.mark.parametrize(("reasons", "more"), [(10, []), (12, ["2"])])
def test_ten_reasons_are_said_each_on_one_line(reasons, more):
    failed = [(named(f"green 2023-{n:02}"), chr(64 + n) * 700 + "\n!" * n) for n in range(1, 13)]
    _, *said, _ = str(failures(failed[:reasons], of=99)).splitlines()
    assert said[:10] == [f"  {month}: {text[:700]}…" for month, text in failed[:10]]
    assert [line.split()[1] for line in said[10:]] == more
    assert f": {'A' * 700}\n" in str(failures([(failed[0][0], "A" * 700)], of=1))
