# SPDX-License-Identifier: GPL-2.0-or-later
"""The camera driver: formats, frames, errors, life and death."""

import pytest
import xxhash

from harness.guest import KERNEL_ARGS, Guest
from harness.polling import until
from harness.v4l2 import (
    EVENT_EOS,
    EVENT_FRAME_SYNC,
    FREE_RUNNING,
    TEST_PATTERN,
    Format,
    V4l2,
)
from machine.tree import CAMERA_BUS, DISPLAY, DISPLAY_BUS, Tree
from model import camera_pattern, y4m
from model.camera import NV12, RGB565, XRGB8888

PIXEL = {"XR24": XRGB8888, "RGBP": RGB565, "NV12": NV12, "NM12": NV12}
BYTES = {"XR24": 4, "RGBP": 2, "NV12": 1, "NM12": 1}
ENTITY_SENSOR, ENTITY_IO = 0x20001, 0x10001
LINK_ENABLED, LINK_IMMUTABLE = 1, 2
SRGB, SMPTE170M, ENC_601, FULL, LIMITED = 8, 1, 1, 1, 2
# icount makes guest time independent of the host
EXACT_TIME = {"qemu_args": ("-icount", "shift=3,sleep=off")}


@pytest.fixture
def camera(guest: Guest) -> V4l2:
    return V4l2(guest)


def pattern(fmt: Format, sequence: int) -> list[list[bytes]]:
    return camera_pattern.lines(PIXEL[fmt.fourcc], fmt.width, fmt.height, sequence)


def hardware_planes(fmt: Format, memory: list[bytes]) -> list[list[bytes]]:
    """The lines of each plane as they lie in the memory planes of a frame."""
    chroma_lines = fmt.height // 2 if fmt.fourcc in ("NV12", "NM12") else 0
    if chroma_lines and len(memory) == 1:
        luma = fmt.pitches[0] * fmt.height
        memory = [memory[0][:luma], memory[0][luma:]]
    line = fmt.width * BYTES[fmt.fourcc]
    pitches = fmt.pitches * 2
    return [[plane[y * pitch:y * pitch + line] for y in range(count)]
            for plane, pitch, count in
            zip(memory, pitches, (fmt.height, chroma_lines), strict=False)]


def check_frames(camera: V4l2, count: int, skip: int = 0) -> list[int]:
    """Capture COUNT frames and compare their memory with the pattern; the sequences."""
    sequences = []
    for _ in range(count + skip):
        frame = camera.dequeue()
        assert not frame.failed
        if len(sequences) >= skip:
            planes = hardware_planes(camera.format, camera.pixels(frame))
            assert planes == pattern(camera.format, frame.sequence)
        sequences.append(frame.sequence)
        camera.queue(frame.buffer)
    assert sequences == sorted(set(sequences))
    return sequences


def test_enumerates_what_it_can_do(camera: V4l2):
    assert camera("formats") == ["XR24", "RGBP", "NV12", "NM12"]
    assert camera("sizes", "XR24") == ["64", "3840", "2", "64", "2160", "2"]
    assert camera.refused("sizes", "YUYV") == "EINVAL"
    assert camera("control", TEST_PATTERN) == ["1"]  # no sensor: only the pattern
    assert camera.refused("control", TEST_PATTERN, 0) == "EINVAL"


def test_media_graph(camera: V4l2):
    """A sensor whose one link to the video node nobody can change."""
    *entities, link = camera("topology", "/dev/media0")
    assert sorted(int(function, 0) for function in entities) == [ENTITY_IO, ENTITY_SENSOR]
    pads, flags = link.split("=")
    assert len(set(pads.split(">"))) == 2
    assert int(flags, 0) == LINK_ENABLED | LINK_IMMUTABLE


