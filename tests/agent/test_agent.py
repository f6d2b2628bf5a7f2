# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's agent, driven frame by frame as rootfs/agent/protocol.md has it."""

import errno
import os
import signal
import socket
import struct
from collections import defaultdict
from pathlib import Path

import pytest

from harness.guest import AGENT_PORT, GuestConfig
from harness.process import QemuProcess

HEADER = struct.Struct("<5I")
MAGIC = 0x4E544142
HELLO, ACK, RUN, STDIN, KILL = range(1, 6)
HELLO_REPLY, STDOUT, STDERR, STDIN_OK, EXIT, ERROR = range(129, 135)
FORGET = 0xFFFFFFFF
WINDOW = 1024 * 1024
SILENCE = 60  # seconds after which an answer counts as missing


class Link:
    """A connection to the agent. `answer` and `output` collect what comes, by id."""

    def __init__(self, path: Path, last: int = FORGET):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SILENCE)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        self.last = 0
        self.output = defaultdict(bytes)
        self.running = self._greet(last)

    def _greet(self, last: int) -> list[int]:
        number = int.from_bytes(os.urandom(4), "little")
        self.send(HELLO, number, struct.pack("<2I", 1, last))
        wanted = struct.pack("<3I", MAGIC, HELLO_REPLY, number)
        seen = b""
        while not seen.endswith(wanted):
            seen += self._read(1)
        _, length = struct.unpack("<2I", self._read(8))
        version, count, *ids = struct.unpack(f"<{length // 4}I", self._read(length))
        assert (version, count) == (1, len(ids))
        return ids

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        assert len(data) == size, "the agent's channel was closed"
        return data

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send(self, kind: int, number: int, payload: bytes = b"") -> None:
        self.raw(HEADER.pack(MAGIC, kind, number, 0, len(payload)) + payload)

    def frame(self, ack: bool = True) -> tuple[int, int, bytes]:
        """The next frame, with no sequence number left out or repeated."""
        magic, kind, number, sequence, length = HEADER.unpack(self._read(HEADER.size))
        assert magic == MAGIC
        assert self.last == 0 or sequence == self.last + 1
        self.last = sequence
        payload = self._read(length)
        if kind in (STDOUT, STDERR):
            self.output[number, kind] += payload
        if ack:
            self.send(ACK, 0, struct.pack("<I", sequence))
        return kind, number, payload

    def run(self, number: int, line: str, flags: int = 0, env: tuple[str, ...] = ()) -> None:
        strings = ["/bin/sh", "-c", line, *env]
        payload = struct.pack("<3I", flags, 3, len(env))
        self.send(RUN, number, payload + b"".join(s.encode() + b"\0" for s in strings))

    def until(self, kind: int, number: int) -> bytes:
        while True:
            frame = self.frame()
            if frame[:2] == (kind, number):
                return frame[2]
            assert frame[0] != ERROR, frame

    def status(self, number: int) -> tuple[int, int]:
        return struct.unpack("<2i", self.until(EXIT, number))

    def error(self, number: int) -> int:
        kind, answered, payload = self.frame()
        assert (kind, answered) == (ERROR, number)
        assert payload.endswith(b"\0")
        return struct.unpack_from("<I", payload)[0]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def path(artifacts: Path):
    """Where the agent of a booted guest listens."""
    path = Path(os.path.relpath(artifacts / "agent.sock"))
    args = GuestConfig(kernel_args="baton.modules=no").boot_args()
    args += ["-display", "none", "-serial", f"file:{artifacts / 'console.log'}"]
    args += ["-chardev", f"socket,id=agent,path={path},server=on,wait=off"]
    args += ["-device", "virtio-serial-device"]
    args += ["-device", f"virtserialport,chardev=agent,name={AGENT_PORT}"]
    with QemuProcess(args, artifacts / "qemu.log"):
        yield path


@pytest.fixture
def link(path: Path):
    link = Link(path)
    yield link
    link.close()


def test_output_status_and_environment(link: Link) -> None:
    link.run(7, 'echo "$A-$HOME"; echo wrong >&2; pwd; exit 3', env=("A=b c",))
    assert link.status(7) == (3, 0)
    assert link.output[7, STDOUT] == b"b c-/root\n/\n"
    assert link.output[7, STDERR] == b"wrong\n"


def test_several_commands_at_once(link: Link) -> None:
    """The second ends while the first waits for it."""
    link.run(1, "mkfifo /tmp/fifo; echo made; cat /tmp/fifo")
    link.until(STDOUT, 1)
    link.run(2, "echo hello >/tmp/fifo")
    ended = set()
    while ended != {1, 2}:
        kind, number, _ = link.frame()
        if kind == EXIT:
            ended.add(number)
    assert link.output[1, STDOUT] == b"made\nhello\n"


def test_kill_reaches_the_whole_group(link: Link) -> None:
    link.run(1, "sleep 1000 | sleep 1000 & echo on; wait")
    link.until(STDOUT, 1)
    link.send(KILL, 1, struct.pack("<I", signal.SIGKILL))
    assert link.status(1) == (-1, signal.SIGKILL)
    link.run(2, "while pidof sleep >/dev/null; do usleep 10000; done")
    assert link.status(2) == (0, 0)


