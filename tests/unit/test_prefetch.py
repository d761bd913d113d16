"""A producer runs ahead of its consumer, by so much and no more."""

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nyc_tlc.core.prefetch import prefetch


def _settled(produced: list[int]) -> int:
    """How many items there are once the producer has had time to make more."""
    seen = -1
    while seen != len(produced):
        seen = len(produced)
        time.sleep(0.2)  # a busy machine may give the thread no turn for 20 ms
    return seen


def _counting(produced: list[int], items: int = 100) -> Iterator[int]:
    for item in range(items):
        produced.append(item)
        yield item


def _producers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@given(st.lists(st.none() | st.integers(), max_size=30), st.integers(1, 5))
def test_items_come_in_order_and_all_of_them(items, depth):
    assert list(prefetch(items, depth)) == items
    assert _producers() == []


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_producer_begins_when_asked_and_is_never_more_than_depth_ahead(depth):
    produced: list[int] = []
    with_consumer = prefetch(_counting(produced), depth)
    assert _settled(produced) == 0
    for consumed in range(1, 6):
        assert next(with_consumer) == consumed - 1
        assert _settled(produced) == consumed + depth
    with_consumer.close()


def test_the_producer_works_while_the_consumer_does():
    second_made = threading.Event()

    def producer():
        yield 1
        second_made.set()
        yield 2

    items = prefetch(producer())
    assert next(items) == 1
    assert second_made.wait(5)
    assert list(items) == [2]


def test_items_are_produced_on_one_other_thread():
    makers = set()

    def producer():
        for item in range(20):
            makers.add(threading.current_thread())
            yield item

    assert len(list(prefetch(producer()))) == 20
    assert len(makers) == 1
    assert threading.current_thread() not in makers


def test_an_error_of_the_producer_is_raised_after_the_items_before_it():
    def producer():
        yield from range(3)
        raise ValueError("the file is cut short")

    items = prefetch(producer())
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the file is cut short"):
        next(items)
    assert _producers() == []


def test_closing_stops_the_producer_and_its_thread():
    produced: list[int] = []
    items = prefetch(_counting(produced))
    next(items)
    assert len(_producers()) == 1
    items.close()
    assert _producers() == []
    assert _settled(produced) <= 3


def test_an_error_of_the_consumer_stops_the_producer():
    produced: list[int] = []

    def consume():
        for item in prefetch(_counting(produced)):
            if item == 2:
                raise KeyError(item)

    with pytest.raises(KeyError):
        consume()
    assert _producers() == []
    assert _settled(produced) < 100