def test_size_is_fitted(camera: V4l2):
    for fourcc, width, height, fitted in (
            ("XR24", 63, 1, (64, 64)), ("XR24", 65, 67, (66, 68)),
            ("XR24", 9999, 9999, (3840, 2160)), ("YUYV", 640, 480, (640, 480))):
        fmt = camera.try_format(fourcc, width, height)
        assert (fmt.fourcc, fmt.width, fmt.height) == ("XR24", *fitted)


def test_pitch_is_fitted(camera: V4l2):
    for fourcc, width, height, pitch, pitches, sizes in (
            ("XR24", 70, 64, 0, (288,), (288 * 64,)),
            ("XR24", 70, 64, 320, (320,), (320 * 64,)),
            ("RGBP", 70, 64, 1, (144,), (144 * 64,)),
            ("XR24", 64, 64, 1 << 20, (65520,), (65520 * 64,)),
            # The CbCr plane begins on a page.
            ("NV12", 1920, 1080, 0, (2048,), (2048 * 1620,)),
            ("NV12", 1280, 720, 0, (1280,), (1280 * 1080,)),
            ("NV12", 66, 66, 0, (2048,), (2048 * 99,)),
            ("NM12", 70, 66, 0, (80, 80), (80 * 66, 80 * 33))):
        fmt = camera.try_format(fourcc, width, height, pitch)
        assert (fmt.pitches, fmt.sizes) == (pitches, sizes)


def test_colors_are_filled_in(camera: V4l2):
    assert camera.try_format("XR24", 64, 64).colors[::2] == (SRGB, FULL)
    assert camera.try_format("NV12", 64, 64).colors[:3] == (SMPTE170M, ENC_601, LIMITED)


@pytest.mark.parametrize("fourcc", ["XR24", "RGBP", "NV12", "NM12"])
def test_pixels_are_right(camera: V4l2, fourcc):
    for size in ((64, 64), (98, 66)):
        camera.set_format(fourcc, *size)
        camera.start()
        check_frames(camera, 6)
        camera.stop()


def test_hash_is_that_of_the_memory(camera: V4l2):
    camera.write("hash", 1)
    camera.set_format("XR24", 640, 480)
    camera.start()
    for _ in range(3):
        frame = camera.dequeue()
        (memory,) = camera.pixels(frame)
        entry = next(e for e in camera.log() if e.sequence == frame.sequence)
        assert entry.hash == xxhash.xxh64_intdigest(memory)
        assert entry.time_ns // 1000 == frame.time_ns // 1000
        assert (entry.status, entry.buffer) == (1, frame.buffer)
        camera.queue(frame.buffer)


def test_export_outlives_the_queue(camera: V4l2):
    camera.set_format("XR24", 64, 64)
    camera.start()
    frame = camera.dequeue()
    fd = camera.number("export", frame.buffer, 0)
    second = camera.number("export", frame.buffer, 0)
    assert second != fd
    size = camera.format.sizes[0]
    camera.stop()
    camera.set_format("XR24", 128, 128)
    camera.start()
    camera.dequeue()
    expected = b"".join(pattern(Format("XR24", 64, 64, (), (256,), (size,)), frame.sequence)[0])
    assert camera.dma_buf(fd, size) == expected
    assert camera.dma_buf(second, size) == expected


@pytest.mark.parametrize("source", ["scattered", "heap system"])
def test_import_of_scattered_memory(camera: V4l2, source):
    for fourcc in ("XR24", "NV12", "NM12"):
        check_import(camera, source, fourcc)
        camera.stop()


