# SPDX-License-Identifier: GPL-2.0-or-later
"""A small display driver over qtest, for the tests of the model.

Modes have lines of 1 us, so that instants can be given in lines.
"""

from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from harness import pixels
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .engine import Engine

BASE = 0x3100_0000
LOW_BANK = 0x8000_0000
WINDOW = 0x4000_0000
BUFFERS = 0x400_0000            # bus addresses
BUFFER_STEP = 0x10_0000

LINE_NS = 1000
SLICE = regs.BATON_DISPLAY_SLICE_LINES
ALIGN = regs.BATON_DISPLAY_ALIGN
PRIMARY, OVERLAY, CURSOR = range(3)

FORMATS = {
    "XR24": regs.BATON_DISPLAY_FORMAT_XRGB8888,
    "RG16": regs.BATON_DISPLAY_FORMAT_RGB565,
    "NV12": regs.BATON_DISPLAY_FORMAT_NV12,
    "AR24": regs.BATON_DISPLAY_FORMAT_ARGB8888,
}
PLANE_FORMATS = {
    PRIMARY: ("XR24", "RG16", "NV12"),
    OVERLAY: ("XR24", "RG16", "NV12", "AR24"),
    CURSOR: ("AR24",),
}
ENCODINGS = list(pixels.ENCODINGS)
IRQ = regs.DISP_IRQ_STATUS
CHECKS = (regs.DISP_CTRL.HASH, regs.DISP_CTRL.CRC)


