# SPDX-License-Identifier: GPL-2.0-or-later
"""The FIFO of completed pictures' records, and what is known of the last latch."""

import pytest

from harness import pixels
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import (
    CHECKS,
    IRQ,
    LINE_NS,
    PRIMARY,
    Buffer,
    Display,
    Mode,
    compose,
)
from .engine import refuse_snapshot

DEPTH = regs.BATON_DISPLAY_DONE_RECORDS
BUFFERS = [Buffer.noise("XR24", 64, 64, seed) for seed in range(3)]


@pytest.fixture
def display(display):
    start(display)
    return display


def start(d: Display) -> None:
    """The next frame is number 1, and begins when ENABLE is set."""
    d.set_mode(Mode())
    for buffer in BUFFERS:
        buffer.store(d.m)


def show_frames(d: Display, count: int) -> None:
    """COUNT whole frames; frame N shows buffer N modulo 3."""
    for _ in range(count):
        d.set_plane(PRIMARY, BUFFERS[(d.read(regs.DISP_FRAME) + 1) % 3])
        d.commit()
        d.lines(d.mode.total)


def check_records(d: Display, frames: range, first_ns: int) -> None:
    records = d.take_records()
    assert [record.frame for record in records] == list(frames)
    for record in records:
        buffer = BUFFERS[record.frame % 3]
        assert record.addrs == [buffer.addr, 0, 0]
        assert record.hashes == [buffer.hash, 0, 0]
        assert record.crc == pixels.screen_crc(compose(d.mode, [(buffer, (0, 0))]))
        assert record.time_ns == first_ns + record.frame * d.mode.frame_ns


def begin(d: Display, *bits: int) -> int:
    """Begin frame 1, which shows buffer 1; when that was."""
    d.set_plane(PRIMARY, BUFFERS[1])
    d.commit()
    d.enable(*bits)
    return d.m.clock


def test_records_wait_in_order(display):
    first_ns = begin(display, *CHECKS)
    show_frames(display, 5)
    assert display.record_count == 5
    check_records(display, range(1, 6), first_ns)
    show_frames(display, 2)
    check_records(display, range(6, 8), first_ns)
    assert display.read(regs.DISP_DONE_LOST) == 0


def test_a_full_fifo_loses_the_new_records(display):
    first_ns = begin(display, *CHECKS)
    show_frames(display, DEPTH)
    assert display.record_count == DEPTH
    assert display.read(regs.DISP_DONE_LOST) == 0
    show_frames(display, 3)
    assert display.record_count == DEPTH
    assert display.read(regs.DISP_DONE_LOST) == 3
    check_records(display, range(1, DEPTH + 1), first_ns)
    show_frames(display, DEPTH)
    check_records(display, range(DEPTH + 4, 2 * DEPTH + 4), first_ns)
    assert display.read(regs.DISP_DONE_LOST) == 3


def test_a_dropped_record_makes_room(display):
    begin(display, *CHECKS)
    show_frames(display, DEPTH)
    for frame in range(2, 3 * DEPTH):
        display.write(regs.DISP_DONE_POP, 1)
        assert display.record.frame == frame
        show_frames(display, 1)
        assert display.record_count == DEPTH
    assert display.read(regs.DISP_DONE_LOST) == 0


def test_without_a_record_all_is_zero(display):
    begin(display, *CHECKS)
    show_frames(display, 1)
    display.write(regs.DISP_DONE_POP, 0)
    assert display.record_count == 1
    for _ in range(3):
        display.write(regs.DISP_DONE_POP, 1)
        assert display.record_count == 0
        assert (display.record.frame, display.record.time_ns, display.record.crc) == (0, 0, 0)
        assert display.record.addrs == display.record.hashes == [0, 0, 0]
    assert not display.irqs & IRQ.CONFIG_ERROR
    show_frames(display, 1)
    assert [record.frame for record in display.take_records()] == [2]


def test_only_with_hash_or_crc(display):
    begin(display)
    show_frames(display, 2)
    assert display.irqs & IRQ.FRAME_DONE
    display.lines(display.mode.blanking + 10)
    display.enable(regs.DISP_CTRL.CRC)          # from the next picture on
    display.lines(display.mode.total)
    assert display.record_count == 0
    display.enable(regs.DISP_CTRL.HASH)
    display.lines(display.mode.total)
    display.enable()
    display.lines(2 * display.mode.total)
    with_crc, with_hash = display.take_records()
    assert (with_crc.frame, with_crc.hashes[PRIMARY]) == (4, 0)
    assert with_crc.crc
    assert (with_hash.frame, with_hash.crc) == (5, 0)
    assert with_hash.hashes[PRIMARY]
    assert display.read(regs.DISP_DONE_LOST) == 0


