# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bus monitor counts and records of what the engines do."""

import pytest

from harness.buslog import (
    CONTROL,
    DROP,
    FRAME_DONE,
    FRAME_START,
    LATCH,
    MARK,
    NO_MASTER,
    READ,
    VBLANK,
    WRITE,
    Record,
)
from harness.polling import until
from harness.regs import camera as camera_regs
from harness.regs import monitor as regs
from model.camera import BUFFERS, HIGH_BANK, LOW_END, NV12, XRGB8888, Camera
from model.display import LOW_BANK, PRIMARY, WINDOW, Buffer
from model.display import regs as display_regs
from model.monitor import COUNT, EVENTS, RECORDS, TRANSFERS, Counters, Monitor, Vblank

CAMERA, DISPLAY = 0, 1
INTERVAL = 10_000_000
SLICE_BYTES = 16 * 64 * 4               # of the frames here
FRAME_BYTES = 64 * 64 * 4
DESC = camera_regs.BATON_CAMERA_DESC_SIZE
STATUS = camera_regs.BATON_CAMERA_DESC_STATUS
SEG = camera_regs.BATON_CAMERA_SEG_SIZE
HASH = camera_regs.CAM_CTRL.HASH
UNANSWERED = (1 << 64) - 1


@pytest.fixture
def camera(machine) -> Camera:
    c = Camera(machine)
    c.write(camera_regs.CAM_CTRL, camera_regs.CAM_CTRL.RESET)
    c.setup(64, 64, XRGB8888, interval=INTERVAL)
    return c


@pytest.fixture
def monitor(machine, camera, display) -> Monitor:
    m = Monitor(machine)
    m.reset()
    return m


def of(monitor: Monitor, *kinds: int) -> list[Record]:
    return [r for r in monitor.records if r.kind in kinds]


def pixels(monitor: Monitor) -> list[Record]:
    return [r for r in monitor.records if r.is_pixels]


def capture(camera: Camera, frames: int, *bits: int) -> None:
    for number in range(frames):
        camera.queue(camera.buffer(number))
    camera.enable(*bits)
    camera.m.clock_step(frames * INTERVAL - 1)
    camera.disable()


# Counters

def test_counts_are_frames_times_size(monitor, camera):
    monitor.enable(COUNT)
    capture(camera, 3)
    assert camera.read64(camera_regs.CAM_BYTES_LO) == 3 * FRAME_BYTES
    assert monitor.counters(CAMERA) == Counters(
        read_bytes=3 * (DESC + SEG), reads=3 * 2,
        write_bytes=3 * (FRAME_BYTES + DESC - STATUS), writes=3 * (4 + 2))
    assert monitor.counters(DISPLAY) == Counters()


def test_counts_of_a_display(monitor, display):
    display.show(PRIMARY, Buffer.noise("XR24", 64, 64, 1))
    display.commit()
    monitor.enable(COUNT)
    display.enable()
    display.lines(2 * display.mode.total)
    assert monitor.counters(DISPLAY) == Counters(read_bytes=2 * FRAME_BYTES, reads=2 * 4)
    assert monitor.counters(DISPLAY).read_bytes == display.bytes


def test_padded_lines_are_transactions_of_their_own(monitor, camera):
    camera.setup(64, 64, NV12, padding=32, interval=INTERVAL)
    monitor.enable(COUNT, TRANSFERS)
    capture(camera, 1)
    assert monitor.counters(CAMERA).writes == 64 + 32 + 2
    assert [(r.plane, r.c) for r in pixels(monitor)[:17]] == [(0, 64)] * 16 + [(1, 64)]
    assert sum(r.c for r in pixels(monitor)) == 64 * 96


def test_counts_only_while_enabled(monitor, camera):
    capture(camera, 1)
    assert monitor.counters(CAMERA) == Counters()
    monitor.enable(COUNT)
    capture(camera, 1)
    counted = monitor.counters(CAMERA)
    assert counted.write_bytes == FRAME_BYTES + DESC - STATUS
    monitor.enable(TRANSFERS)
    capture(camera, 1)
    assert monitor.counters(CAMERA) == counted


def test_upper_half_is_latched(monitor, camera):
    monitor.enable(COUNT)
    at = monitor.master(CAMERA) + regs.MASTER_WRITE_BYTES_LO
    low = monitor.read(at)
    capture(camera, 1)
    assert (low, monitor.read(at + 4)) == (0, 0)
    assert monitor.read(at) == FRAME_BYTES + DESC - STATUS


# The ring

