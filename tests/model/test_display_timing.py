# SPDX-License-Identifier: GPL-2.0-or-later
"""When the display latches, reads and interrupts; reset and migration in mid-frame."""

import pytest

from harness import pixels
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import (
    CHECKS,
    IRQ,
    LINE_NS,
    OVERLAY,
    PRIMARY,
    SLICE,
    Buffer,
    Display,
    Mode,
    compose,
)
from .engine import refuse_snapshot

LEAD = regs.BATON_DISPLAY_FIFO_SLICES * SLICE


def noise(seed: int, fourcc: str = "XR24") -> Buffer:
    return Buffer.noise(fourcc, 64, 64, seed)


def expect_screen(d: Display, *buffers: Buffer) -> None:
    assert d.screen() == compose(d.mode, [(buffer, (0, 0)) for buffer in buffers])


def test_interrupts_of_a_frame(display):
    display.enable(*CHECKS)
    assert display.ack() == IRQ.VBLANK
    for frame in (1, 2, 3):
        display.lines(display.mode.total - 1)
        assert display.ack() == 0
        display.lines(1)
        assert display.ack() == IRQ.VBLANK | IRQ.FRAME_DONE
        assert [record.frame for record in display.take_records()] == [frame]
        assert display.read(regs.DISP_FRAME) == frame + 1


def test_latch_at_vblank(display):
    """A commit in mid-frame shows nothing of the new picture before vblank."""
    first, second = noise(1), noise(2)
    display.show(PRIMARY, first)
    display.commit()
    assert display.ack() == IRQ.LATCH
    display.enable(*CHECKS)
    display.ack()
    active = display.plane(PRIMARY) + regs.PLANE_ACTIVE_ADDR0
    display.lines(display.mode.blanking + 30)
    display.show(PRIMARY, second)
    display.commit()
    assert display.read(regs.DISP_STATUS) & regs.DISP_STATUS.COMMIT
    assert display.read(active) == first.addr
    assert display.read(display.plane(PRIMARY) + regs.PLANE_ADDR0) == second.addr
    display.lines(33)
    assert display.ack() == 0
    display.lines(1)
    assert display.ack() == IRQ.VBLANK | IRQ.LATCH | IRQ.FRAME_DONE
    assert display.read(active) == second.addr
    assert not display.read(regs.DISP_STATUS) & regs.DISP_STATUS.COMMIT
    assert display.hash(PRIMARY) == first.hash
    expect_screen(display, first)
    display.frame()
    assert display.hash(PRIMARY) == second.hash
    expect_screen(display, second)


def test_nothing_is_latched_without_a_commit(display):
    first = noise(1)
    display.show(PRIMARY, first)
    display.commit()
    display.enable(*CHECKS)
    display.show(PRIMARY, noise(2))
    display.write(regs.DISP_BACKGROUND, 0xffffff)
    for _ in range(3):
        display.frame()
        assert display.hash(PRIMARY) == first.hash


def test_values_are_taken_at_the_latch(display):
    second = noise(2)
    display.show(PRIMARY, noise(1))
    display.enable(*CHECKS)
    display.commit()
    display.show(PRIMARY, second)
    display.frame()
    display.frame()
    assert display.hash(PRIMARY) == second.hash


def test_commit_can_be_withdrawn(display):
    first = noise(1)
    display.show(PRIMARY, first)
    display.commit()
    display.enable(*CHECKS)
    display.show(PRIMARY, noise(2))
    display.commit()
    display.write(regs.DISP_COMMIT, 0)
    assert not display.read(regs.DISP_STATUS) & regs.DISP_STATUS.COMMIT
    display.frame()
    display.frame()
    assert display.hash(PRIMARY) == first.hash


def test_commit_while_disabled_and_on_disable(display):
    display.set_plane(PRIMARY, noise(1))
    display.commit()
    assert display.ack() == IRQ.LATCH
    display.enable()
    display.set_plane(PRIMARY, noise(2))
    display.commit()
    display.ack()
    display.disable()
    assert display.ack() == IRQ.LATCH
    assert display.read(display.plane(PRIMARY) + regs.PLANE_ACTIVE_ADDR0) == noise(2).addr


def test_disable_abandons_the_frame(display):
    display.show(PRIMARY, noise(1))
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    display.ack()
    display.lines(60)
    before = display.bytes
    display.disable()
    assert display.is_black()
    display.lines(3 * display.mode.total)
    assert display.ack() == 0
    assert display.bytes == before
    assert display.read(regs.DISP_STATUS) == 0
    assert display.read(regs.DISP_SCANLINE) == 0
    display.enable(*CHECKS)
    display.frame()
    assert display.hash(PRIMARY) == noise(1).hash


def test_slices_are_read_just_in_time(display):
    """DMA runs two slices ahead of the scanout and not further."""
    display.show(PRIMARY, noise(1))
    display.commit()
    display.enable()
    slice_bytes = 64 * 4 * SLICE
    first = display.mode.blanking - LEAD
    display.lines(first)
    assert display.bytes == 0
    display.lines(2)            # each slice takes half a line time
    assert display.bytes == 2 * slice_bytes
    display.lines(LEAD - 3)
    assert display.bytes == 2 * slice_bytes
    display.lines(2)
    assert display.bytes == 3 * slice_bytes
    display.lines(SLICE)
    assert display.bytes == 4 * slice_bytes


