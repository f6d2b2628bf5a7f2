# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers of the display: manual, header and device say the same."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harness.qtest import QtestMachine
from harness.regs import display as regs

from . import manual
from .display import IRQ, Buffer, Display, Mode

MANUAL = manual.load("display")
ALL = 0xffff_ffff


@dataclass(frozen=True)
class Instance:
    """A register of the device; those of the planes are there several times."""

    name: str
    offset: int

    @property
    def access(self) -> str:
        return MANUAL[self.name].access.split(" (")[0]

    @property
    def reset(self) -> int | None:
        return MANUAL[self.name].reset

    @property
    def defined(self) -> int:
        """The bits that are not reserved."""
        name = "DISP_IRQ_STATUS" if self.name == "DISP_IRQ_ENABLE" else self.name
        fields = MANUAL[name].fields.values()
        return sum((1 << length) - 1 << shift for shift, length in fields) if fields else ALL


def instances() -> Iterator[Instance]:
    for name, reg in MANUAL.items():
        if not name.startswith("PLANE_"):
            yield Instance(name, reg.offset)
            continue
        for plane in range(regs.BATON_DISPLAY_PLANES):
            yield Instance(name, reg.offset + regs.BATON_DISPLAY_PLANE_BASE
                           + plane * regs.BATON_DISPLAY_PLANE_STRIDE)


INSTANCES = list(instances())
CONSTANT = [reg for reg in INSTANCES if reg.reset is not None]


def with_access(*kinds: str):
    return pytest.mark.parametrize("reg", [reg for reg in CONSTANT if reg.access in kinds],
                                   ids=lambda reg: f"{reg.name}-{reg.offset:#05x}")


@pytest.fixture
def display(display):
    display.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    return display


def test_manual_has_the_registers_of_the_header():
    header = {name: (int(reg), reg.access) for name, reg in regs.registers.items()}
    assert {name: (reg.offset, reg.access.split(" (")[0])
            for name, reg in MANUAL.items()} == header


def test_manual_has_the_fields_of_the_header():
    assert {name: reg.fields for name, reg in MANUAL.items()} == \
        {name: {f: (bits.shift, bits.length) for f, bits in reg.fields.items()}
         for name, reg in regs.registers.items()}


@with_access("ro", "rw", "wo", "w1c", "any write")
def test_reset_value(display, reg):
    assert display.read(reg.offset) == reg.reset


@with_access("ro")
def test_read_only(display, reg):
    display.write(reg.offset, ~reg.reset & ALL)
    assert display.read(reg.offset) == reg.reset
    assert display.irqs == 0


@with_access("rw")
def test_read_write(display, reg):
    writable = reg.defined
    if reg.name == "DISP_CTRL":
        writable &= ~(regs.DISP_CTRL.RESET | regs.DISP_CTRL.ENABLE)
    for value in (writable, writable & 0x5555_5555, writable & 0xaaaa_aaaa):
        display.write(reg.offset, value)
        assert display.read(reg.offset) == value
    assert display.irqs == 0


@with_access("rw", "wo")
def test_reserved_bits(display, reg):
    before = display.read(reg.offset)
    for bit in range(32):
        if reg.defined >> bit & 1:
            continue
        display.write(reg.offset, 1 << bit | ~before & reg.defined)
        assert display.read(reg.offset) == before
        assert display.ack() == IRQ.CONFIG_ERROR
        assert display.error[0] == regs.BATON_DISPLAY_ERR_REGISTER


def test_refused_write_is_reported(display):
    display.write(regs.DISP_IRQ_ENABLE, 1 << 20)
    assert display.read(regs.DISP_ERRORS) == 1
    assert display.error == (regs.BATON_DISPLAY_ERR_REGISTER, 0, regs.DISP_IRQ_ENABLE)
    offset = display.plane(2) + regs.PLANE_CTRL
    display.write(offset, 1 << 31)
    display.write(regs.DISP_IRQ_ENABLE, 1 << 20)
    assert display.error == (regs.BATON_DISPLAY_ERR_REGISTER, 2, offset), "not the first error"
    assert display.error == (0, 0, 0)
    assert display.read(regs.DISP_ERRORS) == 3


