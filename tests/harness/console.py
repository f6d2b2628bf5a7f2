# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's serial console: log, search, and kernel splats."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import GuestError
from .eventloop import STALL, EventLoop

# Not always at the start of a line: the shell's prompt may be there.
_KERNEL_LINE = re.compile(r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? (.*)")
_SPLAT = re.compile(
    r"WARNING: |BUG: |Oops|Kernel panic|Unable to handle kernel|Internal error|"
    r"INFO: (?:task .* blocked|possible|suspicious|trying to register|rcu|NMI)|"
    r"rcu: INFO: |KASAN|KCSAN|KFENCE|UBSAN|DMA-API: |refcount_t: |kmemleak: \d+ new|"
    r"sleeping function called|scheduling while atomic|list_(?:add|del) corruption|"
    r"Freeing alive|stack-protector|unbalanced "
)
_PANIC = re.compile(r"Kernel panic - not syncing: (.*)")
_END_TRACE = re.compile(r"---\[ end (?:trace|Kernel panic)")
_SPLAT_LINES = 60


@dataclass
class Splat:
    lines: list[str]
    declared: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Console:
    """Everything the guest printed. The log file is written as it arrives."""

    def __init__(self, loop: EventLoop, sock: socket.socket, log: Path):
        self._loop = loop
        self._sock = sock
        self._log = log.open("wb")
        self._line = ""
        self._open: Splat | None = None
        self.lines: list[str] = []
        self.splats: list[Splat] = []
        self.panic: str | None = None
        self.closed = False
        loop.add(sock, self._received)

    def _received(self, data: bytes) -> None:
        if not data:
            self.closed = True
            self._log.close()
            return
        self._log.write(data)
        self._log.flush()
        *lines, self._line = (self._line + data.decode(errors="replace")).split("\n")
        for line in lines:
            self._add(line.rstrip("\r"))

    def _add(self, line: str) -> None:
        self.lines.append(line)
        kernel = _KERNEL_LINE.search(line)
        if not kernel:
            return
        if self._open:
            self._open.lines.append(line)
            if _END_TRACE.search(line) or len(self._open.lines) >= _SPLAT_LINES:
                self._open = None
        elif _SPLAT.search(kernel[1]):
            self._open = Splat([line])
            self.splats.append(self._open)
        if panic := _PANIC.search(line):
            self.panic = panic[1]
            self._loop.fail(GuestError(f"kernel panic: {self.panic}"))

    @property
    def text(self) -> str:
        return "\n".join([*self.lines, self._line])

    def write(self, text: str) -> None:
        """Type TEXT."""
        self._sock.sendall(text.encode())

    def wait(self, pattern: str, start: int = 0, stall: float | None = STALL) -> re.Match:
        """Wait for a regular expression in what was printed after line START."""
        regex = re.compile(pattern, re.MULTILINE)
        found: list[re.Match] = []

        def search() -> bool:
            if match := regex.search("\n".join([*self.lines[start:], self._line])):
                found.append(match)
            elif self.closed:
                raise GuestError(f"QEMU ended before '{pattern}' appeared on the console")
            return bool(found)

        self._loop.wait(search, f"'{pattern}' on the console", stall)
        return found[0]

    def undeclared(self) -> list[Splat]:
        return [splat for splat in self.splats if not splat.declared]

    @contextmanager
    def expect(self, pattern: str) -> Iterator[None]:
        """Declare the splats that match PATTERN, and require at least one.

        Use Guest.expect_splat(): it makes sure that the console is complete.
        """
        before = len(self.splats)
        yield
        hits = [s for s in self.splats[before:] if re.search(pattern, s.text)]
        for splat in hits:
            splat.declared = True
        if not hits:
            raise AssertionError(f"the kernel did not print the expected '{pattern}'")
