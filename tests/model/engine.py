# SPDX-License-Identifier: GPL-2.0-or-later
"""An engine's registers over qtest."""

import pytest

from harness.errors import QemuError
from harness.qtest import QtestMachine, Snapshot


class Engine:
    """IRQ_STATUS: the register of the pending interrupts, a one clears."""

    IRQ_STATUS: int

    def __init__(self, machine: QtestMachine, base: int):
        self.m = machine
        self.base = base

    def read(self, reg: int) -> int:
        return self.m.readl(self.base + reg)

    def write(self, reg: int, value: int) -> None:
        self.m.writel(self.base + reg, value)

    def read64(self, lo: int) -> int:
        return self.read(lo) | self.read(lo + 4) << 32

    @property
    def irqs(self) -> int:
        return self.read(self.IRQ_STATUS)

    def ack(self) -> int:
        status = self.irqs
        self.write(self.IRQ_STATUS, status)
        return status


def refuse_snapshot(snapshot: Snapshot, section: str) -> None:
    """QEMU must not load a corrupt snapshot; it names the section, "DEVICE/WHAT"."""
    log = snapshot.path.with_suffix(".log")
    with pytest.raises(QemuError), QtestMachine(incoming=snapshot, log=log):
        pass
    assert f"Input validation failed: {section}" in log.read_text()
