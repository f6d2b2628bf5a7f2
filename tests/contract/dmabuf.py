# SPDX-License-Identifier: GPL-2.0-or-later
"""dma-bufs as a guest's program sees them: tests/guest/dmabuf/, driven line by line.

    dmabuf = Dmabuf(guest)
    fd = dmabuf.number("heap", "system", 65536)
    dmabuf.sync(fd, START | READ)
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.guest import Guest
from harness.program import Program

PAGE = 4096
DMA_BUF_MAGIC = 0x444D4142
EPOLLIN, EPOLLOUT = 1, 4

# open(2), fcntl(2), lseek(2), mmap(2)
O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK, O_CLOEXEC, O_PATH = 0, 1, 2, 0o4000, 0o2000000, 0o10000000
O_ACCMODE = 3
F_GETFD, F_SETFD, F_GETFL = 1, 2, 3
FD_CLOEXEC = 1
SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE = range(5)
PROT_READ, PROT_WRITE = 1, 2
PROT_RW = PROT_READ | PROT_WRITE
MAP_SHARED, MAP_PRIVATE = 1, 2

# linux/dma-buf.h
READ, WRITE, RW, START, END = 1, 2, 3, 0, 4


def _ioc(direction: int, kind: str, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord(kind) << 8 | number


def io(kind: str, number: int) -> int:
    return _ioc(0, kind, number, 0)


def iow(kind: str, number: int, size: int) -> int:
    return _ioc(1, kind, number, size)


def ior(kind: str, number: int, size: int) -> int:
    return _ioc(2, kind, number, size)


def iowr(kind: str, number: int, size: int) -> int:
    return _ioc(3, kind, number, size)


SYNC = iow("b", 0, 8)
SET_NAME_A, SET_NAME_B = iow("b", 1, 4), iow("b", 1, 8)
EXPORT_SYNC_FILE, IMPORT_SYNC_FILE = iowr("b", 2, 8), iow("b", 3, 8)
SW_SYNC_CREATE_FENCE, SW_SYNC_INC = iowr("W", 0, 40), iow("W", 1, 4)
SYNC_FILE_MERGE = iowr(">", 3, 48)


@dataclass(frozen=True)
class Info:
    """A dma-buf in debugfs "dma_buf/bufinfo"."""

    size: int
    count: int
    exporter: str
    inode: int
    name: str
    fences: int
    devices: tuple[str, ...]


_OBJECT = re.compile(r"(\d{8,})\t\w{8}\t\w{8}\t(\d+)\t(\S+)\t(\d+)\t(.+)")


def parse_bufinfo(text: str) -> list[Info]:
    """What dma_buf_debug_show() prints."""
    found = []
    for block in re.split(r"^Total \d+ devices attached$", text, flags=re.MULTILINE)[:-1]:
        lines = block.strip().splitlines()
        at, match = next((n, m) for n, m in enumerate(map(_OBJECT.fullmatch, lines)) if m)
        fences = [line for line in lines[at:] if " fence:" in line]
        devices = lines[lines.index("\tAttached Devices:") + 1:]
        found.append(Info(int(match[1]), int(match[2]), match[3], int(match[4]), match[5],
                          len(fences), tuple(line.strip() for line in devices)))
    return found


class Dmabuf(Program):
    def __init__(self, guest: Guest):
        super().__init__(guest, "dmabuf")
        self._tasks = 0

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # Files

    @contextmanager
    def opened(self, *words: object) -> Iterator[int]:
        """The descriptor that a command opens."""
        fd = self.number(*words)
        try:
            yield fd
        finally:
            self("close", fd)

    def ioctl(self, fd: int, request: int, data: bytes = b"") -> bytes:
        """The structure after the call."""
        words = self("ioctl", fd, request, data.hex() or "null")
        return bytes.fromhex(words[1]) if len(words) > 1 else b""

    def ioctl_refused(self, fd: int, request: int, data: bytes = b"") -> str:
        return self.refused("ioctl", fd, request, data.hex() or "null")

    def inode(self, fd: int) -> int:
        return int(self("fstat", fd)[0])

    def size(self, fd: int) -> int:
        return int(self("fstat", fd)[1])

    def mode(self, fd: int) -> int:
        """O_RDONLY, O_WRONLY or O_RDWR."""
        return self.number("fcntl", fd, F_GETFL) & O_ACCMODE

    def close_on_exec(self, fd: int) -> bool:
        return bool(self.number("fcntl", fd, F_GETFD) & FD_CLOEXEC)

    def fdinfo(self, fd: int) -> dict[str, str]:
        pid = self.number("pid")
        text = self.guest.run(f"cat /proc/{pid}/fdinfo/{fd}").stdout
        return {key: value.strip() for key, value in
                (line.split(":", 1) for line in text.splitlines())}

    def bufinfo(self) -> list[Info]:
        """All dma-bufs of the guest."""
        return parse_bufinfo(self.guest.run("cat /sys/kernel/debug/dma_buf/bufinfo").stdout)

    def info(self, fd: int) -> Info:
        inode = self.inode(fd)
        return next(info for info in self.bufinfo() if info.inode == inode)

    def adopt(self, other: Program, fd: int) -> int:
        """A descriptor of another program's."""
        return self.number("adopt", other("pid")[0], fd)

    # Memory

    def map(self, fd: int, size: int, prot: int = PROT_RW, offset: int = 0,
            flags: int = MAP_SHARED) -> int:
        return int(self("map", fd, size, prot, offset, flags)[0], 16)

    @contextmanager
    def mapped(self, fd: int, size: int, prot: int = PROT_RW) -> Iterator[int]:
        address = self.map(fd, size, prot)
        yield address
        self("unmap", address, size)

    def store(self, address: int, data: bytes) -> None:
        self("store", address, data.hex())

    def fetch(self, address: int, size: int) -> bytes:
        return bytes.fromhex(self("fetch", address, size)[0])

    # Synchronisation

    def sync(self, fd: int, flags: int) -> None:
        self.ioctl(fd, SYNC, struct.pack("<Q", flags))

    def sync_refused(self, fd: int, flags: int) -> str:
        return self.ioctl_refused(fd, SYNC, struct.pack("<Q", flags))

    @contextmanager
    def bracket(self, fd: int, access: int = RW) -> Iterator[None]:
        self.sync(fd, START | access)
        yield
        self.sync(fd, END | access)

    def timeline(self) -> "Timeline":
        return Timeline(self)

    def attach_fence(self, fd: int, fence: int, access: int) -> None:
        self.ioctl(fd, IMPORT_SYNC_FILE, struct.pack("<Ii", access, fence))

    def export_fence(self, fd: int, access: int) -> int:
        return struct.unpack("<Ii", self.ioctl(fd, EXPORT_SYNC_FILE,
                                               struct.pack("<Ii", access, -1)))[1]

    def merge_fences(self, first: int, second: int) -> int:
        data = struct.pack("<32siiII", b"merged", second, -1, 0, 0)
        return struct.unpack("<32siiII", self.ioctl(first, SYNC_FILE_MERGE, data))[2]

    def poll(self, fd: int, events: int = EPOLLIN | EPOLLOUT, timeout_ms: int = 0) -> int:
        return self.number("poll", fd, events, timeout_ms)

    # Threads

    def start(self, *words: object) -> "Task":
        """Run a command in a thread of the program."""
        self._tasks += 1
        self("start", self._tasks, *words)
        return Task(self, self._tasks, words)


