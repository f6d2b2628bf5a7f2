# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames in memory: formats, pattern, hash, segments, and when they move."""

import random

import pytest

from harness.polling import until
from harness.regs import camera as regs
from model import camera_pattern as pattern
from model.camera import (
    BUFFERS,
    HIGH_BANK,
    HIGH_END,
    LOW_END,
    NV12,
    RGB565,
    RING,
    SEG_ALIGN,
    XRGB8888,
    Camera,
    page_up,
)

DONE = regs.BATON_CAMERA_DESC_DONE
OVERRUN = regs.BATON_CAMERA_DESC_OVERRUN
IRQ = regs.CAM_IRQ_STATUS
FREERUN = regs.CAM_CTRL.FREERUN
HASH = regs.CAM_CTRL.HASH
FORMATS = [XRGB8888, RGB565, NV12]
INTERVAL = 10_000_000


def capture(camera: Camera, frames: int) -> None:
    """Frames 0.. into buffers 0.. at once."""
    for i in range(frames):
        camera.queue(camera.buffer(i))
    camera.enable(FREERUN, HASH)
    camera.m.clock_step(1_000_000_000)
    assert camera.read(regs.CAM_FRAMES) == frames


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("width", "height", "padding"),
                         [(64, 64, 0), (66, 70, 0), (130, 98, 48), (320, 240, 0), (64, 258, 4096)])
def test_pattern_and_hash(camera, fmt, width, height, padding):
    camera.setup(width, height, fmt, padding)
    capture(camera, 3)
    hashes = set()
    for i in range(3):
        lines = camera.lines(camera.buffer(i))
        assert lines == pattern.lines(fmt, width, height, i)
        assert camera.status(i).hash == pattern.frame_hash(lines)
        hashes.add(camera.status(i).hash)
    assert len(hashes) == 3
    assert camera.read64(regs.CAM_BYTES_LO) == 3 * camera.frame_bytes
    assert camera.irqs == IRQ.FRAME_START | IRQ.FRAME_DONE


