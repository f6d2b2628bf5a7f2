# SPDX-License-Identifier: GPL-2.0-or-later
"""Whoever yields a dma-buf: the project's three exporters, and mainline's.

To try another one, write a class whose `_make` gives a descriptor, and add it to BY_NAME
and to EXPORTERS in clauses.py.
"""

import struct
from abc import ABC, abstractmethod
from typing import NamedTuple

from harness.program import Refused

from .dmabuf import (
    O_ACCMODE,
    O_CLOEXEC,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PAGE,
    Dmabuf,
    iow,
    iowr,
)

ALL_MODES = (O_RDONLY, O_WRONLY, O_RDWR)
MMAP, DMABUF = 1, 4
CAPTURE, CAPTURE_MPLANE = 1, 9

S_FMT, REQBUFS = iowr("V", 5, 208), iowr("V", 8, 20)
EXPBUF = iowr("V", 16, 64)
STREAMON, STREAMOFF = iow("V", 18, 4), iow("V", 19, 4)
GEM_CLOSE, HANDLE_TO_FD, FD_TO_HANDLE = iow("d", 9, 8), iowr("d", 0x2D, 12), iowr("d", 0x2E, 12)
CREATE_DUMB, MAP_DUMB = iowr("d", 0xB2, 32), iowr("d", 0xB3, 16)
UDMABUF_CREATE = iow("u", 0x42, 24)
F_SEAL_SHRINK = 2


class Buffer(NamedTuple):
    fd: int
    size: int


class Exporter(ABC):
    """Makes dma-bufs in the program DMABUF, which owns all that is opened for them."""

    name: str
    exp_name: str  # as fdinfo shows it
    fd = -1  # of the exporter's own file, if it stays open
    modes: tuple[int, ...] = ALL_MODES  # access modes that a caller can ask for

    def __init__(self, dmabuf: Dmabuf):
        self.dmabuf = dmabuf

    @abstractmethod
    def _make(self, size: int, flags: int) -> int:
        """A new descriptor for SIZE bytes or more."""

    def make(self, size: int = 16 * PAGE, flags: int = O_RDWR | O_CLOEXEC) -> Buffer:
        fd = self._make(size, flags)
        return Buffer(fd, self.dmabuf.size(fd))

    def close(self) -> None:
        """The exporter's own file, and all that it holds."""
        if self.fd >= 0:
            self.dmabuf("close", self.fd)

    def own_mappings(self, size: int) -> list[int]:
        """Addresses at which the exporter's own file maps the buffer made last."""
        return []


class Heap(Exporter):
    def _make(self, size: int, flags: int) -> int:
        return self.dmabuf.number("heap", self.exp_name, size, flags)


class BatonHeap(Heap):
    name = exp_name = "baton"


class SystemHeap(Heap):
    name = exp_name = "system"


class CmaHeap(Heap):
    name = "cma"

    @property
    def exp_name(self) -> str:
        """It is called after the reserved memory."""
        names = self.dmabuf.guest.run("ls /dev/dma_heap").stdout.split()
        return next(name for name in names if name not in ("system", "baton"))


class Udmabuf(Exporter):
    name = exp_name = "udmabuf"
    modes = (O_RDWR,)

    def _make(self, size: int, flags: int) -> int:
        with (self.dmabuf.opened("memfd", size, F_SEAL_SHRINK) as memory,
              self.dmabuf.opened("open", "/dev/udmabuf", O_RDWR | O_CLOEXEC) as device):
            create = struct.pack("<IIQQ", memory, bool(flags & O_CLOEXEC), 0, size)
            return self.dmabuf.number("ioctl", device, UDMABUF_CREATE, create.hex())