def test_record_of_each_transfer(monitor, camera):
    """Bus and CPU address of scattered pieces in both banks."""
    pages = [BUFFERS, HIGH_BANK + 0x1000, BUFFERS + 0x2000, HIGH_BANK + 0x3000]
    camera.queue([[(page, SLICE_BYTES) for page in pages]])
    monitor.enable(TRANSFERS)
    camera.enable()
    camera.m.clock_step(INTERVAL - 1)
    camera.disable()
    records = monitor.records
    assert [r.seq for r in records] == list(range(8))
    assert [(r.kind, r.plane) for r in records] == [
        (READ, CONTROL), (READ, CONTROL), *[(WRITE, 0)] * 4, (WRITE, CONTROL), (WRITE, CONTROL)]
    assert [r.bus for r in pixels(monitor)] == pages
    assert all(r.cpu == r.bus and r.master == CAMERA and r.status == 0 for r in records)
    assert [r.bytes for r in records] == [DESC, 4 * SEG, *[SLICE_BYTES] * 4, 28, 4]
    assert records[0].bus == camera.desc(0)
    times = [r.time for r in records]
    assert times == sorted(times)
    assert len(set(times)) == 5     # the list is read for the first slice


def test_addresses_of_the_display_are_offsets(monitor, display):
    buffer = Buffer.noise("NV12", 64, 64, 1)
    display.show(PRIMARY, buffer)
    display.commit()
    monitor.enable(TRANSFERS)
    display.enable()
    display.lines(display.mode.total)
    records = pixels(monitor)
    assert {r.cpu - r.bus for r in records} == {LOW_BANK}
    assert {r.master for r in records} == {DISPLAY}
    assert sorted(r.bus for r in records) == [*range(buffer.addr, buffer.addr + 64 * 64, 64),
                                              *range(buffer.addr1, buffer.addr1 + 64 * 32, 64)]


def test_ring_keeps_the_youngest(monitor):
    monitor.enable(EVENTS)
    for value in range(RECORDS + 10):
        monitor.mark(value)
    assert monitor.log_count == RECORDS + 10
    assert [(r.seq, r.a) for r in monitor.records] == [(n, n) for n in range(10, RECORDS + 10)]
    assert monitor.record(9).kind == 0
    assert monitor.record(RECORDS + 10).kind == 0
    assert monitor.record(10).a == 10


def test_selected_record_stays(monitor):
    monitor.enable(EVENTS)
    monitor.mark(7)
    monitor.write(regs.MON_LOG_SELECT, 0)
    for value in range(RECORDS):
        monitor.mark(value)
    assert monitor.read64(regs.REC_A_LO) == 7
    assert monitor.record(0).kind == 0


def test_nothing_is_recorded_unless_enabled(monitor, camera):
    monitor.enable(COUNT)
    monitor.mark(1)
    capture(camera, 1)
    assert monitor.log_count == 0
    monitor.enable(EVENTS)
    capture(camera, 1)
    assert {r.kind for r in monitor.records} == {FRAME_START, FRAME_DONE}


# Errors

def test_error_of_a_camera(monitor, camera):
    """A slice that crosses the end of a window: what fits is transferred, the rest is not."""
    edge = LOW_END - SLICE_BYTES
    camera.queue([[(edge, FRAME_BYTES)]])
    monitor.enable(COUNT, TRANSFERS)
    camera.enable()
    camera.m.clock_step(INTERVAL - 1)
    camera.disable()
    good, bad = pixels(monitor)
    assert (good.bus, good.bytes, good.status) == (edge, SLICE_BYTES, 0)
    assert (bad.kind, bad.bus, bad.cpu, bad.bytes, bad.status) == \
        (WRITE, LOW_END, UNANSWERED, 0, regs.BATON_MONITOR_BUS_ERROR)
    assert monitor.counters(CAMERA).errors == 1
    assert monitor.counters(CAMERA).write_bytes == SLICE_BYTES + DESC - STATUS