@pytest.mark.parametrize("fmt", FORMATS)
def test_largest_frame(camera, fmt):
    camera.setup(3840, 2160, fmt)
    capture(camera, 2)
    lines = camera.lines(camera.buffer(1))
    for y in (0, 1, 17, 1000, 1079, 1080, 2158, 2159):
        assert lines[0][y] == pattern.line(fmt, 3840, 2160, 1, y)
        if fmt == NV12:
            assert lines[1][y // 2] == pattern.line(fmt, 3840, 2160, 1, y // 2, 1)
    assert camera.status(1).hash == pattern.frame_hash(lines)


def test_digits_in_the_pattern():
    """The frame number can be read: frames 7 and 8 differ by their last digit."""
    def mask(frame: int) -> list[list[bool]]:
        return [[pattern.is_digit(x, y, 64, 64, frame) for x in range(64)] for y in range(64)]
    assert [row[:56] for row in mask(7)] == [row[:56] for row in mask(8)]
    assert sum(map(sum, mask(8))) > sum(map(sum, mask(7)))


def step_to_frame(camera, count: int) -> None:
    def step() -> int:
        camera.m.clock_step()
        return camera.read(regs.CAM_FRAMES)

    until(step, lambda frames: frames >= count, f"{count} frames")


@pytest.mark.parametrize("fmt", FORMATS)
def test_stale_lines_show(camera, fmt):
    """Each 64 bytes differ from the same bytes of each of the 32 frames before."""
    camera.setup(192, 128, fmt, entries=64)
    seen: dict[tuple[int, int], list[bytes]] = {}
    for i in range(45):
        camera.queue(camera.buffer(i % 8))
    camera.enable(FREERUN)
    for frame in range(45):
        step_to_frame(camera, frame + 1)
        for plane, data in enumerate(camera.picture(camera.buffer(frame % 8))):
            for at in range(0, len(data), 64):
                before = seen.setdefault((plane, at), [])
                assert data[at:at + 64] not in before[-32:], (frame, plane, at)
                before.append(data[at:at + 64])


def test_padding_is_not_written(camera):
    camera.setup(64, 64, padding=32)
    camera.m.memset(BUFFERS, camera.plane_size(0), 0x5a)
    capture(camera, 1)
    data, = camera.picture(camera.buffer(0))
    assert all(data[at + 256:at + 288] == b"\x5a" * 32 for at in range(0, len(data), 288))


def test_no_hash_unless_wanted(camera):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(INTERVAL - 1)
    assert (camera.status(0).status, camera.status(0).hash) == (DONE, 0)


@pytest.mark.parametrize("fmt", FORMATS)
def test_scattered_pieces(camera, fmt):
    """Pages of both banks in random order, cut within lines and planes."""
    rng = random.Random(fmt)
    camera.setup(642, 482, fmt)
    planes = []
    for number in range(2 if fmt == NV12 else 1):
        pages = [base + number * 0x100_0000 + i * 2 * SEG_ALIGN for base in (BUFFERS, HIGH_BANK)
                 for i in range(page_up(camera.plane_size(number)) // SEG_ALIGN)]
        rng.shuffle(pages)
        planes.append([(page, SEG_ALIGN) for page in pages])
    camera.queue(planes)
    camera.enable(FREERUN, HASH)
    camera.m.clock_step(1_000_000_000)
    lines = [plane[:len(wanted)] for plane, wanted in
             zip(camera.lines(planes), pattern.lines(fmt, 642, 482, 0), strict=True)]
    assert lines == pattern.lines(fmt, 642, 482, 0)
    assert camera.status(0).hash == pattern.frame_hash(lines)


def test_longest_list(camera):
    """65535 entries, of which a 3840x2160 frame takes 8100, from the end of memory down."""
    camera.setup(3840, 2160)
    used = camera.plane_size(0) // SEG_ALIGN
    planes = [[(HIGH_END - (i + 1) * SEG_ALIGN, SEG_ALIGN) for i in range(used)]]
    at = camera.put_list(planes[0], LOW_END - 65535 * 16)
    camera.put_desc(0, (at, 0), (65535, 0))
    camera.write(regs.CAM_TAIL, 1)
    camera.enable(FREERUN, HASH)
    camera.m.clock_step(1_000_000_000)
    memory = camera.m.read(HIGH_END - used * SEG_ALIGN, used * SEG_ALIGN)
    picture = b"".join(memory[at:at + SEG_ALIGN]
                       for at in range(len(memory) - SEG_ALIGN, -1, -SEG_ALIGN))
    lines = [picture[at:at + 15360] for at in range(0, len(picture), 15360)]
    assert camera.status(0).hash == pattern.frame_hash([lines])
    assert lines[2159] == pattern.line(XRGB8888, 3840, 2160, 0, 2159)


def test_ring_wraps(camera):
    camera.setup(entries=4)
    camera.enable(FREERUN)
    for frame in range(11):
        index = camera.queue(camera.buffer(frame % 5))
        camera.m.clock_step(1_000_000)
        assert index == frame % 4
        assert camera.status(index).sequence == frame
        assert camera.read(regs.CAM_HEAD) == camera.tail
        assert camera.lines(camera.buffer(frame % 5)) == pattern.lines(XRGB8888, 64, 64, frame)


def test_full_ring(camera):
    camera.setup(entries=2)
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(INTERVAL - 1)
    camera.queue(camera.buffer(1))
    camera.m.clock_step(INTERVAL)
    assert [camera.status(i).sequence for i in range(2)] == [0, 1]


@pytest.mark.parametrize("ring", [RING, HIGH_END - 8 * 64])
def test_ring_in_both_banks(camera, ring):
    camera.setup(ring=ring)
    capture(camera, 7)
    assert [camera.status(i).sequence for i in range(7)] == list(range(7))


def test_paced_timestamps_and_drops(camera):
    """Frame n starts n intervals after ENABLE; times without a descriptor are drops."""
    camera.m.clock_step(123_456)
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    start = camera.read64(regs.CAM_TIME_LO)
    camera.enable()
    camera.m.clock_step(INTERVAL * 4 + 5)
    assert camera.read(regs.CAM_DROPS) == 3
    assert camera.ack() == IRQ.FRAME_START | IRQ.FRAME_DONE | IRQ.DROP
    camera.queue(camera.buffer(2))
    assert not camera.read(regs.CAM_STATUS) & regs.CAM_STATUS.IN_FRAME
    camera.m.clock_step(INTERVAL)
    assert camera.read(regs.CAM_STATUS) & regs.CAM_STATUS.IN_FRAME
    camera.m.clock_step(INTERVAL - 6)
    assert camera.ack() == IRQ.FRAME_START | IRQ.FRAME_DONE
    written = [camera.status(i) for i in range(3)]
    assert [w.sequence for w in written] == [0, 1, 5]
    assert [w.timestamp for w in written] == [start + n * INTERVAL for n in (0, 1, 5)]
    assert camera.read(regs.CAM_DROPS) == 3
    assert camera.lines(camera.buffer(2)) == pattern.lines(XRGB8888, 64, 64, 5)


def test_paced_readout_takes_seven_eighths(camera):
    camera.setup(64, 128)
    camera.queue(camera.buffer(0))
    camera.enable()
    dma = 512   # ns for 16 lines of 256 bytes at 8000 MB/s
    last_line = 16 * 256 * 7
    for piece in range(8):
        due = INTERVAL * 7 // 8 * (piece + 1) // 8 + dma
        camera.m.clock_step(due - 1 - camera.m.clock)
        assert camera.m.readl(BUFFERS + piece * 16 * 256) == 0
        camera.m.clock_step(1)
        assert camera.m.readl(BUFFERS + piece * 16 * 256) != 0
    assert camera.m.readl(BUFFERS + last_line) != 0
    assert camera.status(0).status == DONE


def test_free_running_takes_the_time_of_its_bytes(camera):
    """64x70 RGB565: four slices of 2048 bytes and one of 768, at 4 MB/s."""
    camera.setup(64, 70, RGB565)
    camera.write(regs.CAM_DMA_RATE, 4)
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    camera.enable(FREERUN)
    frame = 4 * 512_000 + 192_000
    camera.m.clock_step(512_000 - 1)
    assert camera.m.readl(BUFFERS) == 0
    camera.m.clock_step(1)
    assert camera.m.readl(BUFFERS + 2047 - 3) != 0
    assert camera.m.readl(BUFFERS + 2048) == 0
    camera.m.clock_step(frame - 512_000 - 1)
    assert camera.read(regs.CAM_FRAMES) == 0
    camera.m.clock_step(1)
    assert camera.read(regs.CAM_FRAMES) == 1
    camera.m.clock_step(frame)
    assert [camera.status(i).timestamp for i in range(2)] == [0, frame]


def test_free_running_waits_without_drops(camera):
    camera.setup()
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000_000)
    assert camera.irqs == 0
    camera.queue(camera.buffer(0))
    assert camera.read(regs.CAM_STATUS) == regs.CAM_STATUS.RUNNING | regs.CAM_STATUS.IN_FRAME
    camera.m.clock_step(1_000_000)
    assert camera.status(0).sequence == 0
    assert camera.status(0).timestamp == 1_000_000_000
    assert camera.read(regs.CAM_DROPS) == 0


# 64x64 XRGB: slices of 4096 bytes, 4.096 ms at 1 MB/s, and 7/32 of the interval to fill.
SLICE_TIME = 4_096_000


def test_overrun_when_the_fifo_is_full(camera):
    camera.setup(interval=10_000_000)
    camera.write(regs.CAM_DMA_RATE, 1)
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    camera.enable(HASH)
    third_slice_arrives = 2 * 10_000_000 * 7 // 32
    camera.m.clock_step(third_slice_arrives - 1)
    assert camera.irqs == IRQ.FRAME_START
    camera.m.clock_step(1)
    assert camera.ack() == IRQ.FRAME_START | IRQ.FRAME_DONE | IRQ.OVERRUN
    assert camera.status(0).status == OVERRUN
    assert camera.status(0).hash == 0
    assert camera.error == (OVERRUN, 0)
    camera.write(regs.CAM_DMA_RATE, 8000)
    camera.m.clock_step(20_000_000 - camera.m.clock - 1)
    assert (camera.status(1).status, camera.status(1).sequence) == (DONE, 1)
    assert camera.read(regs.CAM_OVERRUNS) == 1
    assert camera.read(regs.CAM_ERRORS) == 0
    assert camera.read(regs.CAM_FRAMES) == 1


@pytest.mark.parametrize(("interval", "status"), [(37_449_143, DONE), (37_449_135, OVERRUN)])
def test_overrun_to_the_nanosecond(camera, interval, status):
    """64x128: a slice is filled in 7/64 of the interval, as fast as it is written, or 1 ns less."""
    assert interval * 7 // 64 - SLICE_TIME == (0 if status == DONE else -1)
    camera.setup(64, 128, interval=interval)
    camera.write(regs.CAM_DMA_RATE, 1)
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(2 * (interval * 7 // 64) + 1)
    assert camera.status(0).status == (0 if status == DONE else OVERRUN)
    camera.m.clock_step(interval)
    assert camera.status(0).status == status


@pytest.mark.parametrize(("interval", "status"),
                         [(SLICE_TIME * 8, DONE), (SLICE_TIME * 8 - 8, OVERRUN)])
def test_overrun_when_the_next_frame_begins(camera, interval, status):
    """The last slice is in memory exactly when the next frame begins, or 1 ns later."""
    camera.setup(interval=interval)
    camera.write(regs.CAM_DMA_RATE, 1)
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(interval)
    assert camera.status(0).status == status
    assert camera.read(regs.CAM_DROPS) == 1


def test_rate_may_change_in_mid_frame(camera):
    camera.setup(interval=100_000_000)
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(50_000_000)
    camera.write(regs.CAM_DMA_RATE, 1)
    camera.m.clock_step(50_000_000 - 1)
    assert camera.status(0).status == DONE


def test_disable_abandons_the_frame(camera):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.enable()
    camera.m.clock_step(INTERVAL // 2)
    camera.disable()
    written = camera.picture(camera.buffer(0))
    camera.ack()
    camera.m.clock_step(5 * INTERVAL)
    assert camera.irqs == 0
    assert camera.picture(camera.buffer(0)) == written
    assert camera.status(0).status == 0
    assert camera.read(regs.CAM_HEAD) == 0
    camera.enable()
    camera.m.clock_step(INTERVAL - 1)
    assert camera.status(0).status == DONE
    assert camera.lines(camera.buffer(0)) == pattern.lines(XRGB8888, 64, 64, 0)


def test_two_cameras(qtest):
    """Each has its own registers, ring, and frames."""
    m = qtest(dtb="baton-dual")
    first, second = Camera(m), Camera(m, 0x3001_0000)
    first.setup(64, 64)
    second.setup(128, 96, RGB565, ring=RING + 0x1000)
    second._list_end += 0x1000
    first.queue(first.buffer(0))
    second.queue(second.buffer(1))
    first.enable(HASH)
    second.enable(HASH)
    m.clock_step(INTERVAL - 1)
    assert first.status(0).hash == pattern.frame_hash(pattern.lines(XRGB8888, 64, 64, 0))
    assert second.status(0).hash == pattern.frame_hash(pattern.lines(RGB565, 128, 96, 0))