class Video(Exporter):
    """Buffers of a V4L2 queue; all have the size of the first."""

    node: str
    type = CAPTURE
    count = 4

    def __init__(self, dmabuf: Dmabuf):
        super().__init__(dmabuf)
        self._made = 0

    def open(self) -> int:
        self.fd = self.dmabuf.number("open", self.node, O_RDWR | O_CLOEXEC)
        return self.fd

    def set_format(self, size: int) -> None:
        """XR24, one page a line."""
        height = -(-size // PAGE)
        pix = struct.pack("<4I", PAGE // 4, height, 0x34325258, 1)
        self.dmabuf.ioctl(self.fd, S_FMT, struct.pack("<II", self.type, 0) + pix.ljust(200, b"\0"))

    def request(self, count: int, memory: int = MMAP) -> None:
        self.dmabuf.ioctl(self.fd, REQBUFS, struct.pack("<5I", count, self.type, memory, 0, 0))

    def export(self, index: int, flags: int = O_RDWR | O_CLOEXEC, plane: int = 0) -> int:
        data = struct.pack("<4Ii44x", self.type, index, plane, flags, -1)
        return struct.unpack_from("<i", self.dmabuf.ioctl(self.fd, EXPBUF, data), 16)[0]

    def stream(self, on: bool) -> None:
        self.dmabuf.ioctl(self.fd, STREAMON if on else STREAMOFF, struct.pack("<I", self.type))

    def queue(self, index: int, memory: int = MMAP, *planes: int) -> None:
        """PLANES: descriptor and length of each."""
        self.dmabuf("queue", self.fd, self.type, memory, index, *planes)

    def dequeue(self, memory: int = MMAP) -> int:
        return int(self.dmabuf("dequeue", self.fd, self.type, memory)[0])

    def _make(self, size: int, flags: int) -> int:
        if self.fd < 0:
            self.open()
            self.set_format(size)
            self.request(self.count)
        self._made += 1
        return self.export(self._made - 1, flags)

    def own_mappings(self, size: int) -> list[int]:
        offset = self.dmabuf.number("query", self.fd, self.type, MMAP, self._made - 1)
        return [self.dmabuf.map(self.fd, size, offset=offset)]


class Camera(Video):
    name, exp_name = "camera", "baton-camera"
    node = "/dev/video0"
    type = CAPTURE_MPLANE


class Vivid(Video):
    """With the memory of videobuf2-dma-contig."""

    name, exp_name = "vivid", "videobuf2_dma_contig"

    def __init__(self, dmabuf: Dmabuf):
        super().__init__(dmabuf)
        guest = dmabuf.guest
        guest.run("modprobe vivid n_devs=1 node_types=0x1 allocators=1")
        paths = guest.run("grep -l vivid /sys/class/video4linux/*/name").stdout
        self.node = f"/dev/{paths.split('/')[-2]}"


class Dumb(Exporter):
    """Dumb buffers of a DRM device."""

    modes = (O_RDONLY, O_RDWR)
    card: str

    def __init__(self, dmabuf: Dmabuf):
        super().__init__(dmabuf)
        self._handle = 0  # of the buffer made last

    def open(self) -> int:
        self.fd = self.dmabuf.number("open", self.card, O_RDWR | O_CLOEXEC)
        return self.fd

    def create(self, size: int) -> int:
        """A handle: XRGB8888, one page a line."""
        if self.fd < 0:
            self.open()
        data = struct.pack("<6IQ", -(-size // PAGE), PAGE // 4, 32, 0, 0, 0, 0)
        return struct.unpack("<6IQ", self.dmabuf.ioctl(self.fd, CREATE_DUMB, data))[4]

    def export(self, handle: int, flags: int = O_RDWR | O_CLOEXEC) -> int:
        data = struct.pack("<IIi", handle, flags, -1)
        return struct.unpack("<IIi", self.dmabuf.ioctl(self.fd, HANDLE_TO_FD, data))[2]

    def import_(self, fd: int) -> int:
        """A handle for a dma-buf."""
        data = struct.pack("<IIi", 0, 0, fd)
        return struct.unpack("<IIi", self.dmabuf.ioctl(self.fd, FD_TO_HANDLE, data))[0]

    def import_refused(self, fd: int) -> str:
        return self.dmabuf.ioctl_refused(self.fd, FD_TO_HANDLE, struct.pack("<IIi", 0, 0, fd))

    def close_handle(self, handle: int) -> None:
        self.dmabuf.ioctl(self.fd, GEM_CLOSE, struct.pack("<II", handle, 0))

    def map_offset(self, handle: int) -> int:
        data = self.dmabuf.ioctl(self.fd, MAP_DUMB, struct.pack("<IIQ", handle, 0, 0))
        return struct.unpack("<IIQ", data)[2]

    def _make(self, size: int, flags: int) -> int:
        self._handle = self.create(size)
        try:
            return self.export(self._handle, flags & ~O_ACCMODE | (flags & O_RDWR))
        except Refused:
            self.close_handle(self._handle)
            raise

    def own_mappings(self, size: int) -> list[int]:
        return [self.dmabuf.map(self.fd, size, offset=self.map_offset(self._handle))]


class Display(Dumb):
    name, exp_name = "display", "baton-display"
    card = "/dev/dri/card0"


class LowerDisplay(Display):
    """Reaches the lower half of the low bank only: whichever buffer it imports must move."""

    card = "/dev/dri/card1"


class Vkms(Dumb):
    """With the memory of the GEM shmem helpers."""

    name, exp_name = "vkms", "drm"

    def __init__(self, dmabuf: Dmabuf):
        super().__init__(dmabuf)
        guest = dmabuf.guest
        guest.run("modprobe vkms")
        path = guest.run("ls -d /sys/devices/*/vkms/drm/card*").stdout.strip()
        self.card = f"/dev/dri/{path.rsplit('/', 1)[1]}"


BY_NAME = {cls.name: cls for cls in
           (BatonHeap, Camera, Display, SystemHeap, CmaHeap, Udmabuf, Vivid, Vkms)}
