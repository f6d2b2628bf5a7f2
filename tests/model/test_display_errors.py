# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory or the driver does wrong, and what the display makes of it."""

import struct
from pathlib import Path

import pytest
from libfdt import Fdt

from harness import pixels
from harness.paths import dtb
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import (
    ALIGN,
    CHECKS,
    CURSOR,
    IRQ,
    LOW_BANK,
    OVERLAY,
    PRIMARY,
    WINDOW,
    Buffer,
    Display,
    Mode,
    compose,
)

HIGH_BANK = 0x8_8000_0000
BACKGROUND = 0x102030


@pytest.fixture
def display(display):
    display.write(regs.DISP_BACKGROUND, BACKGROUND)
    display.enable(*CHECKS)
    display.ack()
    return display


def latch(d: Display) -> None:
    d.commit()
    d.ack()
    d.run_until(IRQ.LATCH)


def show_bad_and_frame(d: Display, plane: int, buffer: Buffer, **kwargs) -> None:
    d.set_plane(plane, buffer, **kwargs)
    latch(d)
    d.frame()


def test_bus_address_is_an_offset(display):
    """Bus address 0 is the first byte of the low bank."""
    buffer = Buffer.noise("XR24", 64, 64, 1, addr=0)
    display.show(PRIMARY, buffer)
    latch(display)
    display.frame()
    assert display.m.read(LOW_BANK, 256) == buffer.data[:256]
    assert display.hash(PRIMARY) == buffer.hash


@pytest.mark.parametrize("addr", [WINDOW, LOW_BANK + 0x400_0000, LOW_BANK, HIGH_BANK & 0xffff_ffff,
                                  0xffff_ffc0],
                         ids=["behind the window", "physical address", "start of the bank",
                              "high bank", "end of the bus"])
def test_outside_the_window(display, addr):
    buffer = Buffer.noise("XR24", 64, 64, 1, addr=addr)
    show_bad_and_frame(display, PRIMARY, buffer)
    assert display.irqs & IRQ.BUS_ERROR
    assert display.error == (regs.BATON_DISPLAY_ERR_BUS, PRIMARY, addr)
    assert display.read(regs.DISP_ERRORS) == 1
    assert display.hash(PRIMARY) == 0
    assert display.bytes == 0
    assert display.read(display.plane(PRIMARY) + regs.PLANE_DONE_ADDR0) == addr
    assert display.screen() == [BACKGROUND] * (64 * 64)