def test_pixels_written_behind_the_dma_are_not_shown(display):
    """A writer that races the scanout tears the picture where the DMA stands."""
    old, new = noise(1), noise(2)
    new.addr = old.addr
    display.show(PRIMARY, old)
    display.commit()
    display.enable()
    display.lines(display.mode.blanking - 1)
    new.store(display.m)        # two slices have been read
    display.frame()
    cut = 2 * SLICE * 64
    assert display.screen() == old.rgb[:cut] + new.rgb[cut:]


def rate_for(display: Display, slices: int) -> int:
    """Too slow by that much: the given number of slices comes in time."""
    # Slice k must be complete when its first line is sent: a slice of time t is
    # late as soon as (k + 1) t > (LEAD + 16 k) lines, and k is the first such.
    for rate in range(1, 8000):
        ns = 64 * 4 * SLICE * 1000 // rate
        late = next((k for k in range(4) if (k + 1) * ns > (LEAD + SLICE * k) * LINE_NS), None)
        if late == slices:
            return rate
    raise AssertionError("no such rate")


@pytest.mark.parametrize("slices", [0, 1, 2])
def test_underrun(display, slices):
    buffer = noise(1)
    display.write(regs.DISP_BACKGROUND, 0x0000ff)
    display.show(PRIMARY, buffer)
    display.commit()
    display.write(regs.DISP_DMA_RATE, rate_for(display, slices))
    display.enable(*CHECKS)
    display.ack()
    display.lines(display.mode.blanking + slices * SLICE - 1)
    assert display.ack() == 0
    display.lines(1)
    assert display.ack() == IRQ.UNDERRUN
    display.frame()
    cut = slices * SLICE * 64
    expected = buffer.rgb[:cut] + [0x0000ff] * (64 * 64 - cut)
    assert display.screen() == expected
    assert display.crc == pixels.screen_crc(expected)
    assert display.hash(PRIMARY) == 0
    assert display.bytes == cut * 4
    assert display.read(regs.DISP_UNDERRUNS) == 1
    assert display.error == (regs.BATON_DISPLAY_ERR_UNDERRUN, 0, 0)
    display.frame()
    assert display.read(regs.DISP_UNDERRUNS) == 2, "once per frame"
    display.write(regs.DISP_DMA_RATE, 8000)
    display.frame()
    assert display.hash(PRIMARY) == buffer.hash
    assert display.read(regs.DISP_UNDERRUNS) == 2


def test_a_second_plane_can_cause_the_underrun(display):
    display.write(regs.DISP_DMA_RATE, 300)      # 256 bytes in a line of 1 us
    display.show(PRIMARY, noise(1))
    display.commit()
    display.enable()
    display.frame()
    assert display.read(regs.DISP_UNDERRUNS) == 0
    display.show(OVERLAY, noise(2, "AR24"))
    display.commit()
    display.frame()
    display.frame()
    assert display.read(regs.DISP_UNDERRUNS) == 1


def test_vrr_waits_for_a_commit(display):
    display.write(regs.DISP_VRR_VMAX, 500)
    display.show(PRIMARY, noise(1))
    display.enable(regs.DISP_CTRL.VRR, *CHECKS)
    start = display.m.clock
    display.ack()
    display.lines(200)
    assert display.ack() == 0
    assert display.read(regs.DISP_SCANLINE) == 64 + 200
    assert display.read(regs.DISP_STATUS) & regs.DISP_STATUS.VBLANK
    display.commit()
    assert display.ack() == IRQ.LATCH
    display.lines(LEAD)
    assert display.read(regs.DISP_SCANLINE) == 0
    display.frame()
    assert display.m.clock - start == (200 + LEAD + 64) * LINE_NS
    assert display.hash(PRIMARY) == noise(1).hash


def test_vrr_commit_in_time_keeps_the_nominal_rate(display):
    display.write(regs.DISP_VRR_VMAX, 500)
    display.enable(regs.DISP_CTRL.VRR)
    for _ in range(3):
        start = display.m.clock
        display.lines(2)
        display.commit()
        display.frame()
        assert display.m.clock - start == display.mode.frame_ns


def test_vrr_gives_up_after_vmax(display):
    display.write(regs.DISP_VRR_VMAX, 500)
    display.enable(regs.DISP_CTRL.VRR)
    for _ in range(3):
        start = display.m.clock
        display.frame()
        assert display.m.clock - start == 500 * LINE_NS


