# SPDX-License-Identifier: GPL-2.0-or-later
"""Reset in mid-frame, and a machine saved in mid-frame that goes on elsewhere."""

import os
import struct
from pathlib import Path

import pytest
import xxhash

from harness.errors import QemuError
from harness.regs import camera as regs
from model import camera_pattern as pattern
from model.camera import NV12, RGB565, XRGB8888, Camera
from model.engine import refuse_snapshot
from model.y4m import write_clip

HASH = regs.CAM_CTRL.HASH
FREERUN = regs.CAM_CTRL.FREERUN
IRQ = regs.CAM_IRQ_STATUS
INTERVAL = 10_000_000
REGISTERS = [reg for reg in regs.registers.values() if reg.access != "wo"]


def start(camera: Camera, fmt: int, mode: int) -> None:
    camera.setup(130, 98, fmt, padding=16)
    if mode == FREERUN:
        camera.write(regs.CAM_DMA_RATE, 3)
    for i in range(4):
        camera.queue([[(addr + i, 4096) for i in range(0, length, 4096)]
                      for addr, length in (plane[0] for plane in camera.buffer(i))])
    camera.write(regs.CAM_RECALL, 2)
    camera.enable(HASH, mode)


def observe(camera: Camera) -> dict:
    """Everything a guest can see."""
    return {
        "registers": {reg.name: camera.read(reg) for reg in REGISTERS},
        "descriptors": [camera.status(i) for i in range(4)],
        "memory": [[xxhash.xxh64_hexdigest(plane) for plane in camera.picture(camera.buffer(i))]
                   for i in range(4)],
    }


@pytest.mark.parametrize("mode", [0, FREERUN])
@pytest.mark.parametrize("fmt", [XRGB8888, RGB565, NV12])
@pytest.mark.parametrize("when", [0, 4_100_000, 15_000_001])
def test_continues_after_migration(qtest, artifacts, fmt, mode, when):
    reference = Camera(qtest())
    start(reference, fmt, mode)
    saved = Camera(qtest())
    start(saved, fmt, mode)
    for camera in (reference, saved):
        if when:
            camera.m.clock_step(when)
        assert camera.read(regs.CAM_STATUS) & regs.CAM_STATUS.IN_FRAME
    snapshot = saved.m.save(artifacts / "state")

    resumed = Camera(qtest(incoming=snapshot))
    resumed.__dict__.update({k: v for k, v in saved.__dict__.items() if k != "m"})
    assert observe(resumed) == observe(reference)
    for camera in (reference, resumed):
        camera.queue(camera.buffer(4))
        camera.m.clock_step(60_000_000)
    assert observe(resumed) == observe(reference)
    done = [resumed.status(i) for i in (0, 1, 3)]
    assert [s.sequence for s in done] == [0, 1, 2]
    assert [s.hash for s in done] == \
        [pattern.frame_hash(pattern.lines(fmt, 130, 98, i)) for i in range(3)]


def test_clip_continues_after_migration(qtest, artifacts):
    write_clip(artifacts / "clip.y4m", 130, 98, frames=5)
    machine = f"camera0-file={artifacts / 'clip.y4m'}"
    reference, saved = Camera(qtest(machine=machine)), Camera(qtest(machine=machine))
    for camera in (reference, saved):
        start(camera, XRGB8888, 0)
        camera.m.clock_step(15_000_000)
    resumed = Camera(qtest(machine=machine, incoming=saved.m.save(artifacts / "state")))
    resumed.__dict__.update({k: v for k, v in saved.__dict__.items() if k != "m"})
    for camera in (reference, resumed):
        camera.m.clock_step(45_000_000)
    assert observe(resumed) == observe(reference)
    assert len({resumed.status(i).hash for i in (0, 1, 3)}) == 3


def test_other_clip_is_refused_at_migration(qtest, artifacts):
    write_clip(artifacts / "clip.y4m", 64, 64, frames=2)
    write_clip(artifacts / "other.y4m", 66, 64, frames=2)
    saved = qtest(machine=f"camera0-file={artifacts / 'clip.y4m'}")
    snapshot = saved.save(artifacts / "state")
    with pytest.raises(QemuError):
        qtest(machine=f"camera0-file={artifacts / 'other.y4m'}", incoming=snapshot)
    assert "Start both sides with the same camera clip" in (artifacts / "qemu2.log").read_text()


def test_clip_cut_during_migration_loses_the_frame(qtest, artifacts):
    clip = artifacts / "clip.y4m"
    write_clip(clip, 130, 98, frames=2)
    saved = Camera(qtest(machine=f"camera0-file={clip}"))
    start(saved, XRGB8888, 0)
    saved.m.clock_step(15_000_000)
    snapshot = saved.m.save(artifacts / "state")
    os.truncate(clip, clip.stat().st_size - 1)

    resumed = Camera(qtest(machine=f"camera0-file={clip}", incoming=snapshot))
    resumed.__dict__.update({k: v for k, v in saved.__dict__.items() if k != "m"})
    resumed.m.clock_step(2_000_000)
    assert resumed.status(1).status == regs.BATON_CAMERA_DESC_SOURCE
    assert resumed.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_TRUNCATED
    assert resumed.irqs & IRQ.SOURCE