def check_import(camera: V4l2, source: str, fourcc: str) -> None:
    fmt = camera.set_format(fourcc, 320, 256)
    camera.write("hash", 1)
    sizes = [-(-size // 4096) * 4096 for size in fmt.sizes]
    buffers = [[camera.number(*source.split(), size) for size in sizes] for _ in range(3)]
    camera.start_import(buffers)
    for _ in range(7):  # each buffer more than twice
        frame = camera.dequeue()
        fds = buffers[frame.buffer]
        memory = [camera.dma_buf(fd, size) for fd, size in zip(fds, fmt.sizes, strict=True)]
        assert hardware_planes(fmt, memory) == pattern(fmt, frame.sequence)
        camera.queue(frame.buffer)
    if source == "scattered":
        pages = sum(sizes) // 4096
        assert sum(pieces for _, pieces in camera.log()[-1].planes) > pages / 2


def test_import_of_another_buffer_replaces_the_first(camera: V4l2):
    fmt = camera.set_format("XR24", 64, 64)
    fds = [camera.number("scattered", fmt.sizes[0]) for _ in range(3)]
    camera.start_import([[fds[0]], [fds[1]]])
    frame = camera.dequeue()
    camera("queue", frame.buffer, 1, fds[2])
    camera.dequeue()
    frame = camera.dequeue()
    assert hardware_planes(fmt, [camera.dma_buf(fds[2], fmt.sizes[0])]) == pattern(
        fmt, frame.sequence)


def test_import_refusals(camera: V4l2):
    fmt = camera.set_format("XR24", 64, 64)
    camera.request("dmabuf", 1)
    small = camera.number("heap", "system", fmt.sizes[0] - 4096)
    assert camera.refused("queue", 0, 1, small) == "EINVAL"
    assert camera.refused("queue", 0, 1, 0) == "EINVAL"  # standard input is no dma-buf


def test_export_that_fits_nowhere_is_refused(boot, tmp_path):
    """The display reaches 4 MiB, less than the picture needs."""
    tree = Tree().set(DISPLAY_BUS, "dma-ranges", 0, 0, 0xbfc0_0000, 0x0040_0000)
    tree.delete(DISPLAY, "memory-region")
    guest = boot(dtb=tree.save(tmp_path / "window.dtb"))
    camera = V4l2(guest)
    camera.set_format("XR24", 1920, 1080)
    camera.start()
    fd = camera.number("export", 0, 0)
    before = storage(guest)
    assert camera.refused("prime", "/dev/dri/card0", fd) == "EBUSY"
    assert ("31000000.display: baton-camera buffer of 8294400 bytes refused: not within the "
            "reach of this device, and too little memory is"
            in guest.run("dmesg").stdout)
    assert storage(guest) == before
    check_frames(camera, 4)


def storage(guest) -> list[str]:
    """Where each buffer lies."""
    lines = guest.run("cat /sys/kernel/debug/baton-buf/buffers").stdout.splitlines()
    return [line for line in lines if line.startswith("  piece")]


def test_export_in_reach_is_taken(camera: V4l2):
    camera.request("mmap", 1)
    camera("prime", "/dev/dri/card0", camera.number("export", 0, 0))


def refuse_import(camera: V4l2, reason: str) -> None:
    fmt = camera.set_format("XR24", 64, 64)
    camera.request("dmabuf", 1)
    fd = camera.number("heap", "system", fmt.sizes[0])
    assert camera.refused("queue", 0, 1, fd) == reason
    camera.start()
    check_frames(camera, 4)


@pytest.fixture
def low_bank(tmp_path):
    """A camera that reaches the low bank only."""
    tree = Tree().set(CAMERA_BUS, "dma-ranges", 0, 0x8000_0000, 0, 0x8000_0000, 0, 0x4000_0000)
    return tree.save(tmp_path / "low.dtb")


def test_import_out_of_reach_is_refused(boot, low_bank):
    camera = V4l2(boot(dtb=low_bank))
    with camera.guest.expect_splat("dma_direct_map_sg"):  # the system heap's
        refuse_import(camera, "EIO")


def test_import_is_not_bounced(boot, low_bank, monkeypatch):
    monkeypatch.setattr("harness.guest.KERNEL_ARGS", KERNEL_ARGS.replace("swiotlb=noforce", ""))
    refuse_import(V4l2(boot(dtb=low_bank)), "EBUSY")


def test_format_is_fixed_with_buffers(camera: V4l2):
    camera.request("mmap", 2)
    assert camera.refused("format", "set", "XR24", 64, 64) == "EBUSY"
    camera.request("mmap", 0)
    camera.set_format("XR24", 64, 64)


def test_controls_are_fixed_while_streaming(camera: V4l2):
    camera.start()
    assert camera.refused("control", FREE_RUNNING, 1) == "EBUSY"
    assert camera.refused("interval", 1, 30) == "EBUSY"
    camera.stop()
    camera("control", FREE_RUNNING, 1)


def test_interval(boot):
    camera = V4l2(boot(**EXACT_TIME))
    assert camera("interval") == ["1", "60"]
    assert camera("interval", 0, 0) == ["1", "60"]
    assert camera("interval", 1, 100000) == ["1", "1000"]
    assert camera("interval", 100, 1) == ["4", "1"]
    assert camera("interval", 1, 50) == ["1", "50"]
    camera.set_format("XR24", 64, 64)
    camera.start()
    first, last = camera.capture(), None
    for _ in range(20):
        last = camera.capture()
    elapsed = (last.time_ns - first.time_ns) / (last.sequence - first.sequence)
    assert elapsed == pytest.approx(20_000_000, rel=0.001)


def test_dropped_frames_are_gaps(camera: V4l2):
    camera.set_format("XR24", 64, 64)
    camera("interval", 1, 1000)
    camera.start(buffers=2)
    held = [camera.dequeue(), camera.dequeue()]
    before = camera.counters()["drops"]
    until(lambda: camera.counters()["drops"], lambda drops: drops >= before + 3, "drops")
    for frame in held:
        camera.queue(frame.buffer)
    frame = camera.dequeue()
    assert frame.sequence > held[-1].sequence + 3
    counters = camera.counters()
    assert counters["overruns"] == counters["errors"] == 0


def test_free_running_drops_nothing(camera: V4l2):
    camera("control", FREE_RUNNING, 1)
    camera.set_format("XR24", 64, 64)
    camera.start(buffers=2)
    assert check_frames(camera, 6) == list(range(6))
    assert camera.counters()["drops"] == 0


def test_overrun_is_an_error_frame(camera: V4l2):
    camera.set_format("XR24", 640, 480)
    camera.write("dma_rate", 1)
    camera.start()
    assert camera.capture().failed
    assert camera.counters()["overruns"] > 0
    camera.write("dma_rate", 8000)
    for _ in range(4):
        camera.capture()
    assert not camera.capture().failed
    assert "overrun" in camera.guest.run("dmesg").stdout


def test_dma_rate_is_checked(camera: V4l2):
    assert camera.guest.run(f"echo 0 >{camera.debugfs}/dma_rate", check=False).status
    assert camera.read("dma_rate") == "8000\n"


def test_frame_sync_event(camera: V4l2):
    camera.set_format("XR24", 64, 64)
    camera("subscribe", EVENT_FRAME_SYNC)
    camera("interval", 1, 10)
    camera.start()
    for expected in range(3):
        assert camera("event") == [str(EVENT_FRAME_SYNC), str(expected)]
        assert camera.capture().sequence == expected


def test_frame_costs_the_same_whatever_its_size(boot):
    guest = boot(dtb="baton-uni", **EXACT_TIME)
    cost = {}
    for size in ((64, 64), (1920, 1080)):
        camera = V4l2(guest)
        camera.set_format("XR24", *size)
        camera.start()
        camera("burst", 4)
        cost[size] = camera.number("burst", 100) // 100
        camera.close()
    small, large = cost.values()
    assert large < 30_000
    assert large < small * 1.1


def test_suspend_with_a_stream_running(guest: Guest):
    camera = V4l2(guest)
    camera.set_format("XR24", 64, 64)
    camera.start()
    before = check_frames(camera, 3)
    guest.run("echo 0 >/sys/module/suspend/parameters/pm_test_delay &&"
              "echo devices >/sys/power/pm_test && echo freeze >/sys/power/state")
    frames = [camera.capture() for _ in range(6)]
    sequences = [frame.sequence for frame in frames]
    assert before[-1] < sequences[0]
    assert sequences == sorted(set(sequences))
    assert not any(frame.failed for frame in frames)


def clip(tmp_path, frames: int) -> tuple[str, list[y4m.Planes]]:
    """A clip of 96x72 pixels at 30 Hz as a machine property, and its frames."""
    path = tmp_path / "clip.y4m"
    return f"camera0-file={path}", y4m.write_clip(path, 96, 72, frames)


def test_clip(boot, tmp_path):
    machine, pictures = clip(tmp_path, 5)
    camera = V4l2(boot(machine=machine))
    assert camera("sizes", "NV12") == ["96", "72"]
    assert (camera.format.width, camera.format.height) == (96, 72)
    assert camera("control", TEST_PATTERN) == ["0"]
    numerator, denominator = map(int, camera("interval"))
    assert numerator / denominator == pytest.approx(1 / 30)
    fmt = camera.set_format("NV12", 1920, 1080)
    camera.start()
    for _ in range(8):
        frame = camera.dequeue()
        expected = y4m.nv12_lines(pictures[frame.sequence % 5], 96)
        assert hardware_planes(fmt, camera.pixels(frame)) == expected
        camera.queue(frame.buffer)
    camera.stop()

    camera("control", TEST_PATTERN, 1)
    camera.set_format("XR24", 64, 64)
    camera.start()
    check_frames(camera, 3)
    camera.stop()
    camera("control", TEST_PATTERN, 0)
    assert camera.get_format().width == 96


def test_end_of_clip(boot, tmp_path):
    machine, _ = clip(tmp_path, 3)
    camera = V4l2(boot(machine=f"{machine},camera0-loop=off"))
    camera("subscribe", EVENT_EOS)
    camera.start()
    assert [camera.capture().sequence for _ in range(3)] == [0, 1, 2]
    assert camera("event")[0] == str(EVENT_EOS)
    assert "sensor has ended" in camera.guest.run("dmesg").stdout


def test_two_cameras(boot):
    guest = boot(dtb="baton-dual")
    cameras = [V4l2(guest, 0), V4l2(guest, 1)]
    assert [camera.debugfs[-1] for camera in cameras] == ["0", "1"]
    for camera in cameras:
        camera.set_format("XR24", 64, 64)
        camera.start()
    for camera in cameras:
        check_frames(camera, 3)


def test_starts_again_and_again(camera: V4l2):
    for fourcc in ("XR24", "NV12") * 5:
        camera.set_format(fourcc, 64, 64)
        camera.start()
        assert check_frames(camera, 2)[0] == 0
        camera.stop()


def test_killed_while_streaming(camera: V4l2):
    camera.start()
    camera.capture()
    camera.kill()
    again = V4l2(camera.guest)
    again.set_format("XR24", 64, 64)
    again.start()
    check_frames(again, 2)


def test_unbind_while_streaming(guest: Guest):
    camera = V4l2(guest)
    camera.set_format("XR24", 64, 64)
    camera.start()
    frame = camera.dequeue()
    fd = camera.number("export", frame.buffer, 0)
    size = camera.format.sizes[0]
    camera("map", fd, size)
    driver = "/sys/bus/platform/drivers/baton-camera"
    device = guest.run(f"basename {driver}/*.camera").stdout.strip()
    guest.run(f"echo {device} >{driver}/unbind")
    assert camera.refused("dequeue") == "ENODEV"
    assert camera.refused("queue", 0, 1) == "ENODEV"
    expected = b"".join(pattern(camera.format, frame.sequence)[0])
    assert camera.dma_buf(fd, size) == expected
    guest.run(f"echo {device} >{driver}/bind")
    again = V4l2(guest, node=1)  # the old node is still open
    again.set_format("XR24", 64, 64)
    again.start()
    check_frames(again, 2)
    assert camera.dma_buf(fd, size) == expected
    camera.close()
