# SPDX-License-Identifier: GPL-2.0-or-later
"""Waiting for what nothing announces, as long as there is progress."""

import time
from collections.abc import Callable
from typing import TypeVar

from .errors import GuestError
from .eventloop import STALL

Value = TypeVar("Value")


def until(read: Callable[[], Value], done: Callable[[Value], bool], what: str,
          stall: float = STALL) -> Value:
    """READ until that is DONE; what is read must change every STALL seconds."""
    value = read()
    changed = time.monotonic()
    while not done(value):
        before, value = value, read()
        if value != before:
            changed = time.monotonic()
        elif time.monotonic() - changed >= stall:
            raise GuestError(f"no change for {stall:g} s while waiting for {what}: {value!r}")
    return value
