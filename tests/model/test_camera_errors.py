# SPDX-License-Identifier: GPL-2.0-or-later
"""What a driver or the memory map can do wrong, and what the engine says of it."""

import random

import pytest

from harness.regs import camera as regs
from model import camera_pattern as pattern
from model.camera import (
    BUFFERS,
    HIGH_BANK,
    HIGH_END,
    LISTS,
    LOW_BANK,
    LOW_END,
    NV12,
    RING,
    XRGB8888,
    Camera,
)

DONE = regs.BATON_CAMERA_DESC_DONE
BUS_ERROR = regs.BATON_CAMERA_DESC_BUS_ERROR
BAD_DESC = regs.BATON_CAMERA_DESC_BAD_DESC
BAD_SEGMENT = regs.BATON_CAMERA_DESC_BAD_SEGMENT
SHORT_LIST = regs.BATON_CAMERA_DESC_SHORT_LIST
RING_ERROR = regs.BATON_CAMERA_DESC_RING_ERROR
IRQ = regs.CAM_IRQ_STATUS
STATUS = regs.CAM_STATUS
FREERUN = regs.CAM_CTRL.FREERUN
HASH = regs.CAM_CTRL.HASH
TOP = 1 << 64
FRAME = 64 * 64 * 4


def expect_failure(camera: Camera, status: int, addr: int, plane: int = 0) -> None:
    """Entry 0 fails so, and the good frame behind it is captured all the same."""
    irq = IRQ.BUS_ERROR if status == BUS_ERROR else IRQ.DESC_ERROR
    good = camera.queue(camera.buffer(1), doorbell=False)
    assert good == 1
    camera.doorbell()
    camera.enable(FREERUN, HASH)
    camera.m.clock_step(1_000_000)
    failed = camera.status(0)
    assert (failed.status, failed.err_addr, failed.hash) == (status, addr, 0)
    assert camera.ack() == IRQ.FRAME_START | IRQ.FRAME_DONE | irq
    error = camera.read(regs.CAM_ERR_STATUS)
    assert regs.CAM_ERR_STATUS.PLANE.get(error) == plane
    assert regs.CAM_ERR_STATUS.INDEX.get(error) == 0
    assert camera.error == (status, addr)
    assert camera.read(regs.CAM_ERRORS) == 1
    assert "descriptor 0: error" in camera.m.log
    assert camera.status(1).status == DONE
    assert camera.status(1).hash == pattern.frame_hash(
        pattern.lines(camera.format, 64, 64, camera.status(1).sequence))
    assert camera.lines(camera.buffer(1)) == pattern.lines(camera.format, 64, 64, 1)


@pytest.mark.parametrize("addr", [
    0,
    0x3000_0000,                    # the camera's own registers
    LOW_BANK - 4096,
    LOW_END,
    0x4_0000_0000,                  # the hole between the banks
    HIGH_BANK - 4096,
    HIGH_END,
    1 << 40,                        # beyond the address lines
    HIGH_BANK | 1 << 40,
    TOP - 8 * 4096,
])
def test_buffer_outside_the_window(camera, addr):
    camera.setup()
    camera.queue([[(addr, FRAME)]])
    expect_failure(camera, BUS_ERROR, addr)


@pytest.mark.parametrize("end", [LOW_END, HIGH_END])
def test_buffer_across_the_end_of_a_window(camera, end):
    """Everything below the end has been transferred."""
    camera.setup()
    camera.queue([[(end - 8192, FRAME)]])
    expect_failure(camera, BUS_ERROR, end)
    written = camera.m.read(end - 8192, 8192)
    assert written == b"".join(pattern.lines(XRGB8888, 64, 64, 0)[0])[:8192]
    assert camera.read64(regs.CAM_BYTES_LO) == 8192 + FRAME


def test_buffer_across_the_end_within_a_line(camera):
    """Lines of 256 bytes every 304: the page ends within line 13."""
    camera.setup(64, 64, padding=48)
    camera.queue([[(LOW_END - 4096, 20480)]])
    expect_failure(camera, BUS_ERROR, LOW_END)
    data = camera.m.read(LOW_END - 4096, 4096)
    lines = pattern.lines(XRGB8888, 64, 64, 0)[0]
    assert [data[at:at + 256] for at in range(0, 13 * 304, 304)] == lines[:13]
    assert data[13 * 304:] == lines[13][:4096 - 13 * 304]
    assert camera.read64(regs.CAM_BYTES_LO) == 13 * 256 + 4096 - 13 * 304 + FRAME


