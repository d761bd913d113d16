"""What an error carries besides its message, and how much of a value a message repeats."""

import pytest

from nyc_tlc.core.errors import RetryableError, shorten


def test_what_may_succeed_later_says_when():
    throttled = RetryableError("429", retry_after=7.5)
    assert (str(throttled), throttled.retry_after) == ("429", 7.5)
    assert RetryableError("reset").retry_after is None


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