def test_write_only_reads_zero(display):
    display.set_mode(Mode())
    display.enable()
    display.commit()
    assert display.read(regs.DISP_STATUS) & regs.DISP_STATUS.COMMIT
    assert display.read(regs.DISP_COMMIT) == 0


def test_reserved_offsets(display):
    known = {reg.offset for reg in INSTANCES}
    edid = range(regs.DISP_EDID, regs.DISP_EDID + regs.BATON_DISPLAY_EDID_SIZE)
    for offset in range(0, regs.BATON_DISPLAY_MMIO_SIZE, 4):
        if offset not in known and offset not in edid:
            display.write(offset, ALL)
            assert display.read(offset) == 0
    assert display.irqs == 0


def test_narrow_and_wide_access(display):
    display.write(regs.DISP_BACKGROUND, 0x123456)
    at = display.base + regs.DISP_BACKGROUND
    display.m.writeb(at, 0xff)
    display.m.writew(at, 0xffff)
    display.m.writeq(at, 0xffff_ffff_ffff_ffff)
    assert display.read(regs.DISP_BACKGROUND) == 0x123456


def test_irq_status_and_line():
    with QtestMachine() as m:
        d = Display(m)
        m.intercept_out("/machine/display0")
        d.set_mode(Mode())
        d.write(regs.DISP_IRQ_ENABLE, IRQ.FRAME_DONE)
        d.enable()
        assert d.irqs == IRQ.VBLANK
        assert not m.irq()
        d.lines(d.mode.total)
        assert m.irq()
        d.write(regs.DISP_IRQ_STATUS, IRQ.VBLANK)
        assert m.irq(), "the wrong bit cleared the line"
        d.write(regs.DISP_IRQ_STATUS, 0xffff_ffff)
        assert not m.irq()
        assert d.irqs == 0
        d.lines(d.mode.total)
        assert m.irq()
        d.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
        assert not m.irq()


def test_dma_rate_zero_is_refused(display):
    display.write(regs.DISP_DMA_RATE, 0)
    assert display.read(regs.DISP_DMA_RATE) == regs.BATON_DISPLAY_DMA_RATE_RESET
    assert display.error == (regs.BATON_DISPLAY_ERR_REGISTER, 0, regs.DISP_DMA_RATE)
    assert display.ack() == IRQ.CONFIG_ERROR


LEGAL = Mode().registers
TIMINGS = {
    "clock too low": {regs.DISP_PIXEL_CLOCK: 999},
    "clock too high": {regs.DISP_PIXEL_CLOCK: 1_200_001},
    "too narrow": {regs.DISP_HACTIVE: 62 | 100 << 16},
    "odd width": {regs.DISP_HACTIVE: 65 | 100 << 16},
    "too wide": {regs.DISP_HACTIVE: 3842 | 4000 << 16, regs.DISP_HSYNC: 3850 | 3860 << 16},
    "sync within the line": {regs.DISP_HSYNC: 63 | 70 << 16},
    "empty sync": {regs.DISP_HSYNC: 70 | 70 << 16},
    "sync behind the line": {regs.DISP_HSYNC: 70 | 101 << 16},
    "too low": {regs.DISP_VACTIVE: 62 | 100 << 16},
    "odd height": {regs.DISP_VACTIVE: 65 | 100 << 16},
    "too high": {regs.DISP_VACTIVE: 2162 | 2200 << 16, regs.DISP_VSYNC: 2165 | 2170 << 16},
    "sync within the picture": {regs.DISP_VSYNC: 63 | 70 << 16},
    "no blanking": {regs.DISP_VACTIVE: 64 | 64 << 16, regs.DISP_VSYNC: 64 | 65 << 16},
    "all zero": dict.fromkeys(LEGAL, 0),
}


@pytest.mark.parametrize("change", TIMINGS.values(), ids=TIMINGS.keys())
def test_illegal_timing(display, change):
    for reg, value in {**LEGAL, **change}.items():
        display.write(reg, value)
    display.enable()
    assert display.read(regs.DISP_CTRL) == 0
    assert display.read(regs.DISP_STATUS) == 0
    assert display.ack() == IRQ.CONFIG_ERROR
    assert display.error == (regs.BATON_DISPLAY_ERR_TIMING, 0, regs.DISP_CTRL)
    display.set_mode(Mode())
    display.enable()
    assert display.read(regs.DISP_STATUS) & regs.DISP_STATUS.RUNNING


