# SPDX-License-Identifier: GPL-2.0-or-later
"""The shared register headers as Python objects.

from harness.regs import regs
regs.CAM_CTRL                       # 0x00c, an int: the offset
regs.CAM_CTRL.ENABLE                # 0x1, an int: the mask
regs.CAM_SIZE.HEIGHT.put(1080)      # 1080 << 16
regs.CAM_SIZE.HEIGHT.get(value)
regs.CAM_CTRL.access                # ro, rw, w1c, wo or "any write", from the comment
regs.BATON_CAMERA_FORMAT_NV12       # 2
"""

import re

from .paths import REGS

_REG = re.compile(r"^REG32\((\w+),\s*(\w+)\)(?:\s*/\*\s*(ro|rw|w1c|wo|any write)?)?")
_FIELD = re.compile(r"^\s+FIELD\((\w+),\s*(\w+),\s*(\d+),\s*(\d+)\)")
_DEFINE = re.compile(r"^#define\s+(\w+)\s+(\w+)")


class Field(int):
    """A field's mask; SHIFT and LENGTH in bits."""

    shift: int
    length: int

    def __new__(cls, shift: int, length: int):
        self = super().__new__(cls, ((1 << length) - 1) << shift)
        self.shift = shift
        self.length = length
        return self

    def get(self, word: int) -> int:
        return (word & self) >> self.shift

    def put(self, value: int) -> int:
        if value >> self.length:
            raise ValueError(f"{value:#x} does not fit into {self.length} bits")
        return value << self.shift


class Register(int):
    """A register's offset; its fields are attributes."""

    name: str
    access: str
    fields: dict[str, Field]

    def __new__(cls, name: str, offset: int, access: str):
        self = super().__new__(cls, offset)
        self.name = name
        self.access = access
        self.fields = {}
        return self

    def __getattr__(self, name: str) -> Field:
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(f"no field {name} in {self.name}") from None


class Registers:
    """Registers and constants of one or more headers."""

    def __init__(self, *headers: str):
        self.registers: dict[str, Register] = {}
        self.constants: dict[str, int] = {}
        for header in headers:
            for line in (REGS / header).read_text().splitlines():
                self._parse(line)

    def _parse(self, line: str) -> None:
        if m := _REG.match(line):
            self.registers[m[1]] = Register(m[1], int(m[2], 0), m[3] or "")
        elif m := _FIELD.match(line):
            self.registers[m[1]].fields[m[2]] = Field(int(m[3]), int(m[4]))
        elif m := _DEFINE.match(line):
            self.constants[m[1]] = int(m[2], 0)

    def __getattr__(self, name: str):
        for table in ("registers", "constants"):
            if name in self.__dict__[table]:
                return self.__dict__[table][name]
        raise AttributeError(f"no register or constant {name}")


camera = Registers("baton-camera-regs.h")
display = Registers("baton-display-regs.h")
monitor = Registers("baton-monitor-regs.h")
regs = Registers("baton-camera-regs.h", "baton-display-regs.h")