def align_up(value: int, step: int = ALIGN) -> int:
    return -(-value // step) * step


@dataclass(frozen=True)
class Mode:
    width: int = 64
    height: int = 64
    blanking: int = 40

    @property
    def total(self) -> int:
        return self.height + self.blanking

    @property
    def frame_ns(self) -> int:
        return self.total * LINE_NS

    @property
    def registers(self) -> dict[int, int]:
        htotal = self.width + 36
        return {
            regs.DISP_PIXEL_CLOCK: htotal * 1_000_000 // LINE_NS,
            regs.DISP_HACTIVE: self.width | htotal << 16,
            regs.DISP_HSYNC: self.width + 8 | self.width + 16 << 16,
            regs.DISP_VACTIVE: self.height | self.total << 16,
            regs.DISP_VSYNC: self.height + 3 | self.height + 7 << 16,
        }


@dataclass
class Buffer:
    """Pixels in memory at a bus address, lines padded to the pitch."""

    fourcc: str
    width: int
    height: int
    data: bytes
    addr: int = BUFFERS
    padding: int = 0
    encoding: int = 0
    full: bool = False
    pitch: int = field(init=False)

    def __post_init__(self) -> None:
        self.line = pixels.frame_bytes(self.fourcc, self.width, 2) // 2
        if self.fourcc == "NV12":
            self.line = self.width
        self.pitch = align_up(self.line) + self.padding

    @classmethod
    def noise(cls, fourcc: str, width: int, height: int, seed: int, **kwargs) -> "Buffer":
        addr = BUFFERS + seed * BUFFER_STEP
        return cls(fourcc, width, height, pixels.noise(fourcc, width, height, seed),
                   **{"addr": addr, **kwargs})

    @property
    def addr1(self) -> int:
        return align_up(self.addr + self.height * self.pitch) if self.fourcc == "NV12" else 0

    @property
    def hash(self) -> int:
        return pixels.frame_hash(self.fourcc, self.width, self.height, self.data)

    @property
    def rgb(self) -> list[int]:
        return pixels.to_rgb(self.fourcc, self.width, self.height, self.data,
                             ENCODINGS[self.encoding], self.full)

    @property
    def size(self) -> int:
        return len(self.data)

    def store(self, machine: QtestMachine) -> None:
        lines = self.size // self.line
        padded = b"".join(self.data[y * self.line:(y + 1) * self.line].ljust(self.pitch, b"\x5a")
                          for y in range(lines))
        machine.write(LOW_BANK + self.addr, padded[:self.height * self.pitch])
        if self.fourcc == "NV12":
            machine.write(LOW_BANK + self.addr1, padded[self.height * self.pitch:])


@dataclass(frozen=True)
class Record:
    """What the display says about a completed picture."""

    frame: int
    time_ns: int
    crc: int
    addrs: list[int]        # of each plane
    hashes: list[int]


class Display(Engine):
    IRQ_STATUS = regs.DISP_IRQ_STATUS

    def __init__(self, machine: QtestMachine, base: int = BASE):
        super().__init__(machine, base)
        self.mode = Mode()

    def plane(self, number: int) -> int:
        return regs.BATON_DISPLAY_PLANE_BASE + number * regs.BATON_DISPLAY_PLANE_STRIDE

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode
        for reg, value in mode.registers.items():
            self.write(reg, value)

    def enable(self, *bits: int) -> None:
        self.write(regs.DISP_CTRL, regs.DISP_CTRL.ENABLE | sum(bits))

    def disable(self) -> None:
        self.write(regs.DISP_CTRL, 0)

    def set_plane(self, number: int, buffer: Buffer | None, pos: tuple[int, int] = (0, 0),
                  size: tuple[int, int] | None = None, src: tuple[int, int] = (0, 0)) -> None:
        """Write a plane's registers; None switches it off."""
        at = self.plane(number)
        if buffer is None:
            self.write(at + regs.PLANE_CTRL, 0)
            return
        width, height = size or (buffer.width, buffer.height)
        pitch1 = buffer.pitch if buffer.fourcc == "NV12" else 0
        for reg, value in {
            regs.PLANE_CTRL: regs.PLANE_CTRL.ENABLE
            | regs.PLANE_CTRL.FORMAT.put(FORMATS[buffer.fourcc])
            | regs.PLANE_CTRL.ENCODING.put(buffer.encoding)
            | regs.PLANE_CTRL.FULL_RANGE.put(buffer.full),
            regs.PLANE_ADDR0: buffer.addr,
            regs.PLANE_ADDR1: buffer.addr1,
            regs.PLANE_PITCH: buffer.pitch | pitch1 << 16,
            regs.PLANE_SIZE: width | height << 16,
            regs.PLANE_POS: pos[0] | pos[1] << 16,
            regs.PLANE_SRC: src[0] | src[1] << 16,
        }.items():
            self.write(at + reg, value)

    def show(self, number: int, buffer: Buffer, **kwargs) -> None:
        """Store a buffer and write the plane's registers."""
        buffer.store(self.m)
        self.set_plane(number, buffer, **kwargs)

    def commit(self) -> None:
        self.write(regs.DISP_COMMIT, 1)

    def lines(self, count: float) -> None:
        """Let COUNT line times pass."""
        self.m.clock_step(round(count * LINE_NS))

    def frame(self) -> None:
        """Run until the next picture is complete; its record is then the only one."""
        self.drop_records()
        self.write(regs.DISP_IRQ_STATUS, IRQ.FRAME_DONE)
        self.run_until(IRQ.FRAME_DONE)

    @property
    def record_count(self) -> int:
        return regs.DISP_DONE_STATUS.COUNT.get(self.read(regs.DISP_DONE_STATUS))

    def drop_records(self) -> None:
        for _ in range(self.record_count):
            self.write(regs.DISP_DONE_POP, 1)

    @property
    def record(self) -> Record:
        """The oldest one."""
        return Record(self.read(regs.DISP_DONE_FRAME), self.read64(regs.DISP_DONE_TIME_LO),
                      self.crc,
                      [self.read(self.plane(n) + regs.PLANE_DONE_ADDR0) for n in range(3)],
                      [self.hash(n) for n in range(3)])

    def take_records(self) -> list[Record]:
        """All records, oldest first, which leaves none."""
        records = []
        for _ in range(self.record_count):
            records.append(self.record)
            self.write(regs.DISP_DONE_POP, 1)
        return records

    def run_until(self, irq: int, steps: int = 10_000) -> None:
        for _ in range(steps):
            if self.irqs & irq:
                return
            self.m.clock_step()
        raise AssertionError(f"interrupt {irq:#x} did not come")

    @property
    def error(self) -> tuple[int, int, int]:
        """Code, plane and address of the first error; clears it."""
        status = self.read(regs.DISP_ERR_STATUS)
        addr = self.read(regs.DISP_ERR_ADDR)
        self.write(regs.DISP_ERR_STATUS, 0)
        return (regs.DISP_ERR_STATUS.CODE.get(status), regs.DISP_ERR_STATUS.PLANE.get(status),
                addr)

    def hash(self, number: int) -> int:
        return self.read64(self.plane(number) + regs.PLANE_DONE_HASH_LO)

    @property
    def crc(self) -> int:
        return self.read(regs.DISP_DONE_CRC)

    @property
    def bytes(self) -> int:
        return self.read64(regs.DISP_BYTES_LO)

    def screen(self, device: str = "display0", suffix: str = "png") -> list[int]:
        """What the monitor shows, as XRGB integers."""
        path: Path = self.m.dir / f"screen.{suffix}"
        self.m.screendump(path, device)
        with Image.open(path) as image:
            assert image.size == (self.mode.width, self.mode.height)
            flat = image.convert("RGB").tobytes()
        return [int.from_bytes(flat[i:i + 3], "big") for i in range(0, len(flat), 3)]

    def is_black(self, device: str = "display0") -> bool:
        path = self.m.dir / "black.png"
        self.m.screendump(path, device)
        with Image.open(path) as image:
            return image.convert("RGB").getbbox() is None


def compose(mode: Mode, layers: list[tuple[Buffer, tuple[int, int]]],
            background: int = 0) -> list[int]:
    """The picture of whole buffers put on each other at their positions."""
    screen = [background] * (mode.width * mode.height)
    for buffer, (x, y) in layers:
        pixels.paste(screen, mode.width, buffer.rgb, (x, y, buffer.width, buffer.height),
                     blend=buffer.fourcc == "AR24")
    return screen
