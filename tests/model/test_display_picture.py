# SPDX-License-Identifier: GPL-2.0-or-later
"""What the display shows: formats, planes, CRC, hash, screendump."""

import pytest

from harness import pixels
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import (
    CHECKS,
    CURSOR,
    ENCODINGS,
    FORMATS,
    IRQ,
    OVERLAY,
    PLANE_FORMATS,
    PRIMARY,
    Buffer,
    Display,
    Mode,
    compose,
)

EVERY_PLANE_FORMAT = [(plane, fourcc) for plane in PLANE_FORMATS for fourcc in PLANE_FORMATS[plane]]
REFUSED = [(plane, fourcc) for plane in PLANE_FORMATS for fourcc in FORMATS
           if fourcc not in PLANE_FORMATS[plane]]


def check(d: Display, expected: list[int]) -> None:
    assert d.crc == pixels.screen_crc(expected)
    assert d.screen() == expected


@pytest.mark.parametrize("padding", [0, 128])
@pytest.mark.parametrize(("plane", "fourcc"), EVERY_PLANE_FORMAT)
def test_whole_picture(display, plane, fourcc, padding):
    display.enable(*CHECKS)
    for seed in (1, 2, 3):
        buffer = Buffer.noise(fourcc, 64, 64, seed, padding=padding)
        display.show(plane, buffer)
        display.commit()
        display.ack()
        display.run_until(IRQ.LATCH)
        before = display.bytes
        display.frame()
        assert display.read(display.plane(plane) + regs.PLANE_DONE_ADDR0) == buffer.addr
        assert display.hash(plane) == buffer.hash
        assert display.bytes - before == buffer.size
        check(display, compose(display.mode, [(buffer, (0, 0))]))
    assert not display.irqs & (IRQ.UNDERRUN | IRQ.BUS_ERROR | IRQ.CONFIG_ERROR)


@pytest.mark.parametrize(("plane", "fourcc"), REFUSED)
def test_format_that_a_plane_does_not_have(display, plane, fourcc):
    display.show(plane, Buffer.noise(fourcc, 64, 64, 1))
    display.commit()
    assert not display.irqs & IRQ.CONFIG_ERROR
    display.enable(*CHECKS)
    assert display.irqs & IRQ.CONFIG_ERROR
    assert display.error == (regs.BATON_DISPLAY_ERR_FORMAT, plane, 0)
    display.frame()
    assert display.bytes == 0
    check(display, compose(display.mode, []))


@pytest.mark.parametrize("bits", [4 << 4, 15 << 4, 2 << 4 | 3 << 8])
def test_unknown_format_or_encoding(display, bits):
    display.show(PRIMARY, Buffer.noise("NV12", 64, 64, 1))
    display.write(display.plane(PRIMARY) + regs.PLANE_CTRL, 1 | bits)
    display.commit()
    display.enable()
    assert display.error == (regs.BATON_DISPLAY_ERR_FORMAT, PRIMARY, 0)


@pytest.mark.parametrize("plane", [PRIMARY, OVERLAY])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("encoding", range(len(ENCODINGS)))
def test_nv12(display, encoding, full, plane):
    buffer = Buffer.noise("NV12", 64, 64, 1, encoding=encoding, full=full)
    display.show(plane, buffer)
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    check(display, compose(display.mode, [(buffer, (0, 0))]))


def test_nv12_is_close_to_real_numbers(display):
    """The documented integers against the definition in real numbers."""
    buffer = Buffer.noise("NV12", 64, 64, 5, encoding=1)
    kr, kb = pixels.ENCODINGS[ENCODINGS[1]]
    display.show(PRIMARY, buffer)
    display.commit()
    display.enable()
    display.frame()
    worst = 0.0
    for at, shown in enumerate(display.screen()):
        y, x = divmod(at, 64)
        pair = 64 * 64 + y // 2 * 64 + x // 2 * 2
        luma = (buffer.data[at] - 16) / 219
        cb, cr = ((c - 128) / 224 for c in buffer.data[pair:pair + 2])
        red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
        green = (luma - kr * red - kb * blue) / (1 - kr - kb)
        for value, shift in ((red, 16), (green, 8), (blue, 0)):
            exact = min(255, max(0, 255 * value))
            worst = max(worst, abs(exact - (shown >> shift & 255)))
    assert worst < 0.6


