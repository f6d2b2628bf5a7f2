# SPDX-License-Identifier: GPL-2.0-or-later
"""Host side of the guest's agent; rootfs/agent/protocol.md is the specification."""

import itertools
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from .errors import GuestError
from .eventloop import STALL, EventLoop

_HEADER = struct.Struct("<5I")
_MAGIC = 0x4E544142
_VERSION = 1
_MAX_PAYLOAD = 65536
_ACK_EVERY = 65536
_RUN_STDIN = 1
_FORGET_KEPT = 0xFFFFFFFF


class Type(IntEnum):
    HELLO = 1
    ACK = 2
    RUN = 3
    STDIN = 4
    KILL = 5
    HELLO_REPLY = 129
    STDOUT = 130
    STDERR = 131
    STDIN_OK = 132
    EXIT = 133
    ERROR = 134


@dataclass
class Result:
    """What a command did: status as a shell sees it (128 + signal if one ended it)."""

    status: int
    stdout: str
    stderr: str


class Command:
    """A running command. Wait for it with `wait`, or for a part of its output."""

    def __init__(
        self,
        agent: "Agent",
        number: int,
        what: str,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
    ):
        self._agent = agent
        self._number = number
        self._sinks = {Type.STDOUT: stdout, Type.STDERR: stderr}
        self._output = {Type.STDOUT: bytearray(), Type.STDERR: bytearray()}
        self.what = what
        self.status: int | None = None
        self.error: str | None = None
        self.stdin_error: int | None = None
        self.stdin_pending = False

    def received(self, kind: Type, payload: bytes) -> None:
        if kind in self._output:
            if sink := self._sinks[kind]:
                sink(payload)
            else:
                self._output[kind] += payload
        elif kind == Type.STDIN_OK:
            (error,) = struct.unpack("<I", payload)
            self.stdin_error = self.stdin_error or error
            self.stdin_pending = False
        elif kind == Type.EXIT:
            status, signal = struct.unpack("<ii", payload)
            self.status = 128 + signal if signal else status
        elif kind == Type.ERROR:
            (error,) = struct.unpack_from("<I", payload)
            reason = payload[4:].rstrip(b"\0").decode(errors="replace")
            self.error = reason or os.strerror(error)

    @property
    def stdout(self) -> str:
        return self._output[Type.STDOUT].decode(errors="replace")

    @property
    def stdout_bytes(self) -> bytes:
        return bytes(self._output[Type.STDOUT])

    @property
    def stderr(self) -> str:
        return self._output[Type.STDERR].decode(errors="replace")

    @property
    def done(self) -> bool:
        return self.status is not None or self.error is not None

    def wait(self, stall: float | None = STALL) -> Result:
        """Wait for the end."""
        self._agent.wait(lambda: self.done, f"the end of '{self.what}'", stall)
        self._agent.forget(self._number)
        if self.error:
            raise GuestError(f"cannot run '{self.what}': {self.error}")
        return Result(self.status, self.stdout, self.stderr)

    def wait_output(self, text: str, stall: float | None = STALL) -> None:
        """Wait until TEXT has appeared on standard output; return at once if it ends without."""
        self._agent.wait(
            lambda: text in self.stdout or self.done, f"'{text}' from '{self.what}'", stall
        )

    def send(self, data: bytes) -> None:
        """Feed standard input; b"" is the end of file."""
        self._agent.wait(lambda: not self.stdin_pending or self.done, f"'{self.what}' to read")
        if self.done or self.stdin_error:
            raise GuestError(f"'{self.what}' closed its input: {self.error or self.stderr}")
        self.stdin_pending = True
        self._agent.send(Type.STDIN, self._number, data)

    def kill(self, signal: int) -> None:
        self._agent.send(Type.KILL, self._number, struct.pack("<I", signal))


class Agent:
    def __init__(self, loop: EventLoop, sock: socket.socket):
        self._loop = loop
        self._sock = sock
        self._buffer = bytearray()
        self._numbers = itertools.count(1)
        self._hello = int.from_bytes(os.urandom(3), "little") | 0x8000_0000
        self._sequence = 0
        self._unacknowledged = 0
        self._commands: dict[int, Command] = {}
        self.ready = False
        self.closed = False
        loop.add(sock, self._received)

    def hello(self) -> None:
        """Ask for the agent; it answers, and `ready` turns true, once it runs."""
        self.send(Type.HELLO, self._hello, struct.pack("<2I", _VERSION, _FORGET_KEPT))

    def send(self, kind: Type, number: int, payload: bytes) -> None:
        try:
            self._sock.sendall(_HEADER.pack(_MAGIC, kind, number, 0, len(payload)) + payload)
        except OSError as err:
            raise GuestError(f"the agent's channel is closed: {err}") from err

    def wait(self, done: Callable[[], bool], what: str, stall: float | None = STALL) -> None:
        def check() -> bool:
            if done():
                return True
            if self.closed:
                raise GuestError(f"QEMU ended while waiting for {what}")
            return False

        self._loop.wait(check, what, stall)

    def run(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        **sinks: Callable[[bytes], object],
    ) -> Command:
        """Start ARGV. SINKS, `stdout` and `stderr`, get output as it arrives."""
        number = next(self._numbers)
        command = Command(self, number, " ".join(argv), **sinks)
        self._commands[number] = command
        variables = [f"{name}={value}" for name, value in (env or {}).items()]
        counts = struct.pack("<3I", _RUN_STDIN if stdin else 0, len(argv), len(variables))
        strings = b"".join(s.encode() + b"\0" for s in [*argv, *variables])
        self.send(Type.RUN, number, counts + strings)
        return command

    def forget(self, number: int) -> None:
        self._commands.pop(number, None)

    def _received(self, data: bytes) -> None:
        if not data:
            self.closed = True
            return
        self._buffer += data
        while frame := self._take_frame():
            self._dispatch(*frame)

    def _take_frame(self) -> tuple[int, int, int, bytes] | None:
        if not self.ready:
            self._skip_to_hello()
        if len(self._buffer) < _HEADER.size:
            return None
        magic, kind, number, sequence, length = _HEADER.unpack_from(self._buffer)
        if magic != _MAGIC or length > _MAX_PAYLOAD:
            raise GuestError(f"no frame from the agent: {bytes(self._buffer[:64])!r}")
        end = _HEADER.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        return kind, number, sequence, payload

    def _skip_to_hello(self) -> None:
        """Drop the rest of an earlier connection, up to the answer to our HELLO."""
        answer = struct.pack("<3I", _MAGIC, Type.HELLO_REPLY, self._hello)
        at = self._buffer.find(answer)
        keep = at if at >= 0 else max(0, len(self._buffer) - len(answer) + 1)
        del self._buffer[:keep]

    def _dispatch(self, kind: int, number: int, sequence: int, payload: bytes) -> None:
        if kind == Type.HELLO_REPLY:
            self.ready = True
            return
        if command := self._commands.get(number):
            command.received(Type(kind), payload)
        elif kind == Type.ERROR:
            print(f"agent: {payload[4:]!r}", file=sys.stderr)
        if sequence:
            self._acknowledge(kind, sequence, len(payload))

    def _acknowledge(self, kind: int, sequence: int, length: int) -> None:
        self._sequence = sequence
        self._unacknowledged += length
        if self._unacknowledged >= _ACK_EVERY or kind == Type.EXIT:
            self._unacknowledged = 0
            self.send(Type.ACK, 0, struct.pack("<I", sequence))
