# SPDX-License-Identifier: GPL-2.0-or-later
"""The camera as a guest's program sees it: tests/guest/v4l2.c, driven line by line.

    camera = V4l2(guest)
    camera.set_format("XR24", 320, 240)
    camera.start(buffers=3)
    frame = camera.capture()
"""

from dataclasses import dataclass

from .guest import Guest
from .program import Program

TEST_PATTERN = 0x009F0903
FREE_RUNNING = 0x00981F00
FLAG_ERROR = 0x40
EVENT_EOS, EVENT_FRAME_SYNC, EVENT_SOURCE_CHANGE = 2, 4, 5


@dataclass(frozen=True)
class Format:
    fourcc: str
    width: int
    height: int
    colors: tuple[int, ...]  # colorspace, YCbCr encoding, quantization, transfer function
    pitches: tuple[int, ...]
    sizes: tuple[int, ...]  # of the memory planes


@dataclass(frozen=True)
class Frame:
    """A dequeued buffer."""

    buffer: int
    sequence: int
    time_ns: int
    flags: int
    sizes: tuple[int, ...]

    @property
    def failed(self) -> bool:
        return bool(self.flags & FLAG_ERROR)


@dataclass(frozen=True)
class LogEntry:
    """A line of debugfs "frames"."""

    sequence: int
    time_ns: int
    status: int
    hash: int
    buffer: int
    planes: tuple[tuple[int, int], ...]  # CPU address, pieces


def parse_frames(text: str) -> list[LogEntry]:
    entries = []
    for line in text.splitlines():
        words = [word.split("=") for word in line.split()]
        fields = {key: value for key, value in words if key != "addr"}
        planes = tuple((int(address, 16), int(pieces)) for address, pieces in
                       (value.split(",") for key, value in words if key == "addr"))
        entries.append(LogEntry(int(fields["seq"]), int(fields["time"]), int(fields["status"]),
                                int(fields["hash"], 16), int(fields["buffer"]), planes))
    return entries


class V4l2(Program):
    def __init__(self, guest: Guest, node: int = 0):
        super().__init__(guest, "v4l2", f"/dev/video{node}")
        name = guest.run(f"cat /sys/class/video4linux/video{node}/name").stdout.strip()
        self.debugfs = f"/sys/kernel/debug/{name}"
        self.format = self._format("get")
        self._fds: dict[int, list[int]] = {}

    def _format(self, *words: object) -> Format:
        fourcc, *numbers = self("format", *words)
        width, height, *rest = map(int, numbers)
        return Format(fourcc, width, height, tuple(rest[:4]), tuple(rest[4::2]), tuple(rest[5::2]))

    def try_format(self, fourcc: str, width: int, height: int, pitch: int = 0) -> Format:
        return self._format("try", fourcc, width, height, pitch)

    def set_format(self, fourcc: str, width: int, height: int, pitch: int = 0) -> Format:
        self.format = self._format("set", fourcc, width, height, pitch)
        return self.format

    def get_format(self) -> Format:
        return self._format("get")

    def request(self, memory: str, count: int) -> None:
        assert self.number("request", memory, count) == count

    def queue(self, buffer: int) -> None:
        self("queue", buffer, len(self.format.sizes), *self._fds.get(buffer, ()))

    def start(self, buffers: int = 4) -> None:
        """Allocate buffers, queue them all, stream."""
        self.request("mmap", buffers)
        for buffer in range(buffers):
            self.queue(buffer)
        self("on")

    def start_import(self, buffers: list[list[int]]) -> None:
        """Stream into these dma-bufs: the fds of the planes of each buffer."""
        self.request("dmabuf", len(buffers))
        for buffer, fds in enumerate(buffers):
            self._fds[buffer] = fds
            self.queue(buffer)
        self("on")

    def stop(self) -> None:
        self("off")
        self("request", "mmap", 0)

    def dequeue(self) -> Frame:
        return self._frame(self("dequeue"))

    @staticmethod
    def _frame(words: list[str]) -> Frame:
        buffer, sequence, time_ns, flags, *sizes = map(int, words)
        return Frame(buffer, sequence, time_ns, flags, tuple(sizes))

    def capture(self) -> Frame:
        """Dequeue a buffer and queue it again."""
        frame = self.dequeue()
        self.queue(frame.buffer)
        return frame

    def pixels(self, frame: Frame) -> list[bytes]:
        """The memory planes of a dequeued MMAP buffer."""
        path = self.store(b"")
        planes = []
        for plane in range(len(self.format.sizes)):
            self("save", frame.buffer, plane, path)
            planes.append(self.guest.get(path)[:self.format.sizes[plane]])
        return planes

    def dma_buf(self, fd: int, size: int) -> bytes:
        """The contents of a dma-buf."""
        path = self.store(b"")
        self("save_fd", fd, size, path)
        return self.guest.get(path)

    def read(self, name: str) -> str:
        """A file of the driver's in debugfs."""
        return self.guest.run(f"cat {self.debugfs}/{name}").stdout

    def write(self, name: str, value: object) -> None:
        self.guest.run(f"echo {value} >{self.debugfs}/{name}")

    def counters(self) -> dict[str, int]:
        return {key: int(value) for key, value in
                (word.split("=") for word in self.read("counters").split())}

    def log(self) -> list[LogEntry]:
        return parse_frames(self.read("frames"))
