# SPDX-License-Identifier: GPL-2.0-or-later
"""A small camera driver over qtest, for the tests of the model."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from harness.qtest import QtestMachine
from harness.regs import camera as regs

from .engine import Engine

BASE = 0x3000_0000
LOW_BANK = 0x8000_0000
LOW_END = 0xc000_0000
HIGH_BANK = 0x8_8000_0000
HIGH_END = 0x8_c000_0000

RING = LOW_BANK + 0x10_0000
LISTS = LOW_BANK + 0x20_0000
BUFFERS = LOW_BANK + 0x400_0000
BUFFER_STEP = 0x400_0000

XRGB8888 = regs.BATON_CAMERA_FORMAT_XRGB8888
RGB565 = regs.BATON_CAMERA_FORMAT_RGB565
NV12 = regs.BATON_CAMERA_FORMAT_NV12
BYTES_PER_PIXEL = {XRGB8888: 4, RGB565: 2, NV12: 1}

SLICE = regs.BATON_CAMERA_SLICE_LINES
SEG_ALIGN = regs.BATON_CAMERA_SEG_ALIGN
Segments = list[tuple[int, int]]


def page_up(size: int) -> int:
    return -(-size // SEG_ALIGN) * SEG_ALIGN


@dataclass(frozen=True)
class Status:
    """What the engine wrote back into a descriptor."""

    status: int
    sequence: int
    timestamp: int
    hash: int
    err_addr: int


class Camera(Engine):
    """One camera: set-up, ring and buffers as a driver keeps them."""

    IRQ_STATUS = regs.CAM_IRQ_STATUS

    def __init__(self, machine: QtestMachine, base: int = BASE):
        super().__init__(machine, base)
        self.entries = 0
        self.tail = 0
        self.format = XRGB8888
        self.width = self.height = 0
        self.pitches = (0, 0)
        self._list_end = LISTS

    def setup(self, width: int = 64, height: int = 64, fmt: int = XRGB8888, padding: int = 0,
              interval: int = 10_000_000, entries: int = 8, ring: int = RING) -> None:
        """Program everything but CTRL; the pitch is PADDING more than a line needs."""
        line = width * BYTES_PER_PIXEL[fmt]
        pitch = -(-line // 16) * 16 + padding
        self.format, self.width, self.height = fmt, width, height
        self.pitches = (pitch, pitch if fmt == NV12 else 0)
        self.entries, self.tail = entries, 0
        self.write(regs.CAM_FORMAT, fmt)
        self.write(regs.CAM_SIZE, width | height << 16)
        self.write(regs.CAM_PITCH, self.pitches[0] | self.pitches[1] << 16)
        self.write(regs.CAM_INTERVAL, interval)
        self.write(regs.CAM_RING_LO, ring & 0xffff_ffff)
        self.write(regs.CAM_RING_HI, ring >> 32)
        self.write(regs.CAM_RING_SIZE, entries)
        self.ring = ring

    def enable(self, *bits: int) -> None:
        self.write(regs.CAM_CTRL, regs.CAM_CTRL.ENABLE | sum(bits))

    def disable(self) -> None:
        self.write(regs.CAM_CTRL, 0)

    def plane_size(self, plane: int) -> int:
        lines = self.height if plane == 0 else self.height // 2
        return self.pitches[plane] * lines

    def buffer(self, number: int) -> list[Segments]:
        """The planes of a buffer, each in one piece."""
        addr = BUFFERS + number * BUFFER_STEP
        planes = [[(addr, page_up(self.plane_size(0)))]]
        if self.format == NV12:
            planes.append([(addr + BUFFER_STEP // 2, page_up(self.plane_size(1)))])
        return planes

    def put_list(self, segments: Iterable[tuple[int, int]], at: int | None = None) -> int:
        data = b"".join(struct.pack("<QII", addr, length, 0) for addr, length in segments)
        if at is None:
            at = self._list_end
            self._list_end += max(16, len(data))
        self.m.write(at, data)
        return at

    def put_desc(self, index: int, lists: tuple[int, int], counts: tuple[int, int],
                 reserved: tuple[int, int] = (0, 0)) -> None:
        words = struct.pack("<IIQQHHI32x", 0xc00c1e, reserved[0], *lists, *counts, reserved[1])
        self.m.write(self.desc(index), words)

    def desc(self, index: int) -> int:
        return self.ring + index * regs.BATON_CAMERA_DESC_SIZE

    def queue(self, planes: list[Segments], doorbell: bool = True) -> int:
        """Put a buffer into the ring; its index."""
        index = self.tail
        lists = [self.put_list(segments) for segments in planes]
        counts = [len(segments) for segments in planes]
        self.put_desc(index, (lists[0], lists[1] if len(lists) > 1 else 0),
                      (counts[0], counts[1] if len(counts) > 1 else 0))
        self.tail = (index + 1) % self.entries
        if doorbell:
            self.doorbell()
        return index

    def doorbell(self) -> None:
        self.write(regs.CAM_TAIL, self.tail)

    def status(self, index: int) -> Status:
        words = self.m.read(self.desc(index) + regs.BATON_CAMERA_DESC_STATUS, 32)
        return Status(*struct.unpack("<IIQQQ", words))

    def picture(self, planes: list[Segments]) -> list[bytes]:
        """The planes of a buffer as they lie in memory, padding included."""
        data = []
        for number, segments in enumerate(planes):
            plane = b"".join(self.m.read(addr, length) for addr, length in segments)
            data.append(plane[:self.plane_size(number)])
        return data

    def lines(self, planes: list[Segments]) -> list[list[bytes]]:
        """The active bytes of each line of each plane."""
        line = self.width * BYTES_PER_PIXEL[self.format]
        return [[plane[at:at + line] for at in range(0, len(plane), pitch)]
                for plane, pitch in zip(self.picture(planes), self.pitches, strict=False)]

    @property
    def frame_bytes(self) -> int:
        size = self.width * self.height * BYTES_PER_PIXEL[self.format]
        return size * 3 // 2 if self.format == NV12 else size

    @property
    def error(self) -> tuple[int, int]:
        """Code and address of the first error; clears it."""
        code = regs.CAM_ERR_STATUS.CODE.get(self.read(regs.CAM_ERR_STATUS))
        addr = self.read64(regs.CAM_ERR_ADDR_LO)
        self.write(regs.CAM_ERR_STATUS, 0)
        return code, addr
