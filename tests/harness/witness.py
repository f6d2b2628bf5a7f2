# SPDX-License-Identifier: GPL-2.0-or-later
"""The CPU witness: QEMU's arguments for it, and what it wrote (docs/proof.md)."""

import mmap
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .devicetree import memory_banks
from .errors import QemuError
from .paths import QEMU, built

PAGE = 4096
PLUGIN = QEMU.parent / "libbaton-witness.so"
LOADED, STORED = range(2)
KERNEL = 1 << 63  # virtual addresses from there on
UNKNOWN_PAGE = 0xFFFF_FFFF_FFFF_FFFF

# qemu-devices/plugin/witness-file.h
_HEADER = struct.Struct("<8sIIQ")
_RECORD = struct.Struct("<QIIQQ QQI4x QQI4x")


class Code(NamedTuple):
    """The instruction that touched a page, its return address, and CONTEXTIDR_EL1."""

    pc: int
    lr: int
    context: int

    @property
    def is_kernel(self) -> bool:
        return self.pc >= KERNEL


class Touch(NamedTuple):
    """What a CPU did to a page in an interval, and the code that was the first to do it."""

    page: int
    interval: int
    cpu: int
    loaded: int
    stored: int
    loader: Code
    storer: Code

    def ways(self) -> Iterator[tuple[int, int, Code]]:
        """LOADED or STORED, how many bytes, and by whom."""
        if self.loaded:
            yield LOADED, self.loaded, self.loader
        if self.stored:
            yield STORED, self.stored, self.storer


class Witness:
    def __init__(self, directory: Path, dtb: Path):
        self.clock = directory / "clock"
        self.out = directory / "cpu.bin"
        self._banks = memory_banks(dtb)

    def qemu_args(self) -> tuple[str, ...]:
        arguments = [
            str(built(PLUGIN, "qemu")),
            f"out={_quoted(self.out)}",
            f"clock={_quoted(self.clock)}",
            *(f"ram={base:#x}+{size:#x}" for base, size in self._banks),
        ]
        return "-plugin", ",".join(arguments)

    def touches(self) -> Iterator[Touch]:
        """After QEMU's end: ordered by interval, page and CPU."""
        data = self.out.read_bytes()
        if len(data) < _HEADER.size:
            raise QemuError("the CPU witness wrote nothing: QEMU did not end by itself")
        magic, version, size, count = _HEADER.unpack_from(data)
        if (magic, version, size) != (b"BATONCPU", 1, _RECORD.size):
            raise QemuError(f"{self.out}: not written by this version of the CPU witness")
        if len(data) != _HEADER.size + count * size:
            raise QemuError(f"{self.out}: cut off")
        for page, interval, cpu, loaded, stored, *code in _RECORD.iter_unpack(data[_HEADER.size :]):
            yield Touch(page, interval, cpu, loaded, stored, Code(*code[:3]), Code(*code[3:]))

    def bytes_by_page(self) -> dict[int, dict[int, tuple[int, int]]]:
        """(loaded, stored) by all CPUs, by interval and page."""
        result = defaultdict(dict)
        for touch in self.touches():
            loaded, stored = result[touch.interval].get(touch.page, (0, 0))
            result[touch.interval][touch.page] = loaded + touch.loaded, stored + touch.stored
        return result


class Clock:
    """The interval counter, for machines whose bus monitor does not drive it."""

    _COUNTER = 8

    def __init__(self, path: Path):
        path.write_bytes(b"BATONCLK".ljust(PAGE, b"\0"))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), PAGE)

    def advance(self) -> int:
        """Begin an interval; its number."""
        number = int.from_bytes(self._map[self._COUNTER : self._COUNTER + 8], "little") + 1
        self._map[self._COUNTER : self._COUNTER + 8] = number.to_bytes(8, "little")
        return number


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")
