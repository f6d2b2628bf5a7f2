# SPDX-License-Identifier: GPL-2.0-or-later
"""A small driver of the bus monitor over qtest, for the tests of the model."""

import struct
from dataclasses import dataclass

from harness.buslog import Record
from harness.qtest import QtestMachine
from harness.regs import monitor as regs

BASE = 0x3200_0000
CTRL = regs.MON_CTRL
COUNT, TRANSFERS, EVENTS = CTRL.COUNT, CTRL.TRANSFERS, CTRL.EVENTS
RECORDS = 1024
TYPE = regs.REC_TYPE


@dataclass(frozen=True)
class Counters:
    read_bytes: int = 0
    write_bytes: int = 0
    reads: int = 0
    writes: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Vblank:
    time: int
    insns: int
    frame: int


class Monitor:
    def __init__(self, machine: QtestMachine):
        self.m = machine

    def read(self, reg: int) -> int:
        return self.m.readl(BASE + reg)

    def write(self, reg: int, value: int) -> None:
        self.m.writel(BASE + reg, value)

    def read64(self, lo: int) -> int:
        return self.read(lo) | self.read(lo + 4) << 32

    def enable(self, *bits: int) -> None:
        self.write(regs.MON_CTRL, sum(bits))

    def reset(self) -> None:
        self.write(regs.MON_CTRL, CTRL.RESET)

    def mark(self, value: int) -> None:
        self.write(regs.MON_MARK, value)

    def master(self, number: int) -> int:
        return regs.BATON_MONITOR_MASTER_BASE + number * regs.BATON_MONITOR_MASTER_STRIDE

    def name(self, number: int) -> str:
        words = [self.read(self.master(number) + reg)
                 for reg in (regs.MASTER_NAME0, regs.MASTER_NAME1, regs.MASTER_NAME2,
                             regs.MASTER_NAME3)]
        return struct.pack("<4I", *words).rstrip(b"\0").decode()

    @property
    def names(self) -> list[str]:
        count = regs.MON_CAPS.MASTERS.get(self.read(regs.MON_CAPS))
        return [self.name(number) for number in range(count)]

    def counters(self, number: int) -> Counters:
        at = self.master(number)
        return Counters(*(self.read64(at + reg) for reg in (
            regs.MASTER_READ_BYTES_LO, regs.MASTER_WRITE_BYTES_LO, regs.MASTER_READS_LO,
            regs.MASTER_WRITES_LO, regs.MASTER_ERRORS_LO)))

    def vblank(self, number: int) -> Vblank:
        at = self.master(number)
        return Vblank(self.read64(at + regs.MASTER_VBLANK_TIME_LO),
                      self.read64(at + regs.MASTER_VBLANK_INSNS_LO),
                      self.read(at + regs.MASTER_VBLANK_FRAME))

    @property
    def log_count(self) -> int:
        return self.read64(regs.MON_LOG_COUNT_LO)

    def record(self, seq: int) -> Record:
        self.write(regs.MON_LOG_SELECT, seq & 0xffff_ffff)
        kind = self.read(regs.REC_TYPE)
        return Record(self.read64(regs.REC_SEQ_LO), self.read64(regs.REC_TIME_LO),
                      self.read(regs.REC_INTERVAL), TYPE.KIND.get(kind), TYPE.MASTER.get(kind),
                      TYPE.PLANE.get(kind), TYPE.STATUS.get(kind),
                      *(self.read64(reg) for reg in (regs.REC_A_LO, regs.REC_B_LO, regs.REC_C_LO,
                                                     regs.REC_D_LO, regs.REC_E_LO)))

    @property
    def records(self) -> list[Record]:
        """What is in the ring, oldest first."""
        count = self.log_count
        return [self.record(seq) for seq in range(max(0, count - RECORDS), count)]

    def qom(self, name: str):
        return self.m.qom_get("/machine/monitor0", name)
