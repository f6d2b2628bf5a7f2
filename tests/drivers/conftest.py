# SPDX-License-Identifier: GPL-2.0-or-later
import socket
from collections.abc import Iterator

import pytest

from harness.guest import Guest, GuestConfig
from harness.kms import Kms
from harness.shared import SharedGuest

CAMERA0 = 0x3000_0000
DISPLAY0 = 0x3100_0000


class Registers:
    """The machine's registers, over qtest, behind the drivers' backs."""

    def __init__(self, stream):
        self._stream = stream

    def _command(self, line: str) -> list[str]:
        self._stream.write(f"{line}\n")
        self._stream.flush()
        status, *values = self._stream.readline().split()
        assert status == "OK"
        return values

    def read(self, register: int, base: int = DISPLAY0) -> int:
        return int(self._command(f"readl {base + register:#x}")[0], 16)

    def __call__(self, register: int, value: int, base: int = DISPLAY0) -> None:
        self._command(f"writel {base + register:#x} {value:#x}")


@pytest.fixture
def poke(boot, artifacts):
    """A guest whose registers can be written behind the drivers' backs."""
    path = artifacts / "qtest.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    guest = boot(
        kernel_args="no_console_suspend loglevel=8",
        qemu_args=("-chardev", f"socket,id=qtest,path={path}", "-qtest", "chardev:qtest"),
    )
    connection, _ = server.accept()
    yield guest, Registers(connection.makefile("rw"))
    connection.close()
    server.close()


@pytest.fixture(scope="session")
def shared_guest() -> Iterator[SharedGuest]:
    shared = SharedGuest("drivers", GuestConfig())
    yield shared
    shared.drop()


@pytest.fixture
def used_guest(request: pytest.FixtureRequest, shared_guest: SharedGuest,
               artifacts) -> Iterator[Guest]:
    """The default machine, which earlier tests have used, too."""
    yield from shared_guest.lend(request, artifacts)


@pytest.fixture
def kms(used_guest: Guest) -> Iterator[Kms]:
    """The display, with a hash of each picture. What it shows ends with the test."""
    kms = Kms(used_guest)
    kms.write("hash", 1)
    yield kms
    if not kms.ended:
        kms.close()
