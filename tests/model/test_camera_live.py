# SPDX-License-Identifier: GPL-2.0-or-later
"""A live stream on a socket as the sensor."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from qemu.qmp import ExecuteError

from harness.devicetree import machine_size
from harness.paths import dtb
from harness.process import refusal
from harness.regs import camera as regs
from model import y4m
from model.camera import NV12, Camera

IRQ = regs.CAM_IRQ_STATUS
FREERUN = regs.CAM_CTRL.FREERUN
INTERVAL = 10_000_000
HEADER = y4m.header(64, 64, "F25:1 Ip C420")
FRAMES = [y4m.samples(64, 64, seed) for seed in range(6)]


class Live:
    """A camera and the sender of its stream."""

    def __init__(self, camera: Camera, path: Path):
        self.camera = camera
        self._path = path
        self.socket: socket.socket

    def connect(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(self._path))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def close(self) -> None:
        self.socket.close()

    def wait(self, condition: Callable[[], bool]) -> None:
        """What the stream does comes in host time."""
        deadline = time.monotonic() + 30
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.002)

    def wait_state(self, state: int) -> None:
        self.wait(lambda: self.camera.read(regs.CAM_SRC_STATUS) == state)
        assert self.camera.ack() & IRQ.SOURCE

    def wait_frames(self, count: int) -> None:
        """Free running: COUNT frames in memory."""
        def arrived() -> bool:
            self.camera.m.clock_step(1_000_000)
            return self.camera.read(regs.CAM_FRAMES) == count
        self.wait(arrived)


@pytest.fixture
def live(qtest, tmp_path) -> Live:
    # Relative: the path of a socket has at most 107 characters.
    path = Path(os.path.relpath(tmp_path / "stream"))
    m = qtest(machine="camera0-chardev=live",
              args=["-chardev", f"socket,id=live,path={path},server=on,wait=off"])
    live = Live(Camera(m), path)
    live.connect()
    return live


def captured(live: Live, buffer: int) -> int:
    """Which of FRAMES a buffer holds."""
    lines = live.camera.lines(live.camera.buffer(buffer))
    return [y4m.nv12_lines(frame, 64) for frame in FRAMES].index(lines)


def setup(live: Live, buffers: int, *bits: int) -> None:
    """Wait for the size, then start with BUFFERS queued."""
    live.wait(lambda: live.camera.read(regs.CAM_SRC_SIZE) == 64 | 64 << 16)
    live.camera.setup(64, 64, NV12)
    for i in range(buffers):
        live.camera.queue(live.camera.buffer(i))
    live.camera.enable(*bits)


def test_header_comes_first(live):
    camera = live.camera
    assert camera.read(regs.CAM_SRC_KIND) == regs.BATON_CAMERA_SRC_LIVE
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_WAITING
    assert camera.read(regs.CAM_SRC_SIZE) == 0
    camera.setup(64, 64, NV12)
    camera.enable()
    assert camera.error == (regs.BATON_CAMERA_DESC_BAD_CONFIG, regs.CAM_SIZE)
    live.send(HEADER)
    setup(live, 1)
    assert camera.read(regs.CAM_SRC_INTERVAL) == 40_000_000
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_WAITING
    assert camera.read(regs.CAM_DROPS) == 1


def test_free_running_shows_each_frame_once(live):
    live.send(HEADER)
    setup(live, 6, FREERUN)
    for i in range(4):
        live.send(y4m.frame(FRAMES[i]))
        live.wait_frames(i + 1)
    live.camera.m.clock_step(1_000_000_000)
    assert [captured(live, i) for i in range(4)] == [0, 1, 2, 3]
    assert live.camera.read(regs.CAM_FRAMES) == 4
    assert live.camera.read(regs.CAM_DROPS) == 0


def test_paced_frames_and_drops(live):
    live.send(HEADER)
    setup(live, 4)
    live.send(y4m.frame(FRAMES[2]))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    live.camera.m.clock_step(3 * INTERVAL)
    assert live.camera.status(0).sequence == 1
    assert captured(live, 0) == 2
    assert live.camera.read(regs.CAM_DROPS) == 3
    assert live.camera.read(regs.CAM_HEAD) == 1


def test_latest_frame_wins(live):
    live.send(HEADER + b"".join(map(y4m.frame, FRAMES[:5])))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    live.send(y4m.frame(FRAMES[5])[:10])    # with this in the buffer, all before has arrived
    live.close()
    live.wait_state(regs.BATON_CAMERA_SRC_TRUNCATED)
    setup(live, 2)
    live.camera.m.clock_step(2 * INTERVAL)
    assert captured(live, 0) == 4
    assert live.camera.read(regs.CAM_FRAMES) == 1


def test_stream_waits_while_a_frame_is_read(live):
    """Frames that come during a frame are not lost and do not disturb it."""
    live.send(HEADER)
    setup(live, 4, FREERUN)
    live.camera.write(regs.CAM_DMA_RATE, 1)
    live.send(y4m.frame(FRAMES[0]))
    status = regs.CAM_STATUS
    live.wait(lambda: bool(live.camera.read(status) & status.IN_FRAME))
    live.send(y4m.frame(FRAMES[1]) + y4m.frame(FRAMES[2]))
    live.wait_frames(3)
    assert [captured(live, i) for i in range(3)] == [0, 1, 2]


def test_vanishing_stream(live):
    """Cut in mid-frame, while the engine runs; a new connection starts afresh."""
    live.send(HEADER)
    setup(live, 4)
    live.send(y4m.frame(FRAMES[0]))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    live.camera.m.clock_step(INTERVAL)
    live.send(y4m.frame(FRAMES[1])[:3000])
    live.close()
    live.wait_state(regs.BATON_CAMERA_SRC_TRUNCATED)
    live.camera.m.clock_step(5 * INTERVAL)
    assert live.camera.read(regs.CAM_FRAMES) == 1
    assert live.camera.read(regs.CAM_DROPS) == 6

    live.connect()
    live.wait_state(regs.BATON_CAMERA_SRC_WAITING)
    live.send(HEADER + y4m.frame(FRAMES[3]))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    live.camera.m.clock_step(2 * INTERVAL)
    assert captured(live, 1) == 3
    live.close()
    live.wait_state(regs.BATON_CAMERA_SRC_END)


def test_engine_in_mid_frame_when_the_stream_vanishes(live):
    live.send(HEADER)
    setup(live, 2, FREERUN)
    live.camera.write(regs.CAM_DMA_RATE, 1)
    live.send(y4m.frame(FRAMES[0]))
    status = regs.CAM_STATUS
    live.wait(lambda: bool(live.camera.read(status) & status.IN_FRAME))
    live.close()
    live.wait_state(regs.BATON_CAMERA_SRC_END)
    live.wait_frames(1)
    assert captured(live, 0) == 0


@pytest.mark.parametrize(("data", "state"), [
    (b"GARBAGE" * 1000, regs.BATON_CAMERA_SRC_MALFORMED),
    (b"not a stream\n", regs.BATON_CAMERA_SRC_MALFORMED),
    (HEADER + y4m.frame(FRAMES[0]) + b"FRONT\n", regs.BATON_CAMERA_SRC_MALFORMED),
    (HEADER + bytes(10_000), regs.BATON_CAMERA_SRC_MALFORMED),
    (y4m.header(64, 64, "C444"), regs.BATON_CAMERA_SRC_UNSUPPORTED),
    (y4m.header(8192, 64), regs.BATON_CAMERA_SRC_UNSUPPORTED),
    (y4m.header(63, 64), regs.BATON_CAMERA_SRC_UNSUPPORTED),
])
def test_bad_stream_is_reported_and_left(live, data, state):
    live.send(data)
    live.wait_state(state)
    assert live.camera.read(regs.CAM_SRC_SIZE) == 0
    assert "camera0: live stream: " in live.camera.m.log
    live.send(y4m.header(64, 64) + y4m.frame(FRAMES[0]) * 20)   # ignored, and not stuck
    live.close()
    live.connect()
    live.wait_state(regs.BATON_CAMERA_SRC_WAITING)
    live.send(HEADER + y4m.frame(FRAMES[1]))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    setup(live, 1)
    live.camera.m.clock_step(INTERVAL)
    assert captured(live, 0) == 1


def test_new_size_on_a_running_camera(live):
    live.send(HEADER)
    setup(live, 4)
    live.close()
    live.wait_state(regs.BATON_CAMERA_SRC_END)
    live.connect()
    live.wait_state(regs.BATON_CAMERA_SRC_WAITING)
    live.send(y4m.header(128, 96) + y4m.frame(y4m.samples(128, 96, 0)))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    assert live.camera.read(regs.CAM_SRC_SIZE) == 128 | 96 << 16
    live.camera.m.clock_step(3 * INTERVAL)
    assert live.camera.read(regs.CAM_FRAMES) == 0
    assert live.camera.read(regs.CAM_DROPS) == 4


def test_reset_keeps_the_stream(live):
    live.send(HEADER + y4m.frame(FRAMES[0]))
    live.wait_state(regs.BATON_CAMERA_SRC_OK)
    live.camera.write(regs.CAM_CTRL, regs.CAM_CTRL.RESET)
    assert live.camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_OK
    setup(live, 1)
    live.camera.m.clock_step(INTERVAL)
    assert captured(live, 0) == 0


def test_stream_blocks_migration(live, artifacts):
    with pytest.raises(ExecuteError, match="live stream, which cannot be migrated"):
        live.camera.m.save(artifacts / "state")


def test_stream_refuses_record(artifacts):
    memory, cpus = machine_size(dtb("baton-uni"))
    status, message = refusal(
        ["-M", "baton,camera0-chardev=live", "-dtb", dtb("baton-uni"), "-m", f"{memory >> 20}M",
         "-smp", str(cpus), "-display", "none", "-nodefaults",
         "-chardev", f"socket,id=live,path={os.path.relpath(artifacts / 's')},server=on,wait=off",
         "-icount", f"shift=7,rr=record,rrfile={artifacts / 'log'}"])
    assert status == 1
    assert "cannot be recorded or replayed" in message