class Task:
    """A command that may block."""

    def __init__(self, dmabuf: Dmabuf, number: int, words: tuple[object, ...]):
        self._dmabuf = dmabuf
        self._number = number
        self.words = words

    @property
    def done(self) -> bool:
        return self._dmabuf("done", self._number) == ["1"]

    def interrupt(self) -> None:
        self._dmabuf("interrupt", self._number)

    def finish(self) -> list[str]:
        """Its answer, when it has one."""
        return self._dmabuf("finish", self._number)

    def finish_refused(self) -> str:
        return self._dmabuf.refused("finish", self._number)


class Timeline:
    """A timeline of sw_sync, whose fences signal in order."""

    def __init__(self, dmabuf: Dmabuf):
        self._dmabuf = dmabuf
        self.fd = dmabuf.number("open", "/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC)
        self._fences = 0

    def fence(self) -> int:
        """A new fence; its sync_file."""
        self._fences += 1
        data = struct.pack("<I32si", self._fences, b"contract", -1)
        return struct.unpack("<I32si", self._dmabuf.ioctl(self.fd, SW_SYNC_CREATE_FENCE, data))[2]

    def signal(self, count: int = 1) -> None:
        """The oldest fences."""
        self._dmabuf.ioctl(self.fd, SW_SYNC_INC, struct.pack("<I", count))