@pytest.mark.parametrize("name", [name for name in MANUAL if "stopped" in MANUAL[name].access])
def test_timing_is_locked_while_running(display, name):
    reg = MANUAL[name].offset
    display.set_mode(Mode())
    display.enable()
    display.ack()
    before = display.read(reg)
    display.write(reg, before + 2)
    assert display.read(reg) == before
    assert display.ack() == IRQ.CONFIG_ERROR
    assert display.error == (regs.BATON_DISPLAY_ERR_TIMING, 0, reg)


def test_vmax_is_checked_when_vrr_is_set(display):
    display.set_mode(Mode())
    display.write(regs.DISP_VRR_VMAX, display.mode.total - 1)
    display.enable(regs.DISP_CTRL.VRR)
    assert display.read(regs.DISP_CTRL) == regs.DISP_CTRL.VRR
    display.enable()
    display.ack()
    display.enable(regs.DISP_CTRL.VRR)
    assert display.read(regs.DISP_CTRL) == regs.DISP_CTRL.ENABLE
    assert display.ack() == IRQ.CONFIG_ERROR


def test_time_and_position(display):
    display.set_mode(Mode())
    start = display.m.clock
    display.enable()
    total, height = display.mode.total, display.mode.height
    for line in range(0, 3 * total, 7):
        now = start + line * 1000
        assert display.read64(regs.DISP_TIME_LO) == now
        frame, rest = divmod(line, total)
        assert display.read(regs.DISP_FRAME) == frame + 1
        assert display.read64(regs.DISP_VBLANK_TIME_LO) == now - rest * 1000
        assert display.read(regs.DISP_SCANLINE) == (rest + height) % total
        vblank = bool(display.read(regs.DISP_STATUS) & regs.DISP_STATUS.VBLANK)
        assert vblank == (rest < display.mode.blanking)
        display.lines(7)


def test_hi_belongs_to_the_lo_read_before():
    with QtestMachine() as m:
        d = Display(m)
        m.clock_set((1 << 32) - 5)
        assert d.read(regs.DISP_TIME_LO) == 0xffff_fffb
        m.clock_step(10)
        assert d.read(regs.DISP_TIME_HI) == 0
        assert d.read64(regs.DISP_TIME_LO) == (1 << 32) + 5


def test_reset_restores_every_register(display):
    buffer = Buffer.noise("XR24", 64, 64, 1)
    display.set_mode(Mode())
    display.show(0, buffer)
    display.write(regs.DISP_IRQ_ENABLE, 0x3f)
    display.write(regs.DISP_BACKGROUND, 0x123456)
    display.commit()
    display.enable(regs.DISP_CTRL.HASH, regs.DISP_CTRL.CRC)
    display.frame()
    display.lines(60)
    display.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    for reg in CONSTANT:
        assert display.read(reg.offset) == reg.reset, reg.name
    display.lines(300)
    assert display.irqs == 0


@pytest.mark.parametrize("seed", range(4))
def test_fuzz(seed):
    """Anything may be written: the engine goes on, and a reset brings it back."""
    generator = random.Random(seed)
    offsets = [reg.offset for reg in INSTANCES]
    legal = {**LEGAL, regs.DISP_VRR_VMAX: 200}
    with QtestMachine() as m:
        d = Display(m)
        for _ in range(3000):
            offset = generator.choice(offsets)
            value = generator.choice((generator.getrandbits(32), generator.getrandbits(8), 0,
                                      1 << generator.randrange(32),
                                      legal.get(offset, 64 | 64 << 16)))
            d.write(offset, value)
            if generator.random() < 0.1:
                m.clock_step(generator.randrange(1, 200_000))
            d.read(generator.choice(offsets))
        d.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
        buffer = Buffer.noise("XR24", 64, 64, seed + 1)
        d.set_mode(Mode())
        d.show(0, buffer)
        d.commit()
        d.enable(regs.DISP_CTRL.HASH)
        d.frame()
        assert d.hash(0) == buffer.hash
