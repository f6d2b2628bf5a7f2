# SPDX-License-Identifier: GPL-2.0-or-later
"""until(): what changes is waited for, what stands still is not. A stall of 0 s needs no time."""

import itertools

import pytest

from harness.errors import GuestError
from harness.polling import until


def test_ends_with_the_value_that_was_wanted():
    numbers = itertools.count()
    assert until(lambda: next(numbers), lambda number: number >= 100, "100", stall=0) == 100
    assert next(numbers) == 101


def test_is_content_with_the_first_value():
    assert until(lambda: "there", lambda value: value == "there", "it", stall=0) == "there"


def test_fails_once_nothing_changes():
    numbers = itertools.chain(range(5), itertools.repeat(5))
    with pytest.raises(GuestError, match="no change for 0 s while waiting for the sixth: 5"):
        until(lambda: next(numbers), lambda number: number > 5, "the sixth", stall=0)


def test_a_late_change_begins_the_time_anew(monkeypatch):
    now, numbers = itertools.count(), iter([0, 0, 0, 1, 1, 1, 2])
    monkeypatch.setattr("harness.polling.time.monotonic", lambda: next(now))
    assert until(lambda: next(numbers), lambda number: number == 2, "2", stall=4) == 2