def test_second_plane_outside_the_window(camera):
    camera.setup(fmt=NV12)
    camera.queue([[(BUFFERS, 4096)], [(LOW_END, 4096)]])
    expect_failure(camera, BUS_ERROR, LOW_END, plane=1)


@pytest.mark.parametrize(("segment", "what"), [
    ((BUFFERS + 2048, FRAME), "misaligned address"),
    ((BUFFERS + 16, FRAME), "misaligned address"),
    ((BUFFERS, FRAME + 2048), "misaligned length"),
    ((BUFFERS, 0), "zero length"),
    ((TOP - 4096, 8192), "wraps around"),
])
def test_bad_segment(camera, segment, what):
    camera.setup()
    camera.queue([[segment]])
    expect_failure(camera, BAD_SEGMENT, LISTS)


def test_last_page_of_the_address_space_does_not_wrap(camera):
    """Ending at 2^64 is a legal piece; there is just no memory."""
    camera.setup()
    camera.queue([[(TOP - FRAME, FRAME)]])
    expect_failure(camera, BUS_ERROR, TOP - FRAME)


def test_reserved_word_of_a_segment(camera):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.m.writel(LISTS + 12, 1)
    expect_failure(camera, BAD_SEGMENT, LISTS)


def test_bad_segment_behind_good_ones(camera):
    """What the good pieces hold is in memory."""
    camera.setup()
    camera.queue([[(BUFFERS, 4096), (BUFFERS + 4096, 4096), (BUFFERS + 8192, 100)]])
    expect_failure(camera, BAD_SEGMENT, LISTS + 32)
    assert camera.m.read(BUFFERS, 8192) == \
        b"".join(pattern.lines(XRGB8888, 64, 64, 0)[0])[:8192]


@pytest.mark.parametrize("size", [4096, FRAME - 4096])
def test_short_list(camera, size):
    camera.setup()
    camera.queue([[(BUFFERS, size)]])
    expect_failure(camera, SHORT_LIST, LISTS + 16)


def test_short_list_of_the_second_plane(camera):
    camera.setup(64, 64, NV12, padding=4096)
    camera.queue([[(BUFFERS, 0x80000)], [(BUFFERS + 0x100000, 4096)]])
    expect_failure(camera, SHORT_LIST, LISTS + 32, plane=1)


def test_list_ends_with_the_last_pixel(camera):
    """The padding behind the last line needs no memory."""
    camera.setup(64, 64, padding=4096 - 256)
    camera.queue([[(BUFFERS, 64 * 4096)]])
    camera.queue([[(BUFFERS, 63 * 4096)]])
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert [camera.status(i).status for i in range(2)] == [DONE, SHORT_LIST]
    camera.disable()
    camera.setup(64, 64, padding=4096 - 256 + 64)
    camera.queue([[(BUFFERS, 64 * 4096)]])
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert camera.status(0).status == SHORT_LIST


def test_pieces_behind_the_end_are_ignored(camera):
    camera.setup()
    camera.queue([[(BUFFERS, FRAME), (13, 17)]])
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert camera.status(0).status == DONE


@pytest.mark.parametrize("addr", [0, LOW_END, 0x4_0000_0000, TOP - 16])
def test_list_outside_the_window(camera, addr):
    camera.setup()
    camera.put_desc(0, (addr, 0), (2, 0))
    camera.tail = 1
    expect_failure(camera, BUS_ERROR, addr)


def test_list_across_the_end_of_the_window(camera):
    camera.setup()
    camera.put_list([(BUFFERS, 4096)], at=LOW_END - 16)
    camera.put_desc(0, (LOW_END - 16, 0), (4, 0))
    camera.tail = 1
    expect_failure(camera, BUS_ERROR, LOW_END)


@pytest.mark.parametrize(("fmt", "lists", "counts", "reserved"), [
    (XRGB8888, (LISTS, 0), (0, 0), (0, 0)),
    (XRGB8888, (LISTS + 8, 0), (1, 0), (0, 0)),
    (XRGB8888, (LISTS, LISTS), (1, 0), (0, 0)),
    (XRGB8888, (LISTS, 0), (1, 1), (0, 0)),
    (XRGB8888, (LISTS, 0), (1, 0), (1, 0)),
    (XRGB8888, (LISTS, 0), (1, 0), (0, 1 << 31)),
    (NV12, (LISTS, 0), (1, 0), (0, 0)),
    (NV12, (LISTS, LISTS + 8), (1, 1), (0, 0)),
    (NV12, (LISTS, LISTS), (0, 1), (0, 0)),
])
def test_bad_descriptor(camera, fmt, lists, counts, reserved):
    camera.setup(fmt=fmt)
    camera.put_list([(BUFFERS, FRAME)])
    camera.put_desc(0, lists, counts, reserved)
    camera.tail = 1
    only_second_plane = counts[0] == 1 and lists[0] == LISTS and not any(reserved)
    expect_failure(camera, BAD_DESC, RING, plane=int(only_second_plane))