def test_records_outlive_the_mode_but_not_a_reset(display):
    begin(display, *CHECKS)
    show_frames(display, DEPTH + 1)
    display.lines(20)
    display.disable()
    assert display.record_count == DEPTH
    display.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    assert display.record_count == 0
    assert display.read(regs.DISP_DONE_LOST) == 0
    start(display)
    first_ns = begin(display, *CHECKS)
    show_frames(display, 2)
    check_records(display, range(1, 3), first_ns)


def test_system_reset(display):
    begin(display, *CHECKS)
    show_frames(display, 2)
    display.m.qmp.cmd("system_reset")
    display.m.qmp.wait_event("RESET")
    assert display.record_count == 0
    assert display.read(regs.DISP_LATCH_FRAME) == 0


def test_hi_belongs_to_the_record_whose_lo_was_read(display):
    begin(display, *CHECKS)
    show_frames(display, 2)
    hash_lo = display.plane(PRIMARY) + regs.PLANE_DONE_HASH_LO
    low = display.read(hash_lo)
    display.write(regs.DISP_DONE_POP, 1)
    assert low | display.read(hash_lo + 4) << 32 == BUFFERS[1].hash
    assert display.hash(PRIMARY) == BUFFERS[2].hash


def test_latch_is_dated(display):
    """However late it is asked for, and not by frames that latched nothing."""
    display.commit()
    assert display.read(regs.DISP_LATCH_FRAME) == 0
    assert display.read64(regs.DISP_LATCH_TIME_LO) == display.m.clock
    first_ns = begin(display)
    display.lines(3 * display.mode.total + 5)
    display.commit()
    assert display.read(regs.DISP_LATCH_FRAME) == 0
    display.lines(5 * display.mode.total)
    assert display.read(regs.DISP_FRAME) == 9
    assert display.read(regs.DISP_LATCH_FRAME) == 5
    assert display.read64(regs.DISP_LATCH_TIME_LO) == first_ns + 4 * display.mode.frame_ns


def test_latch_in_stretched_blanking_is_dated(display):
    display.write(regs.DISP_VRR_VMAX, 500)
    first_ns = begin(display, regs.DISP_CTRL.VRR)
    display.lines(200)
    display.commit()
    display.lines(1000)
    assert display.read(regs.DISP_LATCH_FRAME) == 1
    assert display.read64(regs.DISP_LATCH_TIME_LO) == first_ns + 200 * LINE_NS


def prepare_snapshot(m: QtestMachine, path) -> object:
    """Records 3 to 18, so that they wrap around the end of the ring; two lost."""
    d = Display(m)
    start(d)
    begin(d, *CHECKS)
    show_frames(d, 2)
    d.take_records()
    show_frames(d, DEPTH + 2)
    return m.save(path)


def test_migration(tmp_path):
    with QtestMachine() as m:
        snapshot = prepare_snapshot(m, tmp_path / "snapshot")
        first_ns = m.clock - (DEPTH + 4) * Mode().frame_ns
    with QtestMachine(incoming=snapshot) as m:
        d = Display(m)
        assert d.read(regs.DISP_DONE_LOST) == 2
        check_records(d, range(3, DEPTH + 3), first_ns)
        assert d.read(regs.DISP_LATCH_FRAME) == DEPTH + 5
        show_frames(d, 1)
        assert [record.frame for record in d.take_records()] == [DEPTH + 5]


@pytest.mark.parametrize("counts", [(DEPTH, DEPTH), (2, DEPTH + 1)], ids=["first", "count"])
def test_corrupt_snapshot_is_refused(tmp_path, counts):
    with QtestMachine() as m:
        snapshot = prepare_snapshot(m, tmp_path / "snapshot")
    data = snapshot.path.read_bytes()
    device = data.index(b"baton-display")
    known, corrupt = (b"".join(word.to_bytes(4, "big") for word in pair)
                      for pair in ((2, DEPTH), counts))
    assert data.count(known, device) == 1
    snapshot.path.write_bytes(data[:device] + data[device:].replace(known, corrupt))
    refuse_snapshot(snapshot, "baton-display/records of pictures")
