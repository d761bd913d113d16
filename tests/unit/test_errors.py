"""What an error carries besides its message, and how much of a value a message repeats."""

import pytest

from nyc_tlc.core.errors import RetryableError, listed, shorten


def test_what_may_succeed_later_says_when():
    throttled = RetryableError("429", retry_after=7.5)
    assert (str(throttled), throttled.retry_after) == ("429", 7.5)
    reset = RetryableError("reset")
    assert (reset.retry_after, reset.outage, reset.details, reset.in_vain) == (None, "", "", False)
    assert RetryableError("reset", in_vain=True).in_vain


def test_of_a_list_ten_are_said_and_how_many_follow():
    ten = [str(n) for n in range(10)]
    assert listed(ten, "-") == "0-1-2-3-4-5-6-7-8-9"
    assert listed([*ten, "x"]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 1 more"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 80 + "… (81 characters)"),
        ("a" * 1234, "a" * 80 + "… (1,234 characters)"),
        (["a"], "['a']"),
    ],
)
def test_of_something_long_only_the_beginning_is_repeated(value, text):
    assert shorten(value) == text
