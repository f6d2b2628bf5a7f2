# SPDX-License-Identifier: GPL-2.0-or-later
"""The host side of the agent's protocol, against a scripted guest."""

import errno
import socket
import struct

import pytest

from harness.agent import Agent, Type
from harness.errors import GuestError
from harness.eventloop import EventLoop

HEADER = struct.Struct("<5I")
MAGIC = 0x4E544142


class ScriptedGuest:
    def __init__(self, sock: socket.socket):
        self._file = sock.makefile("rwb", buffering=0)

    def request(self) -> tuple[int, int, bytes]:
        magic, kind, number, sequence, length = HEADER.unpack(self._file.read(HEADER.size))
        assert (magic, sequence) == (MAGIC, 0)
        return kind, number, self._file.read(length) if length else b""

    def send(self, kind: int, number: int, payload: bytes, sequence: int = 0) -> None:
        self._file.write(HEADER.pack(MAGIC, kind, number, sequence, len(payload)) + payload)

    def raw(self, data: bytes) -> None:
        self._file.write(data)


@pytest.fixture
def link():
    loop = EventLoop()
    ours, theirs = socket.socketpair()
    agent = Agent(loop, ours)
    loop.start()
    yield agent, ScriptedGuest(theirs)
    theirs.close()
    loop.close()
    ours.close()


@pytest.fixture
def ready(link):
    agent, guest = link
    agent.hello()
    _, number, _ = guest.request()
    guest.send(Type.HELLO_REPLY, number, struct.pack("<2I", 1, 0))
    agent.wait(lambda: agent.ready, "hello")
    return agent, guest


def test_rest_of_an_earlier_connection_is_dropped(link):
    agent, guest = link
    agent.hello()
    kind, number, payload = guest.request()
    assert (kind, payload) == (Type.HELLO, struct.pack("<2I", 1, 0xFFFFFFFF))
    guest.raw(b"half a frame BATN" + b"\0" * 40)
    for byte in HEADER.pack(MAGIC, Type.HELLO_REPLY, number, 0, 8) + struct.pack("<2I", 1, 0):
        guest.raw(bytes([byte]))
    agent.wait(lambda: agent.ready, "hello", stall=5)


def test_run(ready):
    agent, guest = ready
    command = agent.run(["echo", "hi"], {"A": "b"})
    kind, number, payload = guest.request()
    assert kind == Type.RUN
    assert payload == struct.pack("<3I", 0, 2, 1) + b"echo\0hi\0A=b\0"
    guest.send(Type.STDOUT, number, b"hi\n", 1)
    guest.send(Type.STDERR, number, b"oh", 2)
    guest.send(Type.EXIT, number, struct.pack("<2i", 3, 0), 3)
    result = command.wait(stall=5)
    assert (result.status, result.stdout, result.stderr) == (3, "hi\n", "oh")
    assert guest.request() == (Type.ACK, 0, struct.pack("<I", 3))


def test_signal_is_128_plus_its_number(ready):
    agent, guest = ready
    command = agent.run(["sleep"])
    _, number, _ = guest.request()
    guest.send(Type.EXIT, number, struct.pack("<2i", -1, 9), 1)
    assert command.wait(stall=5).status == 137


def test_program_that_does_not_exist(ready):
    agent, guest = ready
    command = agent.run(["nonesuch"])
    _, number, _ = guest.request()
    guest.send(Type.ERROR, number, struct.pack("<I", errno.ENOENT) + b"not found\0", 1)
    with pytest.raises(GuestError, match="cannot run 'nonesuch': not found"):
        command.wait(stall=5)


def test_input_waits_for_the_guest(ready):
    agent, guest = ready
    command = agent.run(["cat"], stdin=True)
    _, number, _ = guest.request()
    command.send(b"one")
    assert guest.request() == (Type.STDIN, number, b"one")
    guest.send(Type.STDIN_OK, number, struct.pack("<I", 0), 1)
    command.send(b"")
    assert guest.request() == (Type.STDIN, number, b"")
    guest.send(Type.STDIN_OK, number, struct.pack("<I", errno.EPIPE), 2)
    with pytest.raises(GuestError, match="closed its input"):
        command.send(b"more")


def test_much_output_is_acknowledged(ready):
    agent, guest = ready
    got = bytearray()
    agent.run(["yes"], stdout=got.extend)
    _, number, _ = guest.request()
    for sequence in range(1, 5):
        guest.send(Type.STDOUT, number, b"y" * 32768, sequence)
    assert guest.request() == (Type.ACK, 0, struct.pack("<I", 2))
    assert guest.request() == (Type.ACK, 0, struct.pack("<I", 4))
    assert len(got) == 4 * 32768


def test_garbage_is_an_error(ready):
    agent, guest = ready
    command = agent.run(["true"])
    guest.raw(b"\0" * 64)
    with pytest.raises(GuestError, match="no frame"):
        command.wait(stall=5)