def test_failure_in_paced_mode_costs_one_frame_time(camera):
    camera.setup()
    camera.queue([[(0, FRAME)]])
    camera.queue(camera.buffer(1))
    camera.enable()
    camera.m.clock_step(20_000_000 - 1)
    assert [camera.status(i).sequence for i in range(2)] == [0, 1]
    assert [camera.status(i).status for i in range(2)] == [BUS_ERROR, DONE]
    assert camera.read(regs.CAM_DROPS) == 0


def halted(camera: Camera, addr: int) -> None:
    assert camera.read(regs.CAM_STATUS) == STATUS.HALTED
    assert camera.ack() & IRQ.BUS_ERROR
    assert camera.error == (RING_ERROR, addr)
    assert camera.read(regs.CAM_ERRORS) == 1
    camera.doorbell()
    camera.m.clock_step(100_000_000)
    assert camera.irqs == 0


@pytest.mark.parametrize("ring", [0x1000, LOW_END, 0x4_0000_0000, HIGH_END, (1 << 40) - 64])
@pytest.mark.parametrize("mode", [0, FREERUN])
def test_ring_outside_the_window_halts(camera, ring, mode):
    camera.setup(ring=ring)
    camera.write(regs.CAM_TAIL, 1)
    camera.enable(mode)
    camera.tail = 2
    halted(camera, ring)
    camera.disable()
    assert camera.read(regs.CAM_STATUS) == 0
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert camera.status(0).status == DONE


def test_ring_across_the_end_of_the_window(camera):
    camera.setup(ring=LOW_END - 2 * 64)
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    camera.tail = 3
    camera.doorbell()
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert [camera.status(i).status for i in range(2)] == [DONE, DONE]
    assert camera.read(regs.CAM_HEAD) == 2
    halted(camera, LOW_END)


def test_tail_may_not_leave_the_frame_in_flight(camera):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    camera.enable()
    camera.write(regs.CAM_TAIL, 0)
    assert camera.read(regs.CAM_TAIL) == 2
    assert camera.ack() & IRQ.CONFIG_ERROR
    camera.write(regs.CAM_TAIL, 1)
    camera.m.clock_step(15_000_000)
    assert camera.read(regs.CAM_HEAD) == 1
    assert camera.read(regs.CAM_DROPS) == 1
    assert camera.status(1).status == 0


@pytest.mark.parametrize("seed", range(4))
def test_fuzz(camera, seed):
    """Random registers, descriptors and lists: no crash, and a good frame afterwards."""
    rng = random.Random(seed)
    interesting = [0, 1, 3, 64, 0x40_0040, 256, 4096, 0xff, RING, LISTS, BUFFERS, LOW_END - 64,
                   0xffff_ffff, 10_000_000, 1_000_000, 2, 8]
    for _ in range(300):
        camera.setup(rng.choice([64, 640, 3840]), rng.choice([64, 66, 2160]), rng.randrange(3))
        for _ in range(rng.randrange(4)):
            camera.m.write(rng.choice([RING, LISTS]) + 8 * rng.randrange(64),
                           rng.randbytes(16) if rng.random() < .3 else
                           rng.choice(interesting).to_bytes(8, "little"))
        for _ in range(rng.randrange(5)):
            camera.write(4 * rng.randrange(0x40), rng.choice(interesting) if rng.random() < .7
                         else rng.getrandbits(32))
        camera.write(regs.CAM_TAIL, rng.randrange(8))
        camera.enable(*(bit for bit in (FREERUN, HASH) if rng.random() < .5))
        camera.m.clock_step(rng.choice([1, 1000, 3_000_000]))
        camera.write(regs.CAM_RECALL, rng.randrange(256))
        camera.disable()
    camera.write(regs.CAM_CTRL, regs.CAM_CTRL.RESET)
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.enable(FREERUN, HASH)
    camera.m.clock_step(1_000_000)
    assert camera.status(0).hash == pattern.frame_hash(pattern.lines(XRGB8888, 64, 64, 0))