def test_background_process_does_not_delay_the_end(link: Link) -> None:
    link.run(1, "sleep 1000 & echo started")
    assert link.status(1) == (0, 0)
    assert link.output[1, STDOUT] == b"started\n"


def test_standard_input(link: Link) -> None:
    data = os.urandom(300_000)
    link.run(1, "cat", flags=1)
    for at in range(0, len(data), 65536):
        link.send(STDIN, 1, data[at : at + 65536])
        assert link.until(STDIN_OK, 1) == struct.pack("<I", 0)
    link.send(STDIN, 1)
    assert link.status(1) == (0, 0)
    assert link.output[1, STDOUT] == data


def test_closed_standard_input(link: Link) -> None:
    link.run(1, "exec <&-; echo closed; sleep 1000", flags=1)
    link.until(STDOUT, 1)
    link.send(STDIN, 1, b"x")
    assert link.until(STDIN_OK, 1) == struct.pack("<I", errno.EPIPE)
    link.send(KILL, 1, struct.pack("<I", signal.SIGTERM))
    assert link.status(1) == (-1, signal.SIGTERM)


def test_output_waits_for_acknowledgement(link: Link) -> None:
    """A host that does not acknowledge stops the command, and loses nothing."""
    size = 3 * WINDOW
    link.run(1, f"head -c {size} /dev/zero; echo the end >&2")
    received = 0
    while received < WINDOW - 65536:
        received += len(link.frame(ack=False)[2])
    link.run(2, "echo still alive >/tmp/alive")
    link.send(ACK, 0, struct.pack("<I", link.last))
    ended = set()
    while ended != {1, 2}:
        kind, number, _ = link.frame()
        if kind == EXIT:
            ended.add(number)
    assert len(link.output[1, STDOUT]) == size
    assert link.output[1, STDERR] == b"the end\n"


def test_reconnect_loses_nothing(path: Path) -> None:
    """The command goes on alone; all that was not acknowledged comes again."""
    first = Link(path)
    first.run(9, "for i in $(seq 20000); do echo line $i; done")
    while len(first.output[9, STDOUT]) < 100_000:
        first.frame(ack=False)
    first.close()

    second = Link(path, last=first.last)
    second.last = first.last
    second.output = first.output
    assert second.status(9) == (0, 0)
    assert second.output[9, STDOUT] == b"".join(b"line %d\n" % i for i in range(1, 20001))
    second.close()


def test_hello_overtakes_the_news_of_the_hangup(path: Path) -> None:
    """Data and hang-ups take different queues: a host that is back at once is heard first."""
    link = Link(path)
    for number in range(1, 201):
        link.run(number, "seq 500")
        link.until(STDOUT, number)
        link.close()
        link = Link(path, last=link.last)
        link.until(EXIT, number)
    link.close()


def test_reconnect_learns_what_runs(path: Path) -> None:
    first = Link(path)
    first.run(5, "echo on; sleep 1000")
    first.until(STDOUT, 5)
    first.close()

    second = Link(path)
    assert second.running == [5]
    second.send(KILL, 5, struct.pack("<I", signal.SIGTERM))
    assert second.status(5) == (-1, signal.SIGTERM)
    second.close()


def test_garbage_is_reported_once_and_skipped(link: Link) -> None:
    link.raw(os.urandom(200_000).replace(struct.pack("<I", MAGIC), b"none"))
    link.run(1, "echo alive")
    assert link.error(0) == errno.EPROTO
    assert link.status(1) == (0, 0)
    assert link.output[1, STDOUT] == b"alive\n"


def test_refused_requests(link: Link) -> None:
    link.run(1, "sleep 1000", flags=1)
    cases = [
        (99, 2, b"", errno.EOPNOTSUPP),
        (HELLO, 3, struct.pack("<2I", 9, 0), errno.EPROTO),
        (RUN, 4, b"", errno.EINVAL),
        (RUN, 5, struct.pack("<3I", 0, 1, 0) + b"no end", errno.EINVAL),
        (RUN, 6, struct.pack("<3I", 0, 0xFFFFFFFF, 2), errno.E2BIG),
        (RUN, 7, struct.pack("<3I", 0, 1, 0) + b"/bin/nothing\0", errno.ENOENT),
        (RUN, 1, struct.pack("<3I", 0, 1, 0) + b"true\0", errno.EEXIST),
        (STDIN, 8, b"x", errno.ESRCH),
        (KILL, 9, struct.pack("<I", 15), errno.ESRCH),
        (KILL, 1, b"", errno.EINVAL),
    ]
    for kind, number, payload, code in cases:
        link.send(kind, number, payload)
        assert link.error(number) == code, f"request {kind} with id {number}"
    link.send(KILL, 1, struct.pack("<I", signal.SIGTERM))
    assert link.status(1) == (-1, signal.SIGTERM)


def test_no_more_than_64_commands(link: Link) -> None:
    for number in range(1, 65):
        link.run(number, "sleep 1000")
    link.run(65, "true")
    assert link.error(65) == errno.EBUSY
    for number in range(1, 65):
        link.send(KILL, number, struct.pack("<I", signal.SIGTERM))
    ended = set()
    while len(ended) < 64:
        kind, number, _ = link.frame()
        assert kind == EXIT
        ended.add(number)
