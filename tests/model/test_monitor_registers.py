# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus monitor's registers: manual, header and device agree."""

import pytest

from harness.regs import monitor as regs
from model import manual
from model.monitor import COUNT, CTRL, EVENTS, RECORDS, TRANSFERS, Monitor

MANUAL = manual.load("monitor")
ALL = 0xffff_ffff
COMMON = {name: reg for name, reg in MANUAL.items() if not name.startswith("MASTER_")}
MASTER = {name: reg for name, reg in MANUAL.items() if name.startswith("MASTER_")}
WRITABLE = {"MON_CTRL": COUNT | TRANSFERS | EVENTS, "MON_MARK": ALL, "MON_LOG_SELECT": ALL}


@pytest.fixture
def monitor(qtest) -> Monitor:
    return Monitor(qtest(args=["-d", "guest_errors"]))


def test_manual_has_the_registers_of_the_header():
    assert {name: reg.offset for name, reg in MANUAL.items()} == regs.registers


def test_manual_has_the_access_types_of_the_header():
    assert {name: reg.access for name, reg in MANUAL.items()} == \
        {name: reg.access for name, reg in regs.registers.items()}


def test_manual_has_the_fields_of_the_header():
    assert {name: reg.fields for name, reg in MANUAL.items()} == \
        {name: {field: (bits.shift, bits.length) for field, bits in reg.fields.items()}
         for name, reg in regs.registers.items()}


def offsets(monitor: Monitor) -> dict[str, tuple[int, int]]:
    """Offset and reset value of all registers that have one."""
    found = {name: (reg.offset, reg.reset) for name, reg in COMMON.items()}
    for number in range(len(monitor.names)):
        found |= {f"{number} {name}": (monitor.master(number) + reg.offset, reg.reset)
                  for name, reg in MASTER.items()}
    return {name: (at, reset) for name, (at, reset) in found.items() if reset is not None}


def check_reset_values(monitor: Monitor) -> None:
    for name, (at, reset) in offsets(monitor).items():
        assert monitor.read(at) == reset, name


def test_reset_values(monitor):
    check_reset_values(monitor)


def test_capabilities(monitor):
    caps = monitor.read(regs.MON_CAPS)
    assert caps == regs.MON_CAPS.MASTERS.put(2) | regs.MON_CAPS.RECORDS.put(RECORDS)
    assert monitor.read64(regs.MON_INSNS_LO) == 0


def test_masters_in_the_order_of_the_tree(qtest):
    assert Monitor(qtest()).names == ["camera0", "display0"]
    assert Monitor(qtest(dtb="baton-dual")).names == ["camera0", "camera1", "display0", "display1"]


@pytest.mark.parametrize("whole_machine", [False, True], ids=["CTRL.RESET", "system_reset"])
def test_reset(monitor, whole_machine):
    monitor.enable(COUNT, TRANSFERS, EVENTS)
    for value in range(3):
        monitor.mark(value + 1)
    monitor.write(regs.MON_LOG_SELECT, 2)
    monitor.write(regs.MON_CTRL, 1 << 5)
    assert monitor.log_count == 3
    if whole_machine:
        monitor.m.qmp.cmd("system_reset")
        monitor.m.qmp.wait_event("RESET")
    else:
        monitor.write(regs.MON_CTRL, CTRL.RESET | EVENTS)
    check_reset_values(monitor)
    assert monitor.records == []
    assert monitor.record(2).kind == 0
    # Whoever compares it with the log must not see an interval twice.
    assert monitor.read(regs.MON_INTERVAL) == 3


@pytest.mark.parametrize("name", WRITABLE)
def test_writable_bits_read_back(monitor, name):
    for bit in range(32):
        if WRITABLE[name] >> bit & 1:
            monitor.write(MANUAL[name].offset, 1 << bit)
            assert monitor.read(MANUAL[name].offset) == 1 << bit
    assert monitor.read(regs.MON_REFUSED) == 0


def test_reserved_bits_are_refused(monitor):
    monitor.enable(EVENTS)
    reserved = [bit for bit in range(31) if not (COUNT | TRANSFERS | EVENTS) >> bit & 1]
    for count, bit in enumerate(reserved):
        monitor.write(regs.MON_CTRL, 1 << bit | COUNT)
        assert monitor.read(regs.MON_CTRL) == EVENTS
        assert monitor.read(regs.MON_REFUSED) == count + 1
    assert "value of register 0xc refused" in monitor.m.log


def test_read_only(monitor):
    for name, (at, reset) in offsets(monitor).items():
        if name not in WRITABLE:
            monitor.write(at, ALL)
            assert monitor.read(at) == reset, name
    assert "not writable" in monitor.m.log
    assert monitor.read(regs.MON_REFUSED) == 0


def test_reserved_offsets(monitor):
    known = {int(reg.offset) for reg in COMMON.values()}
    known |= {monitor.master(n) + reg.offset for n in range(2) for reg in MASTER.values()}
    for at in range(0, regs.BATON_MONITOR_MMIO_SIZE, 4):
        if at not in known:
            monitor.write(at, ALL)
            assert monitor.read(at) == 0, hex(at)
    assert "read of 0x2c, which is not readable" in monitor.m.log
    check_reset_values(monitor)


def test_time_is_that_of_the_guest(monitor):
    monitor.m.clock_step(5_000_000_000)
    now = monitor.m.clock
    assert monitor.read(regs.MON_TIME_LO) == now & ALL
    monitor.m.clock_step(5_000_000_000)
    assert monitor.read(regs.MON_TIME_HI) == now >> 32
    assert monitor.read64(regs.MON_TIME_LO) == monitor.m.clock
