# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands behind make's targets share: one line for an error, elapsed time."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import GuestError, InfrastructureError, QemuError

DISPLAYS = {"": "none", "gtk": "gtk", "vnc": "vnc=127.0.0.1:0"}


class UserError(Exception):
    """What the user asked for cannot be done."""


def setting(name: str, choices: Collection[str] | None = None, default: str = "") -> str:
    """A variable of make's command line, which make puts into the environment."""
    value = os.environ.get(name) or default
    if choices is not None and value not in choices:
        allowed = " or ".join(filter(None, choices))
        raise UserError(f"{name}={value}: must be {allowed}")
    return value


def number(name: str) -> int:
    """A setting that is a number; 0 if it is not given."""
    value = setting(name, default="0")
    if not value.isdecimal():
        raise UserError(f"{name}={value}: must be a number")
    return int(value)


def display() -> str:
    """QEMU's -display for DISPLAY_UI."""
    ui = setting("DISPLAY_UI", DISPLAYS)
    if ui == "gtk" and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        raise UserError("DISPLAY_UI=gtk: no graphical session here; DISPLAY_UI=vnc needs none")
    if ui == "vnc":
        print("Watch with a VNC viewer on localhost:5900", flush=True)
    return DISPLAYS[ui]


def need_space(directory: Path, size: int) -> None:
    """Say that the disk is full before something half done shows it."""
    free = shutil.disk_usage(directory).free
    if free < size:
        raise UserError(f"{directory}: disk full: {free >> 20} MB free, {size >> 20} MB needed")


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
    except (QemuError, InfrastructureError) as err:
        _fail(str(err).splitlines()[0])
        status = 1
    except (UserError, GuestError, AssertionError) as err:
        _fail(str(err))
        status = 1
    except OSError as err:
        _fail(f"{err.filename or 'file'}: {os.strerror(err.errno or 0)}")
        status = 1
    sys.exit(status)


def _fail(message: str) -> None:
    print(f"baton: {message}", file=sys.stderr)