def test_layers(display):
    """All three planes, odd places, a background around them; several frames."""
    display.write(regs.DISP_BACKGROUND, 0x204060)
    display.enable(*CHECKS)
    for seed in (1, 4, 7):
        primary = Buffer.noise("NV12", 50, 40, seed)
        overlay = Buffer.noise("AR24", 33, 21, seed + 1)
        cursor = Buffer.noise("AR24", 17, 16, seed + 2)
        layers = [(primary, (7, 5)), (overlay, (seed, 11)), (cursor, (47 - seed, 48 - seed))]
        for plane, (buffer, pos) in enumerate(layers):
            display.show(plane, buffer, pos=pos)
        display.commit()
        display.ack()
        display.run_until(IRQ.LATCH)
        display.frame()
        check(display, compose(display.mode, layers, 0x204060))
        assert [display.hash(plane) for plane in range(3)] == [b.hash for b, _ in layers]


def test_blend_saturates(display):
    """Colours above alpha are not premultiplied: they must not wrap around."""
    below = Buffer("XR24", 64, 64, b"\xff\x80\x01\xff" * 64 * 64)
    above = Buffer.noise("XR24", 64, 64, 1)
    above.fourcc = "AR24"
    display.show(PRIMARY, below)
    display.show(OVERLAY, above)
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    check(display, compose(display.mode, [(below, (0, 0)), (above, (0, 0))]))


@pytest.mark.parametrize("fourcc", ["XR24", "RG16", "NV12"])
def test_part_of_a_buffer(display, fourcc):
    buffer = Buffer.noise(fourcc, 128, 96, 1)
    area = (10, 6, 48, 32)
    display.show(PRIMARY, buffer, pos=(3, 17), size=area[2:], src=area[:2])
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    x, y, width, height = area
    rgb = buffer.rgb
    screen = [0] * (64 * 64)
    for row in range(height):
        at = (y + row) * 128 + x
        screen[(17 + row) * 64 + 3:(17 + row) * 64 + 3 + width] = rgb[at:at + width]
    check(display, screen)
    assert display.bytes == pixels.frame_bytes(fourcc, width, height)


def test_no_plane(display):
    display.write(regs.DISP_BACKGROUND, 0xfedcba)
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    check(display, [0xfedcba] * (64 * 64))
    assert display.bytes == 0
    assert [display.hash(plane) for plane in range(3)] == [0, 0, 0]


def test_checks_cost_only_when_asked_for(display):
    buffer = Buffer.noise("XR24", 64, 64, 1)
    display.show(PRIMARY, buffer)
    display.commit()
    display.enable()
    display.frame()
    assert (display.crc, display.hash(PRIMARY)) == (0, 0)
    display.enable(*CHECKS)
    display.frame()
    display.frame()
    assert display.hash(PRIMARY) == buffer.hash
    assert display.crc


@pytest.mark.parametrize("suffix", ["png", "ppm"])
def test_screendump_reproduces_the_plane_hash(display, suffix):
    display.enable(*CHECKS)
    for seed in (1, 2):
        buffer = Buffer.noise("XR24", 64, 64, seed)
        buffer.data = bytes(0 if at % 4 == 3 else b for at, b in enumerate(buffer.data))
        display.show(PRIMARY, buffer)
        display.commit()
        display.ack()
        display.run_until(IRQ.LATCH)
        display.frame()
        shown = b"".join(p.to_bytes(4, "little") for p in display.screen(suffix=suffix))
        assert pixels.frame_hash("XR24", 64, 64, shown) == display.hash(PRIMARY)


