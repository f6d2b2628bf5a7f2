# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest fixtures and the rules of reporting.

* A test fails when the product is wrong, wherever that shows: also while a
  fixture boots the guest, and when a kernel splat came that nobody declared.
* What the host is to blame for (InfrastructureError, disk full) is an *error*.
* A failing test leaves its logs, screenshots and the way back in out/test/NAME/.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .errors import InfrastructureError
from .guest import Guest, GuestConfig
from .paths import BUILD, OUT, ROOT
from .qtest import QtestMachine

_GUESTS = pytest.StashKey[list[Guest]]()
_FAILED = pytest.StashKey[bool]()
_CONSOLE_TAIL = 30
_LONGEST = 120  # characters of a test's folder


def pytest_configure() -> None:
    """Keep tmp_path in the checkout; pytest numbers and removes the folders as it does in /tmp."""
    root = BUILD / "tmp"
    root.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(root))


def watch(item: pytest.Item, guest: Guest) -> None:
    """Let a test fail for what the kernel of GUEST says meanwhile."""
    item.stash.setdefault(_GUESTS, []).append(guest)


def failed(item: pytest.Item) -> bool:
    return item.stash.get(_FAILED, False)


def _directory(item: pytest.Item) -> Path:
    name = item.nodeid.removeprefix("tests/").replace(".py::", ".")
    name = re.sub(r"[^\w.=-]+", "-", name).strip("-")
    if len(name) > _LONGEST:  # its end tells tests apart, but not always
        mark = hashlib.sha256(item.nodeid.encode()).hexdigest()[:8]
        name = f"{mark}-{name[len(mark) + 1 - _LONGEST:].lstrip('-')}"
    return OUT / "test" / name


@pytest.fixture
def artifacts(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for the test's files; kept if it fails."""
    path = _directory(request.node)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    yield path
    if not failed(request.node):
        shutil.rmtree(path)


@pytest.fixture
def boot(request: pytest.FixtureRequest, artifacts: Path) -> Iterator[Callable[..., Guest]]:
    """Boot guests: boot(dtb="baton-dual", kernel_args="..."), as in GuestConfig."""
    guests = request.node.stash.setdefault(_GUESTS, [])
    with ExitStack() as stack:

        def start(**config) -> Guest:
            directory = artifacts / f"guest{len(guests)}" if guests else artifacts
            guest = Guest(GuestConfig(**config), directory)
            guest.__enter__()
            guests.append(guest)
            stack.callback(guest.close)
            return guest

        yield start


@pytest.fixture
def guest(boot: Callable[..., Guest]) -> Guest:
    """The default machine, booted."""
    return boot()


@pytest.fixture
def qtest(artifacts: Path) -> Iterator[Callable[..., QtestMachine]]:
    """Start machines under qtest: qtest(dtb=..., machine=..., args=...)."""
    with ExitStack() as stack:
        count = 0

        def start(**options) -> QtestMachine:
            nonlocal count
            count += 1
            log = artifacts / f"qemu{count}.log"
            return stack.enter_context(QtestMachine(log=log, **options))

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    guests = item.stash.setdefault(_GUESTS, [])
    try:
        result = yield
        for guest in guests:
            guest.check()
    except BaseException:
        for guest in guests:
            guest.collect_evidence()
        raise
    return result


def _is_host_trouble(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)
    return isinstance(error, (InfrastructureError, MemoryError))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        # pytest, its JUnit file and xdist count by phase: "setup" is an error.
        if call.excinfo and _is_host_trouble(call.excinfo.value):  # else it should have failed
            report.when = "setup"
        elif report.when == "setup":
            report.when = "call"
        report.sections.append(("how to get back here", _reentry(item)))
    return report


def _reentry(item: pytest.Item) -> str:
    lines = [f"make test T='{item.nodeid}'"]
    directory = _directory(item)
    for again in sorted(directory.rglob("again.txt")):
        lines.append(again.read_text().splitlines()[0])
    if directory.is_dir():
        lines.append(f"files: {directory.relative_to(ROOT)}/")
    for log in sorted(directory.rglob("console.log")):
        tail = log.read_text(errors="replace").splitlines()[-_CONSOLE_TAIL:]
        lines += [f"--- end of {log.relative_to(ROOT)}", *tail]
    return "\n".join(lines)