# Where the fields of vmstate_camera lie in its section of a snapshot
SECTION_HEAD = len(b"baton-camera") + 2 * 4     # name, instance, version
REGS = SECTION_HEAD + 5 * 4 + 8                 # behind the source and the timer
FRAME = REGS + regs.CAM_ERR_ADDR_HI + 4 + 256 + 1 + 8 + 4 + 8
PATTERN, SLICE = FRAME + 1, FRAME + 8
PLANE = FRAME + 4 + 4 + 4 + 8 + 8 + (4 * 8 + 8 + 32)
COUNT, NEXT = PLANE + 8, PLANE + 12


def corrupt(path: Path, offset: int, value: int, size: int = 4) -> None:
    data = bytearray(path.read_bytes())
    section = data.index(b"baton-camera")
    assert data[section + REGS + regs.CAM_SIZE:][:4] == struct.pack(">I", 130 | 98 << 16)
    at = section + offset
    data[at:at + size] = value.to_bytes(size, "big")
    path.write_bytes(data)


@pytest.mark.parametrize(("offset", "value"), [
    (REGS + regs.CAM_CTRL, 0),                  # a frame, and yet disabled
    (REGS + regs.CAM_FORMAT, 15),
    (REGS + regs.CAM_SIZE, 130 | 8000 << 16),
    (REGS + regs.CAM_PITCH, 16),
    (REGS + regs.CAM_INTERVAL, 0),
    (REGS + regs.CAM_DMA_RATE, 0),
    (REGS + regs.CAM_RING_SIZE, 0),
    (REGS + regs.CAM_RING_SIZE, 0x400),
    (REGS + regs.CAM_HEAD, 8),
    (REGS + regs.CAM_TAIL, 8),
    (REGS + regs.CAM_TAIL, 1),                  # the one in flight is not the engine's
    (SLICE, 98 // 16 + 1),
    (COUNT, 0x10000),
    (NEXT, 0xffff),
])
def test_corrupt_snapshot_is_refused(qtest, artifacts, offset, value):
    """What no guest can set does not get into the machine."""
    camera = Camera(qtest())
    start(camera, XRGB8888, 0)
    camera.m.clock_step(15_000_000)
    assert camera.read(regs.CAM_HEAD) == 1
    snapshot = camera.m.save(artifacts / "state")
    corrupt(snapshot.path, offset, value)
    refuse_snapshot(snapshot, "baton-camera/frame in progress")


def test_snapshot_with_a_sensor_frame_needs_a_sensor(qtest, artifacts):
    camera = Camera(qtest())
    start(camera, XRGB8888, 0)
    camera.m.clock_step(15_000_000)
    snapshot = camera.m.save(artifacts / "state")
    corrupt(snapshot.path, PATTERN, 0, size=1)
    refuse_snapshot(snapshot, "baton-camera/frame in progress")


def check_fresh(camera: Camera) -> None:
    assert camera.read(regs.CAM_STATUS) == 0
    assert camera.read(regs.CAM_CTRL) == 0
    camera.m.clock_step(100_000_000)
    assert camera.irqs == 0
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.enable(HASH)
    camera.m.clock_step(INTERVAL - 1)
    assert camera.status(0).sequence == 0
    assert camera.status(0).hash == pattern.frame_hash(pattern.lines(XRGB8888, 64, 64, 0))


@pytest.mark.parametrize("mode", [0, FREERUN])
def test_reset_bit_in_mid_frame(camera, mode):
    camera.m.intercept_out("/machine/camera0")
    start(camera, XRGB8888, mode)
    camera.write(regs.CAM_IRQ_ENABLE, IRQ.FRAME_START)
    camera.m.clock_step(5_000_000)
    assert camera.m.irq()
    before = camera.picture(camera.buffer(0))
    camera.write(regs.CAM_CTRL, regs.CAM_CTRL.RESET)
    assert not camera.m.irq()
    camera.m.clock_step(100_000_000)
    assert camera.picture(camera.buffer(0)) == before
    assert camera.status(0).status == 0
    check_fresh(camera)


@pytest.mark.parametrize("mode", [0, FREERUN])
def test_system_reset_in_mid_frame(camera, mode):
    start(camera, XRGB8888, mode)
    camera.m.clock_step(5_000_000)
    assert camera.read(regs.CAM_STATUS) & regs.CAM_STATUS.IN_FRAME
    camera.m.qmp.cmd("system_reset")
    camera.m.qmp.wait_event("RESET")
    check_fresh(camera)