def test_screendump_shows_the_last_complete_picture(display):
    first, second = (Buffer.noise("XR24", 64, 64, seed) for seed in (1, 2))
    display.show(PRIMARY, first)
    display.commit()
    display.enable()
    display.frame()
    display.show(PRIMARY, second)
    display.commit()
    display.lines(display.mode.total)
    display.lines(display.mode.total - 10)
    assert display.screen() == compose(display.mode, [(first, (0, 0))])
    display.lines(10)
    assert display.screen() == compose(display.mode, [(second, (0, 0))])
    display.disable()
    assert display.is_black()


@pytest.mark.parametrize("mode", [Mode(66, 78, 33), Mode(320, 240), Mode(1100, 66, 12)],
                         ids=lambda mode: f"{mode.width}x{mode.height}")
@pytest.mark.parametrize("fourcc", ["XR24", "RG16", "NV12"])
def test_sizes(display, mode, fourcc):
    display.set_mode(mode)
    display.enable(*CHECKS)
    buffer = Buffer.noise(fourcc, mode.width, mode.height, 1)
    display.show(PRIMARY, buffer)
    display.commit()
    display.run_until(IRQ.LATCH)
    display.frame()
    assert display.hash(PRIMARY) == buffer.hash
    check(display, compose(mode, [(buffer, (0, 0))]))


def test_largest_mode(display):
    """3840x2160 at 60 Hz: one frame at the reset bandwidth, without an underrun."""
    for reg, value in {
        regs.DISP_PIXEL_CLOCK: 594_000,
        regs.DISP_HACTIVE: 3840 | 4400 << 16,
        regs.DISP_HSYNC: 4016 | 4104 << 16,
        regs.DISP_VACTIVE: 2160 | 2250 << 16,
        regs.DISP_VSYNC: 2168 | 2178 << 16,
    }.items():
        display.write(reg, value)
    line = pixels.noise("XR24", 3840, 1, 1)
    buffer = Buffer("XR24", 3840, 2160, b"".join(line[y:] + line[:y] for y in range(2160)))
    display.show(PRIMARY, buffer)
    display.commit()
    display.enable(regs.DISP_CTRL.HASH)
    display.frame()
    assert display.bytes == buffer.size
    assert display.hash(PRIMARY) == buffer.hash
    assert not display.irqs & (IRQ.UNDERRUN | IRQ.BUS_ERROR | IRQ.CONFIG_ERROR)
    start = display.read64(regs.DISP_VBLANK_TIME_LO)
    display.frame()
    assert display.read64(regs.DISP_VBLANK_TIME_LO) - start == 16_666_666


def test_cursor_size_limit(display):
    display.set_mode(Mode(320, 320))
    buffer = Buffer.noise("AR24", 258, 8, 1)
    display.show(CURSOR, buffer)
    display.commit()
    display.enable()
    assert display.error == (regs.BATON_DISPLAY_ERR_SIZE, CURSOR, 0)
    display.show(CURSOR, Buffer.noise("AR24", 256, 8, 1))
    display.commit()
    display.frame()
    display.frame()
    assert display.error == (0, 0, 0)
    assert display.bytes == 256 * 8 * 4


def test_two_displays():
    with QtestMachine("baton-dual") as m:
        displays = [Display(m), Display(m, 0x3101_0000)]
        buffers = [Buffer.noise("XR24", 64, 64, 1), Buffer.noise("NV12", 128, 66, 2)]
        modes = [Mode(), Mode(128, 66)]
        for d, buffer, mode in zip(displays, buffers, modes, strict=True):
            d.set_mode(mode)
            d.show(PRIMARY, buffer)
            d.commit()
            d.enable(*CHECKS)
        for number, (d, buffer) in enumerate(zip(displays, buffers, strict=True)):
            d.frame()
            expected = compose(d.mode, [(buffer, (0, 0))])
            assert d.crc == pixels.screen_crc(expected)
            assert d.screen(f"display{number}") == expected
        displays[0].disable()
        displays[1].frame()
        assert displays[1].hash(PRIMARY) == buffers[1].hash
