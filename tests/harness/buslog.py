# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus monitor's log: docs/hardware/monitor.md.

log = read_log(path)
log.masters                     # ["camera0", "display0"]
[r.cpu for r in log.records if r.kind == WRITE and log.master(r) == "camera0"]
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .errors import QemuError
from .regs import monitor as regs

_RECORD = struct.Struct("<QQIBBBB5Q")
_VERSION = 1
RECORD_SIZE = _RECORD.size
HEAD_SIZE = 17 * RECORD_SIZE    # at most: the log's own record and the masters' names

NAME = 0
READ = regs.BATON_MONITOR_READ
WRITE = regs.BATON_MONITOR_WRITE
FRAME_START = regs.BATON_MONITOR_FRAME_START
FRAME_DONE = regs.BATON_MONITOR_FRAME_DONE
DROP = regs.BATON_MONITOR_DROP
MARK = regs.BATON_MONITOR_MARK
VBLANK = regs.BATON_MONITOR_VBLANK
LATCH = regs.BATON_MONITOR_LATCH
NO_MASTER = regs.BATON_MONITOR_NO_MASTER
CONTROL = regs.BATON_MONITOR_CONTROL


class Record(NamedTuple):
    """A transfer or an event; A to E as the manual says."""

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

    @property
    def is_transfer(self) -> bool:
        return self.kind in (READ, WRITE)

    @property
    def is_pixels(self) -> bool:
        return self.is_transfer and self.plane != CONTROL

    # Of a transfer
    @property
    def bus(self) -> int:
        return self.a

    @property
    def cpu(self) -> int:
        return self.b

    @property
    def bytes(self) -> int:
        return self.c

    # Of an event
    @property
    def insns(self) -> int:
        return self.e


@dataclass(frozen=True)
class BusLog:
    masters: list[str]
    icount: bool
    records: list[Record]

    def master(self, record: Record) -> str:
        return "" if record.master == NO_MASTER else self.masters[record.master]

    def of(self, master: str, *kinds: int) -> list[Record]:
        """Records of a master, of these kinds if any are given."""
        number = self.masters.index(master)
        return [r for r in self.records
                if r.master == number and (not kinds or r.kind in kinds)]


def first_difference(one: Sequence[Record], other: Sequence[Record]) -> str:
    """Where two logs part; empty if they are equal."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return f"record {at} is {a} in one and {b} in the other"
    return "" if len(one) == len(other) else f"{len(one)} records in one, {len(other)} in the other"


def _text(record: Record) -> str:
    return struct.pack("<4Q", *record[7:11]).rstrip(b"\0").decode()


def parse_log(data: bytes, path: Path | str = "the bus monitor's log") -> BusLog:
    if not data or len(data) % _RECORD.size:
        raise QemuError(f"{path}: {len(data)} bytes are no whole records")
    records = [Record(*fields) for fields in _RECORD.iter_unpack(data)]
    head = records[0]
    if head.kind != NAME or head.master != NO_MASTER or head.e != _VERSION:
        raise QemuError(f"{path}: is no log of the bus monitor, version {_VERSION}")
    masters = [_text(r) for r in records[1:] if r.kind == NAME]
    records = records[1 + len(masters):]
    for at, record in enumerate(records):
        if record.seq != records[0].seq + at:
            raise QemuError(f"{path}: record {record.seq} follows {records[at - 1].seq}")
    return BusLog(masters, bool(head.d), records)


def read_log(path: Path) -> BusLog:
    return parse_log(path.read_bytes(), path)


def read_tail(path: Path, count: int) -> list[Record]:
    """The last COUNT records, if there are as many: quick, however long the log is."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - count * _RECORD.size, 0))
        records = [Record(*fields) for fields in _RECORD.iter_unpack(file.read())]
    return [record for record in records if record.kind != NAME]
