# SPDX-License-Identifier: GPL-2.0-or-later
import socket

import pytest

DISPLAY0 = 0x3100_0000


@pytest.fixture
def poke(boot, artifacts):
    """A guest whose display registers can be written behind the driver's back."""
    path = artifacts / "qtest.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    guest = boot(qemu_args=("-chardev", f"socket,id=qtest,path={path}", "-qtest", "chardev:qtest"))
    connection, _ = server.accept()
    stream = connection.makefile("rw")

    def write(register: int, value: int) -> None:
        stream.write(f"writel {DISPLAY0 + register:#x} {value:#x}\n")
        stream.flush()
        assert stream.readline() == "OK\n"

    yield guest, write
    connection.close()
    server.close()
