# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded clip as the sensor."""

from pathlib import Path

import pytest

from harness.devicetree import machine_size
from harness.paths import dtb
from harness.process import refusal
from harness.regs import camera as regs
from model import camera_pattern as pattern
from model import y4m
from model.camera import NV12, RGB565, XRGB8888, Camera

DONE = regs.BATON_CAMERA_DESC_DONE
SOURCE = regs.BATON_CAMERA_DESC_SOURCE
IRQ = regs.CAM_IRQ_STATUS
FREERUN = regs.CAM_CTRL.FREERUN
HASH = regs.CAM_CTRL.HASH
PATTERN = regs.CAM_CTRL.PATTERN
INTERVAL = 10_000_000


@pytest.fixture
def clip(artifacts: Path) -> Path:
    return artifacts / "clip.y4m"


def with_clip(qtest, clip: Path, options: str = "") -> Camera:
    return Camera(qtest(machine=f"camera0-file={clip}{options}"))


def run(camera: Camera, frames: int, *bits: int) -> list[int]:
    """Capture FRAMES into buffers 0..; their status codes."""
    for i in range(frames):
        camera.queue(camera.buffer(i))
    camera.enable(FREERUN, HASH, *bits)
    camera.m.clock_step(1_000_000_000)
    return [camera.status(i).status for i in range(frames)]


def test_sensor_registers(qtest, clip):
    y4m.write_clip(clip, 130, 98, 2, "F30000:1001 I? A0:0 C420mpeg2 XCOLORRANGE=FULL XOTHER")
    camera = with_clip(qtest, clip)
    assert camera.read(regs.CAM_CAPS) & regs.CAM_CAPS.SOURCE
    assert camera.read(regs.CAM_SRC_KIND) == regs.BATON_CAMERA_SRC_CLIP
    assert camera.read(regs.CAM_SRC_SIZE) == 130 | 98 << 16
    assert camera.read(regs.CAM_SRC_INTERVAL) == 33_366_666
    assert camera.read(regs.CAM_SRC_COLOR) == \
        regs.BATON_COLOR_BT601 | regs.CAM_SRC_COLOR.FULL_RANGE
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_OK


def test_encoding_of_large_frames(qtest, clip):
    y4m.write_clip(clip, 64, 720, 1)
    assert with_clip(qtest, clip).read(regs.CAM_SRC_COLOR) == regs.BATON_COLOR_BT709


def test_nv12_is_the_samples(qtest, clip):
    frames = y4m.write_clip(clip, 130, 98, 3)
    camera = with_clip(qtest, clip)
    camera.setup(130, 98, NV12)
    assert run(camera, 3) == [DONE] * 3
    for i, samples in enumerate(frames):
        lines = camera.lines(camera.buffer(i))
        assert lines == y4m.nv12_lines(samples, 130)
        assert camera.status(i).hash == pattern.frame_hash(lines)


@pytest.mark.parametrize("fmt", [XRGB8888, RGB565])
@pytest.mark.parametrize(("height", "params", "standard", "full"), [
    (98, "C420", 601, False), (98, "C420 XCOLORRANGE=FULL", 601, True),
    (720, "C420", 709, False), (720, "C420 XCOLORRANGE=FULL", 709, True),
])
def test_rgb_by_the_standard(qtest, clip, fmt, height, params, standard, full):
    """Within one step of what the standard's definition gives."""
    samples, = y4m.write_clip(clip, 70, height, 1, params)
    camera = with_clip(qtest, clip)
    camera.setup(70, height, fmt)
    assert run(camera, 1) == [DONE]
    lines, = camera.lines(camera.buffer(0))
    for y in (0, 1, 2, 33, height - 2, height - 1):
        wanted = y4m.rgb_line(samples, 70, y, standard, full)
        for got, rgb in zip(y4m.unpack_line(fmt, lines[y]), wanted, strict=True):
            if fmt == XRGB8888:
                assert all(abs(a - b) <= 1 for a, b in zip(got, rgb, strict=True)), (y, got, rgb)
            else:
                near = [{min(255, max(0, c + d)) >> shift for d in (-1, 0, 1)}
                        for c, shift in zip(rgb, (3, 2, 3), strict=True)]
                assert all(a in b for a, b in zip(got, near, strict=True)), (y, got, rgb)