def test_error_within_a_transaction(monitor, display):
    """One access, half of which is outside: two records."""
    addr = WINDOW - SLICE_BYTES // 2
    display.set_plane(PRIMARY, Buffer.noise("XR24", 64, 64, 1, addr=addr))
    display.commit()
    monitor.enable(COUNT, TRANSFERS, EVENTS)
    display.enable()
    display.lines(display.mode.total)
    good, bad = pixels(monitor)
    assert (good.bus, good.cpu, good.bytes) == (addr, LOW_BANK + addr, SLICE_BYTES // 2)
    assert (bad.bus, bad.cpu, bad.status) == (WINDOW, UNANSWERED, regs.BATON_MONITOR_BUS_ERROR)
    assert monitor.counters(DISPLAY) == Counters(read_bytes=SLICE_BYTES // 2, reads=1, errors=1)
    assert of(monitor, FRAME_DONE)[0].status == regs.BATON_MONITOR_DISPLAY_ERROR


# Events

def test_events_of_a_camera(monitor, camera):
    monitor.enable(EVENTS)
    capture(camera, 2, HASH)
    start = monitor.records[0].time
    hashes = [camera.status(n).hash for n in (0, 1)]
    assert [(r.kind, r.a, r.b, r.c, r.d, r.status) for r in monitor.records] == [
        (FRAME_START, 0, 0, start, 0, 0), (FRAME_DONE, 0, hashes[0], 0, 1, 0),
        (FRAME_START, 1, 1, start + INTERVAL, 0, 0), (FRAME_DONE, 1, hashes[1], 1, 1, 0)]


def test_pixels_lie_between_start_and_done(monitor, camera):
    monitor.enable(TRANSFERS, EVENTS)
    capture(camera, 1)
    kinds = [r.kind if r.plane != CONTROL else CONTROL for r in monitor.records]
    assert kinds == [CONTROL, FRAME_START, CONTROL, *[WRITE] * 4, FRAME_DONE, CONTROL, CONTROL]


def test_dropped_and_failed_frames(monitor, camera):
    monitor.enable(EVENTS)
    camera.enable()                     # nothing queued
    camera.queue([[(BUFFERS, 4096)]])   # too short
    camera.m.clock_step(2 * INTERVAL - 1)
    camera.disable()
    drop, start, done = monitor.records
    assert (drop.kind, drop.a) == (DROP, 0)
    assert (start.kind, start.a) == (FRAME_START, 1)
    assert (done.kind, done.a, done.b, done.d, done.status) == \
        (FRAME_DONE, 1, 0, 0, camera_regs.BATON_CAMERA_DESC_SHORT_LIST)


def test_events_of_a_display(monitor, display):
    first, second = (Buffer.noise("XR24", 64, 64, seed) for seed in (1, 2))
    display.show(PRIMARY, first)
    display.commit()
    monitor.enable(EVENTS)
    display.enable(display_regs.DISP_CTRL.HASH)
    start = display.m.clock
    display.show(PRIMARY, second)
    display.commit()
    frame_ns = display.mode.frame_ns
    display.m.clock_step(2 * frame_ns)
    events = [(r.kind, r.a, r.b, r.c, r.d) for r in monitor.records]
    assert events == [
        (VBLANK, 1, 0, 0, 0), (FRAME_START, 1, first.addr, 0, 0),
        (FRAME_DONE, 1, first.hash, first.addr, 1),
        (VBLANK, 2, 0, 0, 0), (LATCH, 2, second.addr, 0, 0), (FRAME_START, 2, second.addr, 0, 0),
        (FRAME_DONE, 2, second.hash, second.addr, 1), (VBLANK, 3, 0, 0, 0)]
    vblanks = [r.time for r in of(monitor, VBLANK)]
    assert vblanks == [start, start + frame_ns, start + 2 * frame_ns]
    assert monitor.vblank(DISPLAY) == Vblank(vblanks[-1], 0, 3)
    assert monitor.vblank(CAMERA) == Vblank(0, 0, 0)


def test_underrun(monitor, display):
    display.show(PRIMARY, Buffer.noise("XR24", 64, 64, 1))
    display.commit()
    display.write(display_regs.DISP_DMA_RATE, 1)
    monitor.enable(EVENTS)
    display.enable(display_regs.DISP_CTRL.HASH)
    display.lines(display.mode.total)
    done = of(monitor, FRAME_DONE)[0]
    assert (done.b, done.d, done.status) == (0, 0, regs.BATON_MONITOR_DISPLAY_UNDERRUN)


def test_each_event_begins_an_interval(monitor, camera):
    before = monitor.read(regs.MON_INTERVAL)
    monitor.mark(1)                     # counted though not recorded
    monitor.enable(TRANSFERS, EVENTS)
    capture(camera, 1)
    monitor.mark(2)
    expected = before + 1
    for record in monitor.records:
        expected += not record.is_transfer
        assert record.interval == expected
    assert monitor.read(regs.MON_INTERVAL) == expected == before + 4


def test_marks_are_in_order_with_transfers(monitor, camera):
    monitor.enable(TRANSFERS, EVENTS)
    camera.queue(camera.buffer(0))
    monitor.mark(0x1234)
    camera.enable()

    def step() -> list[Record]:
        camera.m.clock_step()
        return pixels(monitor)

    until(step, bool, "pixels")
    monitor.mark(0xffff_ffff)
    camera.m.clock_step(INTERVAL // 2)
    camera.disable()
    assert monitor.read(regs.MON_MARK) == 0xffff_ffff
    records = monitor.records
    marks = [n for n, r in enumerate(records) if r.kind == MARK]
    assert marks[0] == 0
    assert [r.is_pixels for r in records].index(True) == marks[1] - 1
    assert [records[n].a for n in marks] == [0x1234, 0xffff_ffff]
    assert {records[n].master for n in marks} == {NO_MASTER}
