# SPDX-License-Identifier: GPL-2.0-or-later
"""The registers of the display: manual, header and device say the same."""

import random
import re
from dataclasses import dataclass, field

import pytest

from harness.paths import ROOT
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import IRQ, Buffer, Display, Mode

MANUAL = ROOT / "docs" / "hardware" / "display.md"


@dataclass
class Documented:
    offset: int
    name: str
    access: str
    reset: int | None           # None: not constant
    per_plane: bool
    fields: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def defined(self) -> int:
        """The bits that are not reserved."""
        if not self.fields:
            return 0xffff_ffff
        return sum((1 << length) - 1 << shift for shift, length in self.fields.values())


def parse_manual() -> dict[str, Documented]:
    registers: dict[str, Documented] = {}
    for line in MANUAL.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"\+?0x\w+", cells[0]):
            offset, name, access, reset = cells[:4]
            registers[name] = Documented(int(offset, 16), name, access,
                                         None if reset == "-" else int(reset, 16),
                                         offset.startswith("+"))
        elif len(cells) == 4 and cells[0] in registers and re.fullmatch(r"[\d:]+", cells[2]):
            high, _, low = cells[2].partition(":")
            shift = int(low or high)
            registers[cells[0]].fields[cells[1]] = (shift, int(high) - shift + 1)
    registers["DISP_IRQ_ENABLE"].fields = registers["DISP_IRQ_STATUS"].fields
    return registers


REGISTERS = parse_manual()


def instances() -> list:
    """Every register of the device with its offset."""
    found = []
    for reg in REGISTERS.values():
        for plane in range(regs.BATON_DISPLAY_PLANES if reg.per_plane else 1):
            offset = reg.offset
            if reg.per_plane:
                offset += (regs.BATON_DISPLAY_PLANE_BASE
                           + plane * regs.BATON_DISPLAY_PLANE_STRIDE)
            found.append(pytest.param(reg, offset, id=f"{reg.name}-{offset:#05x}"))
    return found


@pytest.fixture(scope="module")
def machine():
    with QtestMachine() as m:
        yield m


@pytest.fixture
def display(machine):
    d = Display(machine)
    d.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    return d


def test_manual_and_header_have_the_same_registers():
    header = {name: (int(reg), reg.access) for name, reg in regs.registers.items()}
    assert {reg.name: (reg.offset, reg.access) for reg in REGISTERS.values()} == header


def test_manual_and_header_have_the_same_fields():
    header = {name: {f: (bits.shift, bits.length) for f, bits in reg.fields.items()}
              for name, reg in regs.registers.items()}
    header["DISP_IRQ_ENABLE"] = header["DISP_IRQ_STATUS"]
    assert {reg.name: reg.fields for reg in REGISTERS.values()} == header


@pytest.mark.parametrize(("reg", "offset"),
                         [p for p in instances() if p.values[0].reset is not None])
def test_reset_value(display, reg, offset):
    assert display.read(offset) == reg.reset


@pytest.mark.parametrize(("reg", "offset"), [p for p in instances() if p.values[0].access == "ro"])
def test_read_only(display, reg, offset):
    before = display.read(offset)
    display.write(offset, ~before & 0xffff_ffff)
    if reg.reset is not None:
        assert display.read(offset) == before
    assert display.irqs == 0


@pytest.mark.parametrize(("reg", "offset"), [p for p in instances() if p.values[0].access == "rw"])
def test_read_write(display, reg, offset):
    writable = reg.defined
    if reg.name == "DISP_CTRL":
        writable &= ~(regs.DISP_CTRL.RESET | regs.DISP_CTRL.ENABLE)
    for value in (writable, writable & 0x5555_5555, writable & 0xaaaa_aaaa):
        display.write(offset, value)
        assert display.read(offset) == value
    assert display.irqs == 0


@pytest.mark.parametrize(("reg", "offset"),
                         [p for p in instances() if p.values[0].access in ("rw", "wo")])
def test_reserved_bits(display, reg, offset):
    before = display.read(offset)
    for bit in range(32):
        if reg.defined >> bit & 1:
            continue
        display.write(offset, 1 << bit | ~before & reg.defined)
        assert display.read(offset) == before
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
    known = {offset for _, offset in (p.values for p in instances())}
    edid = range(regs.DISP_EDID, regs.DISP_EDID + regs.BATON_DISPLAY_EDID_SIZE)
    for offset in range(0, regs.BATON_DISPLAY_MMIO_SIZE, 4):
        if offset not in known and offset not in edid:
            display.write(offset, 0xffff_ffff)
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


@pytest.mark.parametrize("reg", [*LEGAL, regs.DISP_VRR_VMAX])
def test_timing_is_locked_while_running(display, reg):
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
    for reg, offset in (p.values for p in instances()):
        if reg.reset is not None:
            assert display.read(offset) == reg.reset, reg.name
    display.lines(300)
    assert display.irqs == 0


@pytest.mark.parametrize("seed", range(4))
def test_fuzz(seed):
    """Anything may be written: the engine goes on, and a reset brings it back."""
    generator = random.Random(seed)
    offsets = [p.values[1] for p in instances()]
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
