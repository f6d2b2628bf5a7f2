# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands behind make's targets share: one line for an error, elapsed time."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import GuestError, InfrastructureError, QemuError


class UserError(Exception):
    """What the user asked for cannot be done."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what takes long, and how long it took."""
    print(f"{what} ...", flush=True)
    start = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)


def run(main: Callable[[], int]) -> None:
    """Run MAIN and exit with its status; expected errors become one line."""
    try:
        status = main()
    except KeyboardInterrupt:
        _fail("interrupted")
        status = 130
    except (UserError, InfrastructureError, GuestError, QemuError, AssertionError) as err:
        _fail(str(err))
        status = 1
    except OSError as err:
        _fail(f"{err.filename or 'file'}: {os.strerror(err.errno or 0)}")
        status = 1
    sys.exit(status)


def _fail(message: str) -> None:
    print(f"baton: {message}", file=sys.stderr)