def test_clip_starts_again(qtest, clip):
    frames = y4m.write_clip(clip, 64, 64, 3)
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    assert run(camera, 7) == [DONE] * 7
    for i in range(7):
        assert camera.lines(camera.buffer(i)) == y4m.nv12_lines(frames[i % 3], 64)
    camera.disable()
    camera.queue(camera.buffer(7))
    camera.enable(FREERUN)
    camera.m.clock_step(1_000_000)
    assert camera.lines(camera.buffer(7)) == y4m.nv12_lines(frames[0], 64)


def test_paced_clip_skips_what_was_dropped(qtest, clip):
    """A clip goes on in time: what was not captured is gone."""
    frames = y4m.write_clip(clip, 64, 64, 5)
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    camera.enable()
    camera.m.clock_step(2 * INTERVAL + 1)
    camera.queue(camera.buffer(0))
    camera.m.clock_step(2 * INTERVAL - 2)
    assert camera.status(0).sequence == 3
    assert camera.lines(camera.buffer(0)) == y4m.nv12_lines(frames[3], 64)


def test_clip_without_loop_ends(qtest, clip):
    y4m.write_clip(clip, 64, 64, 2)
    camera = with_clip(qtest, clip, ",camera0-loop=off")
    camera.setup(64, 64, NV12)
    for i in range(4):
        camera.queue(camera.buffer(i))
    camera.enable()
    camera.m.clock_step(2 * INTERVAL - 1)
    assert not camera.ack() & IRQ.SOURCE
    camera.m.clock_step(2 * INTERVAL)
    assert camera.ack() == IRQ.SOURCE | IRQ.DROP
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_END
    assert camera.read(regs.CAM_FRAMES) == 2
    assert camera.read(regs.CAM_DROPS) == 2
    assert camera.read(regs.CAM_HEAD) == 2
    camera.disable()
    camera.enable()
    assert camera.ack() == IRQ.SOURCE | IRQ.FRAME_START
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_OK


def test_size_must_be_the_sensors(qtest, clip):
    y4m.write_clip(clip, 64, 66, 1)
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    camera.enable()
    assert camera.read(regs.CAM_CTRL) == 0
    assert camera.error == (regs.BATON_CAMERA_DESC_BAD_CONFIG, regs.CAM_SIZE)
    assert run(camera, 1, PATTERN) == [DONE]
    assert camera.lines(camera.buffer(0)) == pattern.lines(NV12, 64, 64, 0)


def test_largest_clip(qtest, clip):
    frames = y4m.write_clip(clip, 3840, 2160, 1)
    camera = with_clip(qtest, clip)
    camera.setup(3840, 2160, NV12)
    assert run(camera, 1) == [DONE]
    assert camera.lines(camera.buffer(0)) == y4m.nv12_lines(frames[0], 3840)


def test_frame_parameters_are_skipped(qtest, clip):
    frames = [y4m.samples(64, 64, seed) for seed in range(3)]
    clip.write_bytes(y4m.header(64, 64) + y4m.frame(frames[0]) + y4m.frame(frames[1], " Ip XA=b")
                     + y4m.frame(frames[2], " Xcomment"))
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    assert run(camera, 3) == [DONE] * 3
    for i in range(3):
        assert camera.lines(camera.buffer(i)) == y4m.nv12_lines(frames[i], 64)


@pytest.mark.parametrize("cut", [1, 6000, 64 * 96, 64 * 96 + 3])
def test_last_frame_cut_off(qtest, clip, cut):
    """CUT bytes are missing, the last ones of the samples or the header too."""
    frames = y4m.write_clip(clip, 64, 64, 3)
    clip.write_bytes(clip.read_bytes()[:-cut])
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    for i in range(4):
        camera.queue(camera.buffer(i))
    camera.enable(HASH)
    camera.m.clock_step(3 * INTERVAL - 1)
    assert [camera.status(i).status for i in range(3)] == [DONE, DONE, SOURCE]
    assert camera.status(2).hash == 0
    assert camera.ack() & IRQ.SOURCE
    assert camera.error == (SOURCE, 0)
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_TRUNCATED
    assert camera.read(regs.CAM_ERRORS) == 1
    camera.m.clock_step(INTERVAL)
    assert camera.lines(camera.buffer(3)) == y4m.nv12_lines(frames[0], 64)
    assert camera.read(regs.CAM_SRC_STATUS) == regs.BATON_CAMERA_SRC_OK


