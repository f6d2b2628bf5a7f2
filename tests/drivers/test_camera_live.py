# SPDX-License-Identifier: GPL-2.0-or-later
"""The camera driver with a live stream: what it tells of sizes, colours and the end."""

import os
import socket
from pathlib import Path

import pytest

from drivers.test_camera import ENC_601, FULL, LIMITED, SMPTE170M, SRGB, hardware_planes
from harness.v4l2 import EVENT_EOS, EVENT_SOURCE_CHANGE, V4l2
from model import y4m

REC709, ENC_709 = 3, 2
XFER_709, XFER_SRGB = 1, 2


class Live(V4l2):
    """A camera and the sender of its stream."""

    def __init__(self, guest, path: Path):
        super().__init__(guest)
        self._path = path
        self.stream = socket.socket(socket.AF_UNIX)
        for event in (EVENT_EOS, EVENT_SOURCE_CHANGE):
            self("subscribe", event)

    def open(self, width: int, height: int, params: str) -> None:
        """Begin a stream, and wait until the driver knows its size."""
        self.stream.close()
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.connect(str(self._path))
        self.stream.sendall(y4m.header(width, height, params))
        self.wait_event(EVENT_SOURCE_CHANGE)
        while self("sizes", "NV12") != [str(width), str(height)]:
            self.wait_event(EVENT_SOURCE_CHANGE)  # that the size is not known came first

    def wait_event(self, kind: int) -> None:
        while self("event")[0] != str(kind):
            pass  # each is taken once


@pytest.fixture
def live(boot, artifacts) -> Live:
    # Relative: the path of a socket has at most 107 characters.
    path = Path(os.path.relpath(artifacts / "stream.sock"))
    camera = Live(boot(machine="camera0-chardev=live", qemu_args=(
        "-chardev", f"socket,id=live,path={path},server=on,wait=off")), path)
    yield camera
    camera.stream.close()


def test_colors_are_those_of_the_stream(live):
    for width, height, params, colors in (
            (96, 72, "F30:1", (SMPTE170M, ENC_601, LIMITED)),
            (1280, 720, "F30:1", (REC709, ENC_709, LIMITED)),
            (1282, 720, "F30:1 XCOLORRANGE=FULL", (REC709, ENC_709, FULL)),
            (98, 72, "F30:1 XCOLORRANGE=FULL", (SMPTE170M, ENC_601, FULL))):
        live.open(width, height, params)
        for fourcc in ("NV12", "NM12"):
            assert live.try_format(fourcc, 0, 0).colors == (*colors, XFER_709)
        for fourcc in ("XR24", "RGBP"):
            assert live.try_format(fourcc, 0, 0).colors == (SRGB, ENC_601, FULL, XFER_SRGB)


def test_a_stream_cut_in_mid_frame_is_an_end(live):
    """After the frames before, which are whole; and the next stream has another size."""
    for width, height in ((96, 72), (64, 66)):
        live.open(width, height, "F30:1")
        fmt = live.set_format("NV12", 0, 0)
        live.start()
        for seed in range(3):
            picture = y4m.samples(width, height, seed)
            live.stream.sendall(y4m.frame(picture))
            frame = live.dequeue()
            assert not frame.failed
            assert hardware_planes(fmt, live.pixels(frame)) == y4m.nv12_lines(picture, width)
            live.queue(frame.buffer)
        live.stream.sendall(y4m.frame(picture)[:1000])
        live.stream.close()
        live.wait_event(EVENT_EOS)
        live.stop()
    assert live.guest.run("dmesg").stdout.count("frame that is cut short") == 2
