# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus monitor's log: all transfers and events of a run (docs/hardware/monitor.md)."""

import struct
from pathlib import Path
from typing import NamedTuple

from harness.errors import QemuError

NAME, READ, WRITE, FRAME_START, FRAME_DONE, DROP, MARK, VBLANK = range(8)
LATCH = 9
NO_MASTER = 0xFF
CONTROL = 0xFF  # the plane of descriptors and segment lists

# qemu-devices/baton-monitor-log.h
_RECORD = struct.Struct("<QQIBBBB5Q")
_NAME = struct.Struct("<24x24s16x")


class Record(NamedTuple):
    """A to E depend on the kind, as in the monitor's manual."""

    seq: int
    time: int
    interval: int
    kind: int
    master: int
    plane: int
    status: int
    a: int
    b: int
    c: int
    d: int
    e: int


class BusLog(NamedTuple):
    masters: list[str]
    records: list[Record]

    def name(self, record: Record) -> str:
        return self.masters[record.master]


def parse(data: bytes) -> BusLog:
    if not data or len(data) % _RECORD.size:
        raise QemuError("the bus monitor's log is empty or cut off")
    names, records = [], []
    for at in range(0, len(data), _RECORD.size):
        record = Record(*_RECORD.unpack_from(data, at))
        if record.kind == NAME:
            names.append(_NAME.unpack_from(data, at)[0].rstrip(b"\0").decode())
        else:
            records.append(record)
    if names[:1] != ["baton-monitor"]:
        raise QemuError("not a log of the bus monitor")
    return BusLog(names[1:], records)


def read(path: Path) -> BusLog:
    return parse(path.read_bytes())
