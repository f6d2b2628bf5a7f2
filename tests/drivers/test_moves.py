# SPDX-License-Identifier: GPL-2.0-or-later
"""Buffers move to where a newcomer reaches them, and nothing is lost."""

import re

import pytest
import xxhash

from contract.dmabuf import Dmabuf
from contract.probe import Probe
from contract.project import wide
from drivers.test_camera import EXACT_TIME, check_frames, pattern
from harness.buffers import HIGH, POOL, buffers
from harness.guest import Guest
from harness.v4l2 import V4l2

CARD = "/dev/dri/card0"


@pytest.fixture
def camera(guest: Guest) -> V4l2:
    """Its memory is in pieces of one page, as after long use."""
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    return V4l2(guest)


def fields(line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def import_buffer(camera: V4l2, index: int) -> None:
    """Attach the display, and detach it: the buffer stays where it was moved to."""
    camera("close", camera.number("prime", CARD, camera.number("export", index, 0)))


def test_camera_memory_is_scattered_and_high(camera: V4l2):
    camera.set_format("XR24", 640, 480)
    camera.request("mmap", 4)
    assert len(buffers(camera.guest)) == 4
    for buffer in buffers(camera.guest):
        assert buffer.generation == 1
        assert buffer.start in HIGH
        assert buffer.pieces > buffer.size // 4096 // 2
    camera.start()
    check_frames(camera, 6)


@pytest.mark.parametrize("fourcc", ["XR24", "NV12", "NM12"])
def test_importing_moves_the_contents(camera: V4l2, fourcc):
    camera.set_format(fourcc, 320, 256)
    camera.start(2)
    frames = [camera.dequeue(), camera.dequeue()]
    before = [camera.pixels(frame) for frame in frames]
    assert before[0] != before[1]
    planes = len(camera.format.sizes)
    for index in range(2):
        for plane in range(planes):
            camera("prime", CARD, camera.number("export", index, plane))
    moved = buffers(camera.guest)
    assert [buffer.generation for buffer in moved] == [2] * 2 * planes
    assert all(buffer.pieces == 1 and buffer.start in POOL for buffer in moved)
    assert [camera.pixels(frame) for frame in frames] == before
    for frame in frames:
        camera.queue(frame.buffer)
    check_frames(camera, 6)


@pytest.mark.parametrize(("width", "height", "count"), [(320, 240, 6), (1920, 1080, 4)])
def test_moving_delays_and_tears_no_frame(boot, width, height, count):
    """At 60 frames/s; the guest does it alone, as its time is independent of ours."""
    guest = boot(**EXACT_TIME)
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    camera = V4l2(guest)
    camera.write("hash", 1)
    camera.set_format("XR24", width, height)
    camera.request("mmap", count)
    for index in range(count):
        camera.queue(index)
    exports = [camera.number("export", index, 0) for index in range(count)]
    frames = 5 * (count + 2)
    assert camera("relay", CARD, frames, 5, *exports) == [str(n) for n in range(frames)]
    assert [buffer.generation for buffer in buffers(guest)] == [2] * count
    log = camera.log()[:frames]
    assert {entry.planes[0][0] in HIGH for entry in log[:5]} == {True}
    assert {entry.planes[0][0] in POOL for entry in log[-count:]} == {True}
    for entry in log:
        lines = b"".join(pattern(camera.format, entry.sequence)[0])
        assert (entry.status, entry.hash) == (1, xxhash.xxh64_intdigest(lines))


def test_a_new_buffer_is_clear_wherever_it_is(camera: V4l2):
    size = camera.set_format("XR24", 320, 240).sizes[0]
    for _ in range(3):  # the memory is not new any more
        camera.request("mmap", 2)
        fds = [camera.number("export", index, 0) for index in range(2)]
        camera("close", camera.number("prime", CARD, fds[1]))
        assert [buffer.generation for buffer in buffers(camera.guest)] == [1, 2]
        assert [camera.dma_buf(fd, size) for fd in fds] == [bytes(size)] * 2
        camera("on")
        for index in range(2):
            camera.queue(index)
        check_frames(camera, 4)
        camera.stop()
        for fd in fds:
            camera("close", fd)


def test_moving_before_the_stream_starts(camera: V4l2):
    camera.set_format("XR24", 320, 240)
    camera.request("mmap", 4)
    for index in range(4):
        camera.queue(index)
        import_buffer(camera, index)
    camera("on")
    check_frames(camera, 8)
    assert all(buffer.start in POOL for buffer in buffers(camera.guest))


def test_a_heap_buffer_is_placed_at_its_first_use(camera: V4l2):
    fmt = camera.set_format("XR24", 320, 256)
    fds = [camera.number("heap", "baton", fmt.sizes[0]) for _ in range(4)]
    assert [buffer.generation for buffer in buffers(camera.guest)] == [0] * 4
    camera("prime", CARD, fds[3])
    camera.start_import([[fd] for fd in fds])
    check_imported(camera, fds)
    placed = buffers(camera.guest)
    assert [buffer.generation for buffer in placed] == [1] * 4
    assert [buffer.start in POOL for buffer in placed] == [False] * 3 + [True]
    assert all(buffer.start in HIGH and buffer.pieces > 1 for buffer in placed[:3])
    for fd in fds[:3]:
        camera("prime", CARD, fd)
    assert [buffer.generation for buffer in buffers(camera.guest)] == [2] * 3 + [1]
    check_imported(camera, fds)


def check_imported(camera: V4l2, fds: list[int]) -> None:
    fmt = camera.format
    for _ in range(2 * len(fds)):
        frame = camera.dequeue()
        memory = camera.dma_buf(fds[frame.buffer], fmt.sizes[0])
        assert memory == b"".join(pattern(fmt, frame.sequence)[0])
        camera.queue(frame.buffer)


def test_a_buffer_that_is_pinned_stays(guest: Guest):
    """While a static importer maps it, the buffer stays where that found it."""
    camera = V4l2(guest)
    camera.set_format("XR24", 64, 64)  # small enough to be in one piece
    camera.start(2)
    fd = camera.number("export", 0, 0)
    probe = Probe(Dmabuf(guest))
    probe.buffer(probe.dmabuf.adopt(camera, fd)).attach(wide(probe)).map()
    pinned = buffers(guest)[0]
    assert (pinned.pins, pinned.start in HIGH) == (1, True)
    assert camera.refused("prime", CARD, fd) == "EBUSY"
    assert ("baton-camera buffer of 16384 bytes refused: not within the DMA window of this "
            "device, and pinned by baton-probe" in guest.run("dmesg").stdout)
    assert buffers(guest)[0] == pinned
    check_frames(camera, 6)


def test_debugfs_tells_who_uses_a_buffer_and_where_it_is(camera: V4l2):
    camera.set_format("XR24", 320, 240)
    camera.request("mmap", 1)
    fd = camera.number("export", 0, 0)
    camera("prime", CARD, fd)
    camera("map", fd, camera.format.sizes[0])
    text = camera.guest.run("cat /sys/kernel/debug/baton-buf/buffers").stdout
    buffer, *rest = next(block for block in text.split("buffer=")
                         if "baton-camera" in block).splitlines()
    expected = {"exporter": "baton-camera", "dev": "30000000.camera", "bytes": "307200",
                "storage": "pool", "pieces": "1", "generation": "2", "exports": "2",
                "attachments": "2", "vmaps": "0", "vmas": "1"}
    assert expected.items() <= fields(buffer).items()
    *users, common, piece = map(fields, rest)
    assert {user["dev"] for user in users} == {"30000000.camera", "31000000.display"}
    display = next(user for user in users if user["dev"] == "31000000.display")
    assert (display["max_segments"], display["align"]) == ("1", "64")
    assert display["reach"] == common["reach"] == "0x80000000-0xbfffffff"
    assert int(piece["start"], 16) in POOL


def test_events_tell_of_a_move(camera: V4l2):
    tracing = "/sys/kernel/tracing"
    camera.guest.run(f"echo 1 >{tracing}/events/baton_buf/enable")
    camera.set_format("XR24", 320, 240)
    camera.start(1)
    camera.dequeue()
    import_buffer(camera, 0)
    camera.guest.run(f"echo 0 >{tracing}/events/baton_buf/enable")
    trace = camera.guest.run(f"cat {tracing}/trace").stdout
    events = re.findall(r": baton_buf_(\w+): (.*)", trace)
    assert [name for name, _ in events] == [
        "merge", "attach", "alloc", "merge", "move_begin", "move_end", "attach"]
    attach, merge, end = fields(events[1][1]), fields(events[3][1]), fields(events[5][1])
    assert attach["dev"] == "30000000.camera"
    assert (merge["lowest"], merge["highest"]) == ("0x80000000", "0xbfffffff")
    assert (end["copied"], end["pieces"], end["generation"]) == ("307200", "1", "2")
    assert 0 < int(end["ns"]) < 10**9


def test_nothing_is_left(camera: V4l2):
    camera.set_format("XR24", 320, 240)
    for _ in range(10):
        camera.start(3)
        import_buffer(camera, 1)
        check_frames(camera, 2)
        camera.stop()
    camera.close()
    assert buffers(camera.guest) == []
