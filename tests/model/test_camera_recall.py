# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors taken back from the ring and given back to it."""

import pytest

from harness.regs import camera as regs
from model import camera_pattern as pattern
from model.camera import NV12, XRGB8888, Camera

WITHDRAWN = regs.BATON_CAMERA_RECALL_WITHDRAWN
IN_FLIGHT = regs.BATON_CAMERA_RECALL_IN_FLIGHT
NOT_OWNED = regs.BATON_CAMERA_RECALL_NOT_OWNED
RESTORED = regs.BATON_CAMERA_RECALL_RESTORED
NOT_WITHDRAWN = regs.BATON_CAMERA_RECALL_NOT_WITHDRAWN
FREERUN = regs.CAM_CTRL.FREERUN
INTERVAL = 10_000_000


@pytest.fixture
def four(camera: Camera) -> Camera:
    """Four descriptors queued, the engine off."""
    camera.setup()
    for i in range(4):
        camera.queue(camera.buffer(i))
    return camera


def recall(camera: Camera, index: int) -> int:
    camera.write(regs.CAM_RECALL, index)
    return camera.read(regs.CAM_RECALL_RESULT)


def restore(camera: Camera, index: int) -> int:
    camera.write(regs.CAM_RESTORE, index)
    return camera.read(regs.CAM_RECALL_RESULT)


def sequences(camera: Camera) -> list[int | None]:
    """Sequence number of each descriptor, None for one that was not written."""
    statuses = [camera.status(i) for i in range(4)]
    return [s.sequence if s.status else None for s in statuses]


def test_recall_before_start(four):
    assert recall(four, 2) == WITHDRAWN
    four.enable(FREERUN)
    four.m.clock_step(1_000_000)
    assert sequences(four) == [0, 1, None, 2]
    assert not any(four.picture(four.buffer(2))[0])
    assert four.read(regs.CAM_HEAD) == 4
    assert four.read(regs.CAM_FRAMES) == 3


def test_recall_during_a_frame(four):
    four.enable()
    four.m.clock_step(INTERVAL // 2)
    assert recall(four, 0) == IN_FLIGHT
    assert recall(four, 1) == WITHDRAWN
    four.m.clock_step(2 * INTERVAL)
    assert four.status(0).status == regs.BATON_CAMERA_DESC_DONE
    assert four.lines(four.buffer(0)) == pattern.lines(XRGB8888, 64, 64, 0)
    assert recall(four, 0) == NOT_OWNED
    assert recall(four, 1) == NOT_OWNED
    four.m.clock_step(2 * INTERVAL)
    assert sequences(four) == [0, None, 1, 2]


def test_recall_twice_and_restore(four):
    assert recall(four, 1) == WITHDRAWN
    assert recall(four, 1) == WITHDRAWN
    assert restore(four, 1) == RESTORED
    assert restore(four, 1) == NOT_WITHDRAWN
    assert restore(four, 5) == NOT_OWNED
    assert recall(four, 4) == NOT_OWNED
    assert recall(four, 255) == NOT_OWNED
    four.enable(FREERUN)
    assert restore(four, 0) == NOT_WITHDRAWN
    four.m.clock_step(1_000_000)
    assert sequences(four) == [0, 1, 2, 3]


def test_restored_descriptor_is_read_anew(four):
    """How a buffer moves while the camera streams."""
    four.enable()
    four.m.clock_step(INTERVAL // 2)
    assert recall(four, 2) == WITHDRAWN
    four.m.clock_step(INTERVAL)
    moved = [[(addr + 0x100_0000, length) for addr, length in four.buffer(2)[0]]]
    four.put_desc(2, (four.put_list(moved[0]), 0), (1, 0))
    assert restore(four, 2) == RESTORED
    four.m.clock_step(2 * INTERVAL)
    assert sequences(four)[:3] == [0, 1, 2]
    assert four.lines(moved) == pattern.lines(XRGB8888, 64, 64, 2)
    assert not any(four.picture(four.buffer(2))[0])


def test_all_withdrawn_is_a_drop(four):
    for i in range(4):
        assert recall(four, i) == WITHDRAWN
    four.enable()
    four.m.clock_step(INTERVAL // 2)
    assert four.read(regs.CAM_DROPS) == 1
    assert four.read(regs.CAM_HEAD) == four.read(regs.CAM_TAIL)
    assert restore(four, 3) == NOT_OWNED


def test_restore_wakes_an_idle_engine(four):
    four.enable(FREERUN)
    for i in range(1, 4):
        assert recall(four, i) == WITHDRAWN
    assert restore(four, 3) == RESTORED
    four.m.clock_step(1_000_000)
    assert sequences(four) == [0, None, None, 1]


def test_recall_across_the_wrap(camera):
    camera.setup(entries=4)
    camera.enable(FREERUN)
    for i in range(3):
        camera.queue(camera.buffer(i))
        camera.m.clock_step(1_000_000)
    camera.disable()
    for i in range(3):
        camera.queue(camera.buffer(i))
    assert recall(camera, 2) == NOT_OWNED
    assert recall(camera, 0) == WITHDRAWN
    assert recall(camera, 1) == WITHDRAWN
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert camera.status(3).sequence == 0
    assert camera.read(regs.CAM_HEAD) == 2


def test_mark_does_not_outlive_the_ownership(four):
    """TAIL moved back over a withdrawn entry, then forward again: it is queued."""
    assert recall(four, 3) == WITHDRAWN
    four.write(regs.CAM_TAIL, 3)
    four.write(regs.CAM_TAIL, 4)
    assert restore(four, 3) == NOT_WITHDRAWN
    assert recall(four, 2) == WITHDRAWN
    four.write(regs.CAM_RING_SIZE, 8)
    four.write(regs.CAM_TAIL, 4)
    assert restore(four, 2) == NOT_WITHDRAWN


def test_mark_survives_stop_and_start(four):
    assert recall(four, 1) == WITHDRAWN
    four.enable()
    four.disable()
    assert restore(four, 1) == RESTORED
    assert recall(four, 1) == WITHDRAWN
    four.enable(FREERUN)
    four.m.clock_step(1_000_000)
    assert sequences(four) == [0, None, 1, 2]


def test_recall_of_a_two_plane_frame(camera):
    camera.setup(fmt=NV12)
    camera.queue(camera.buffer(0))
    camera.queue(camera.buffer(1))
    camera.enable()
    assert recall(camera, 0) == IN_FLIGHT
    assert recall(camera, 1) == WITHDRAWN
    camera.m.clock_step(2 * INTERVAL)
    assert camera.lines(camera.buffer(0)) == pattern.lines(NV12, 64, 64, 0)
    assert not any(camera.picture(camera.buffer(1))[0])