def test_file_shrinks_while_running(qtest, clip):
    y4m.write_clip(clip, 64, 64, 3)
    camera = with_clip(qtest, clip)
    camera.setup(64, 64, NV12)
    for i in range(3):
        camera.queue(camera.buffer(i))
    camera.enable()
    camera.m.clock_step(INTERVAL // 2)
    with clip.open("r+b") as file:
        file.truncate(1000)
    camera.m.clock_step(3 * INTERVAL)
    assert [camera.status(i).status for i in range(3)] == [DONE, SOURCE, SOURCE]


def refused(clip: Path | str, options: str = "", args: tuple = ()) -> str:
    memory, cpus = machine_size(dtb("baton"))
    status, message = refusal(
        ["-M", f"baton,camera0-file={clip}{options}", "-dtb", dtb("baton"), "-m",
         f"{memory >> 20}M", "-smp", str(cpus), "-accel", "qtest", "-display", "none", *args])
    assert status == 1
    assert message.count("\n") == 0
    return message


FRAME64 = y4m.frame(y4m.samples(64, 64, 0))


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "not a YUV4MPEG2 stream"),
    (b"\x89PNG\r\n\x1a\n", "not a YUV4MPEG2 stream"),
    (b"YUV4MPEG2 W64 H64 C420", "not a YUV4MPEG2 stream"),
    (y4m.header(64, 64), "has no frames"),
    (y4m.header(64, 64, "C422") + FRAME64, "chroma format '422' is not 8 bit 4:2:0"),
    (y4m.header(64, 64, "C420p10") + FRAME64, "chroma format '420p10'"),
    (y4m.header(64, 64, "It C420") + FRAME64, "only progressive"),
    (y4m.header(64, 64, "F30") + FRAME64, "bad YUV4MPEG2 header parameter 'F30'"),
    (y4m.header(64, 64, "Q1") + FRAME64, "bad YUV4MPEG2 header parameter 'Q1'"),
    (b"YUV4MPEG2 Wx H64\n" + FRAME64, "bad YUV4MPEG2 header parameter 'Wx'"),
    (b"YUV4MPEG2 W-64 H64\n" + FRAME64, "bad YUV4MPEG2 header parameter 'W-64'"),
    (b"YUV4MPEG2 W99999999999 H64\n" + FRAME64, "bad YUV4MPEG2 header parameter"),
    (b"YUV4MPEG2 H64\n" + FRAME64, "frame size 0x64"),
    (y4m.header(3842, 64) + FRAME64, "frame size 3842x64"),
    (y4m.header(64, 2162) + FRAME64, "frame size 64x2162"),
    (y4m.header(65, 64) + FRAME64, "frame size 65x64: must be even"),
    (y4m.header(62, 64) + FRAME64, "frame size 62x64"),
    (y4m.header(64, 64) + FRAME64 + b"FRANE\n" + FRAME64, "after 1 frames"),
    (y4m.header(64, 64) + b"FRAME" + FRAME64, "no frame header"),
    (y4m.header(64, 64, "X" + "y" * 2000) + FRAME64, "not a YUV4MPEG2 stream"),
])
def test_malformed_file_is_refused(clip, content, reason):
    clip.write_bytes(content)
    message = refused(clip)
    assert reason in message
    assert str(clip) in message


def test_missing_file_is_refused(clip):
    assert "No such file" in refused(clip)


def test_directory_is_refused(clip):
    assert "not a regular file" in refused(clip.parent)


def test_file_and_stream_are_refused(clip):
    y4m.write_clip(clip, 64, 64, 1)
    assert "not both" in refused(clip, ",camera0-chardev=live",
                                 ("-chardev", "socket,id=live,path=live,server=on,wait=off"))


def test_each_camera_has_its_own_clip(qtest, artifacts):
    first = y4m.write_clip(artifacts / "first.y4m", 64, 64, 1)
    second = y4m.write_clip(artifacts / "second.y4m", 66, 64, 2)
    m = qtest(dtb="baton-dual", machine=f"camera0-file={artifacts / 'first.y4m'},"
                                        f"camera1-file={artifacts / 'second.y4m'}")
    for base, width, frames, buffer in ((0x3000_0000, 64, first, 0), (0x3001_0000, 66, second, 1)):
        camera = Camera(m, base)
        camera.setup(width, 64, NV12)
        camera.queue(camera.buffer(buffer))
        camera.enable(FREERUN)
        m.clock_step(1_000_000)
        assert camera.lines(camera.buffer(buffer)) == y4m.nv12_lines(frames[0], width)