@pytest.mark.parametrize("padding", [0, 64])
@pytest.mark.parametrize("fourcc", ["XR24", "RG16", "NV12"])
def test_across_the_end_of_the_window(display, fourcc, padding):
    """What is below the end is shown, then the error, then the background."""
    buffer = Buffer.noise(fourcc, 64, 64, 1, padding=padding)
    buffer.addr = WINDOW - 20 * buffer.pitch // ALIGN * ALIGN
    fits = buffer.height * buffer.pitch if fourcc == "NV12" else 20 * buffer.pitch
    before = buffer.height if fourcc == "NV12" else 20
    cbcr = 10 * buffer.pitch
    if fourcc == "NV12":        # the luma fits, the CbCr part ends too early
        buffer.addr = (WINDOW - fits - cbcr) // ALIGN * ALIGN
        before = 20
    lines = [buffer.data[y * buffer.line:(y + 1) * buffer.line].ljust(buffer.pitch, b"\0")
             for y in range(len(buffer.data) // buffer.line)]
    stored = b"".join(lines)[:WINDOW - buffer.addr]
    display.m.write(LOW_BANK + buffer.addr, stored)
    show_bad_and_frame(display, PRIMARY, buffer)
    assert display.error == (regs.BATON_DISPLAY_ERR_BUS, PRIMARY, WINDOW)
    expected = buffer.rgb[:before * 64] + [BACKGROUND] * ((64 - before) * 64)
    assert display.screen() == expected
    assert display.crc == pixels.screen_crc(expected)
    assert display.hash(PRIMARY) == 0


def test_error_within_a_line(display):
    """The bytes before the failing address have crossed the bus."""
    buffer = Buffer.noise("XR24", 64, 64, 1, padding=64)
    buffer.addr = WINDOW - 5 * buffer.pitch - 128
    show_bad_and_frame(display, PRIMARY, buffer)
    assert display.error[2] == WINDOW
    assert display.bytes == 5 * 256 + 128


def test_other_planes_survive(display):
    """An overlay that fails leaves the primary plane and the cursor."""
    primary = Buffer.noise("XR24", 64, 64, 1)
    cursor = Buffer.noise("AR24", 16, 16, 2)
    overlay = Buffer.noise("XR24", 32, 32, 3)
    overlay.addr = WINDOW - 10 * overlay.pitch
    display.m.write(LOW_BANK + overlay.addr, overlay.data[:10 * overlay.line])
    display.show(PRIMARY, primary)
    display.show(CURSOR, cursor, pos=(8, 20))
    show_bad_and_frame(display, OVERLAY, overlay, pos=(4, 4))
    assert display.error == (regs.BATON_DISPLAY_ERR_BUS, OVERLAY, WINDOW)
    top = Buffer("XR24", 32, 10, overlay.data[:10 * overlay.line])
    expected = compose(display.mode, [(primary, (0, 0)), (top, (4, 4)), (cursor, (8, 20))])
    assert display.screen() == expected
    assert display.hash(PRIMARY) == primary.hash
    assert display.hash(OVERLAY) == 0
    assert display.hash(CURSOR) == cursor.hash


def test_errors_count_once_per_frame(display):
    for plane in (PRIMARY, OVERLAY):
        display.set_plane(plane, Buffer.noise("XR24", 64, 64, 1, addr=WINDOW))
    latch(display)
    for frame in (1, 2, 3):
        display.frame()
        assert display.read(regs.DISP_ERRORS) == frame


def test_recovery_after_a_bus_error(display):
    show_bad_and_frame(display, PRIMARY, Buffer.noise("XR24", 64, 64, 1, addr=WINDOW))
    assert display.irqs & IRQ.BUS_ERROR
    buffer = Buffer.noise("XR24", 64, 64, 2)
    display.show(PRIMARY, buffer)
    latch(display)
    display.ack()
    display.frame()
    assert not display.irqs & IRQ.BUS_ERROR
    assert display.hash(PRIMARY) == buffer.hash


def expect_refused(d: Display, code: int, plane: int, addr: int = 0) -> None:
    latch(d)
    assert d.irqs & IRQ.CONFIG_ERROR
    assert d.error == (code, plane, addr)
    assert d.read(d.plane(plane) + regs.PLANE_ACTIVE_ADDR0) == 0
    d.frame()
    assert d.bytes == 0
    assert d.screen() == [BACKGROUND] * (64 * 64)


@pytest.mark.parametrize("plane", [PRIMARY, OVERLAY])
@pytest.mark.parametrize("offset", [1, 4, 32])
def test_misaligned_base(display, offset, plane):
    buffer = Buffer.noise("XR24", 64, 64, 1)
    buffer.addr += offset
    display.set_plane(plane, buffer)
    expect_refused(display, regs.BATON_DISPLAY_ERR_ALIGN, plane, buffer.addr)


def test_misaligned_cbcr_base(display):
    buffer = Buffer.noise("NV12", 64, 64, 1)
    display.set_plane(PRIMARY, buffer)
    display.write(display.plane(PRIMARY) + regs.PLANE_ADDR1, buffer.addr1 + 16)
    expect_refused(display, regs.BATON_DISPLAY_ERR_ALIGN, PRIMARY, buffer.addr1 + 16)


@pytest.mark.parametrize("part", ["PLANE0", "PLANE1"])
def test_misaligned_pitch(display, part):
    buffer = Buffer.noise("NV12", 64, 64, 1)
    display.set_plane(PRIMARY, buffer)
    pitch = regs.PLANE_PITCH.fields
    other = "PLANE1" if part == "PLANE0" else "PLANE0"
    display.write(display.plane(PRIMARY) + regs.PLANE_PITCH,
                  pitch[part].put(64 + 16) | pitch[other].put(64))
    expect_refused(display, regs.BATON_DISPLAY_ERR_ALIGN, PRIMARY, buffer.addr1)


SIZES = {
    "no width": ("XR24", {regs.PLANE_SIZE: 0 | 64 << 16}),
    "no height": ("XR24", {regs.PLANE_SIZE: 64}),
    "beyond the right edge": ("XR24", {regs.PLANE_POS: 1}),
    "beyond the bottom": ("XR24", {regs.PLANE_POS: 1 << 16}),
    "far outside": ("XR24", {regs.PLANE_POS: 0xffff_ffff}),
    "wider than the pitch": ("XR24", {regs.PLANE_PITCH: 192}),
    "zero pitch": ("XR24", {regs.PLANE_PITCH: 0}),
    "source beyond the pitch": ("XR24", {regs.PLANE_SRC: 1}),
    "odd NV12 width": ("NV12", {regs.PLANE_SIZE: 63 | 64 << 16}),
    "odd NV12 height": ("NV12", {regs.PLANE_SIZE: 64 | 63 << 16}),
    "odd NV12 source": ("NV12", {regs.PLANE_SRC: 1 << 16}),
    "no CbCr pitch": ("NV12", {regs.PLANE_PITCH: 64}),
}


@pytest.mark.parametrize(("fourcc", "change"), SIZES.values(), ids=SIZES.keys())
def test_illegal_size(display, fourcc, change):
    display.set_plane(PRIMARY, Buffer.noise(fourcc, 64, 64, 1))
    for reg, value in change.items():
        display.write(display.plane(PRIMARY) + reg, value)
    expect_refused(display, regs.BATON_DISPLAY_ERR_SIZE, PRIMARY)


def test_legal_plane_next_to_a_refused_one(display):
    buffer = Buffer.noise("XR24", 64, 64, 1)
    display.show(PRIMARY, buffer)
    display.set_plane(OVERLAY, Buffer.noise("XR24", 64, 64, 2), pos=(1, 1))
    latch(display)
    display.frame()
    assert display.error == (regs.BATON_DISPLAY_ERR_SIZE, OVERLAY, 0)
    assert display.hash(PRIMARY) == buffer.hash


def test_planes_latched_before_the_mode_are_checked_when_it_starts(display):
    display.disable()
    display.set_plane(PRIMARY, Buffer.noise("XR24", 128, 64, 1))
    display.ack()
    display.commit()
    assert display.ack() == IRQ.LATCH
    display.enable()
    assert display.ack() == IRQ.CONFIG_ERROR | IRQ.VBLANK
    assert display.error == (regs.BATON_DISPLAY_ERR_SIZE, PRIMARY, 0)


def tree_with_memory_across_4gib(path: Path) -> Path:
    """The low bank ends at bus address 4 GiB, the high bank begins there."""
    tree = Fdt(bytearray(dtb("baton").read_bytes()))
    tree.resize(tree.totalsize() + 1024)

    def set_cells(node: str, name: str, *cells: int) -> None:
        tree.setprop(tree.path_offset(node), name, struct.pack(f">{len(cells)}I", *cells))

    bus = "/soc/display-bus@31000000"
    set_cells(bus, "#address-cells", 2)
    set_cells(bus, "#size-cells", 2)
    set_cells(bus, "ranges", 0, 0x3100_0000, 0, 0x3100_0000, 0, 0x100_0000)
    set_cells(bus, "dma-ranges", 0, 2**32 - WINDOW, 0, LOW_BANK, 0, WINDOW,
              1, 0, HIGH_BANK >> 32, HIGH_BANK & 0xffff_ffff, 0, WINDOW)
    for base in (0x3100_0000, 0x3101_0000):
        set_cells(f"{bus}/display@{base:x}", "reg", 0, base, 0, 0x1000)
    path.write_bytes(tree.as_bytearray())
    return path


@pytest.mark.parametrize("padding", [0, 64])
def test_address_wrap_around(tmp_path, padding):
    """The engine has 32 address lines: it comes neither round nor further."""
    with QtestMachine(tree_with_memory_across_4gib(tmp_path / "wrap.dtb")) as m:
        d = Display(m)
        d.set_mode(Mode())
        buffer = Buffer.noise("XR24", 64, 64, 1, addr=2**32 - ALIGN, padding=padding)
        d.set_plane(PRIMARY, buffer)
        d.commit()
        d.enable(*CHECKS)
        d.frame()
        assert d.bytes == ALIGN
        assert d.error == (regs.BATON_DISPLAY_ERR_BUS, PRIMARY, 0)
        assert d.hash(PRIMARY) == 0


def test_guest_errors_are_logged():
    with QtestMachine(args=["-d", "guest_errors"]) as m:
        d = Display(m)
        d.write(regs.DISP_ID, 1)
        d.write(0x200, 1)
        d.read(0x204)
        d.write(regs.DISP_IRQ_ENABLE, 1 << 30)
        d.set_mode(Mode())
        d.set_plane(PRIMARY, Buffer.noise("XR24", 64, 64, 1, addr=WINDOW))
        d.commit()
        d.enable()
        d.frame()
        log = m.log
    for text in ("display0: write to read-only or reserved offset 0x000",
                 "display0: write to read-only or reserved offset 0x200",
                 "display0: read of reserved offset 0x204",
                 "display0: plane 0: value is illegal, register 0x00000018",
                 f"display0: plane 0: no memory at bus address 0x{WINDOW:08x}"):
        assert text in log