@pytest.mark.parametrize("lines", [3, 20, 41, 60, 103])
@pytest.mark.parametrize("how", ["register", "system"])
def test_reset_in_mid_frame(display, lines, how):
    display.show(PRIMARY, noise(1, "NV12"))
    display.commit()
    display.write(regs.DISP_IRQ_ENABLE, 0x3f)
    display.enable(*CHECKS)
    display.frame()
    display.lines(lines)
    if how == "register":
        display.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    else:
        display.m.qmp.cmd("system_reset")
        display.m.qmp.wait_event("RESET")
    assert display.is_black()
    assert display.irqs == 0
    assert display.read(regs.DISP_STATUS) == 0
    assert display.read(regs.DISP_FRAME) == 0
    assert display.bytes == 0
    display.lines(1000)
    assert display.irqs == 0
    display.set_mode(display.mode)
    buffer = noise(2)
    display.show(PRIMARY, buffer)
    display.commit()
    display.enable(*CHECKS)
    display.frame()
    assert display.hash(PRIMARY) == buffer.hash
    expect_screen(display, buffer)


def start_migration_run(m: QtestMachine) -> Display:
    """Three planes with an NV12 one on odd lines, and a commit that waits."""
    d = Display(m)
    d.set_mode(Mode())
    d.write(regs.DISP_IRQ_ENABLE, 0x3f)
    d.write(regs.DISP_VRR_VMAX, 400)
    d.show(0, Buffer.noise("XR24", 64, 64, 1))
    d.show(1, Buffer.noise("NV12", 40, 40, 2), pos=(5, 7))
    d.show(2, Buffer.noise("AR24", 16, 16, 3), pos=(20, 28))
    d.commit()
    d.enable(*CHECKS)
    d.frame()
    d.show(0, Buffer.noise("XR24", 64, 64, 4))
    return d


def observe(d: Display, frames: int = 3) -> list:
    """All that can be seen of the display, line by line."""
    seen = []
    counters = (regs.DISP_FRAME, regs.DISP_LATCH_FRAME, regs.DISP_STATUS, regs.DISP_SCANLINE,
                regs.DISP_IRQ_STATUS, regs.DISP_UNDERRUNS, regs.DISP_ERRORS)
    for line in range(frames * d.mode.total):
        d.lines(1)
        if line % 5 == 0:
            seen.append([d.m.clock, d.bytes, d.read64(regs.DISP_TIME_LO),
                         d.read64(regs.DISP_VBLANK_TIME_LO),
                         d.read64(regs.DISP_LATCH_TIME_LO), *map(d.read, counters),
                         *d.take_records()])
        if line % 50 == 0:
            seen.append(d.screen())
    return seen


@pytest.mark.parametrize(("lines", "bits", "commit"), [
    (2, (), True),              # vertical blanking, a commit waits
    (8.3, (), True),            # while the first slice is read
    (40.2, (), True),           # while the third slice is read
    (20, (), False),            # two slices read, the next begins within a CbCr pair
    (103, (), True),            # all read
    (300, (regs.DISP_CTRL.VRR,), False),        # stretched vertical blanking
])
def test_migration_in_mid_frame(tmp_path, lines, bits, commit):
    with QtestMachine() as m:
        d = start_migration_run(m)
        d.enable(*CHECKS, *bits)
        if commit:
            d.commit()
        d.lines(lines)
        snapshot = m.save(tmp_path / "snapshot")
    with QtestMachine() as m:
        d = start_migration_run(m)
        d.enable(*CHECKS, *bits)
        if commit:
            d.commit()
        d.lines(lines)
        expected = observe(d)
    with QtestMachine(incoming=snapshot) as m:
        d = Display(m)
        d.mode = Mode()
        assert observe(d) == expected


def test_migration_while_off(tmp_path):
    with QtestMachine() as m:
        Display(m).write(regs.DISP_BACKGROUND, 0x123456)
        snapshot = m.save(tmp_path / "snapshot")
    with QtestMachine(incoming=snapshot) as m:
        d = Display(m)
        assert d.read(regs.DISP_BACKGROUND) == 0x123456
        d.set_mode(Mode())
        d.commit()
        d.enable()
        d.frame()
        assert d.screen() == [0x123456] * (64 * 64)


@pytest.mark.parametrize(("known", "corrupt"), [
    (1064 | (1064 + 36) << 16, 0xfffe | (1064 + 36) << 16),     # width of the mode
    (1064 * 70 * 4, 3840 * 2160 * 8),                           # size of the pictures
    (38 << 16 | 996, 38 << 16 | 0xfff0),                        # place of a plane
])
def test_corrupt_snapshot_is_refused(tmp_path, known, corrupt):
    """What no guest can set does not get into the machine."""
    with QtestMachine() as m:
        d = Display(m)
        d.set_mode(Mode(1064, 70))
        d.show(PRIMARY, Buffer.noise("XR24", 32, 32, 1), pos=(996, 38))
        d.commit()
        d.enable()
        d.frame()
        snapshot = m.save(tmp_path / "snapshot")
    data = snapshot.path.read_bytes()
    device = data.index(b"baton-display")
    word = known.to_bytes(4, "big")
    assert word in data[device:]
    snapshot.path.write_bytes(
        data[:device] + data[device:].replace(word, corrupt.to_bytes(4, "big")))
    refuse_snapshot(snapshot, "baton-display/frame in progress")
