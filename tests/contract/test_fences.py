# SPDX-License-Identifier: GPL-2.0-or-later
"""FEN: fences and implicit synchronisation."""

import struct

import pytest

from harness.v4l2 import FREE_RUNNING, V4l2

from .dmabuf import (
    EPOLLIN,
    EPOLLOUT,
    EXPORT_SYNC_FILE,
    IMPORT_SYNC_FILE,
    READ,
    RW,
    WRITE,
)

BOTH = EPOLLIN | EPOLLOUT


@pytest.mark.clause("FEN-01")
@pytest.mark.parametrize(("access", "pending"), [(WRITE, 0), (READ, EPOLLIN)])
def test_poll_waits_for_fences(exporter, dmabuf, evidence, access, pending):
    fd = exporter.make().fd
    assert dmabuf.poll(fd) == BOTH
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), access)
    events = dmabuf.poll(fd)
    waiting = dmabuf.start("poll", fd, EPOLLOUT, -1)
    assert not waiting.done
    timeline.signal()
    assert waiting.finish() == [str(EPOLLOUT)]
    evidence(f"{'write' if access == WRITE else 'read'} fence: {events} before the signal, "
             f"{dmabuf.poll(fd)} after it")
    assert events == pending
    assert dmabuf.poll(fd) == BOTH


@pytest.mark.clause("FEN-01")
@pytest.mark.exporters("camera")
def test_a_fence_is_seen_through_each_export(exporter, dmabuf, evidence):
    """It is the memory that is being used."""
    fds = exporter.make().fd, exporter.export(0)
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fds[0], timeline.fence(), WRITE)
    events = [dmabuf.poll(fd) for fd in fds]
    timeline.signal()
    after = [dmabuf.poll(fd) for fd in fds]
    evidence(f"write fence: {events} by dma-buf, {after} after the signal")
    assert (events, after) == ([0, 0], [BOTH, BOTH])


@pytest.mark.clause("FEN-02")
def test_an_exported_fence_is_a_snapshot(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    idle = dmabuf.export_fence(fd, RW)
    assert dmabuf.poll(idle, EPOLLIN) == EPOLLIN
    first, later = dmabuf.timeline(), dmabuf.timeline()
    dmabuf.attach_fence(fd, first.fence(), WRITE)
    snapshot = dmabuf.export_fence(fd, READ)
    dmabuf.attach_fence(fd, later.fence(), WRITE)
    assert dmabuf.poll(snapshot, EPOLLIN) == 0
    first.signal()
    signalled = dmabuf.poll(snapshot, EPOLLIN), dmabuf.poll(fd, EPOLLIN)
    evidence(f"snapshot {signalled[0]}, dma-buf {signalled[1]}; "
             f"FD_CLOEXEC {dmabuf.close_on_exec(snapshot):d}")
    assert signalled == (EPOLLIN, 0)
    assert dmabuf.close_on_exec(snapshot)
    later.signal()


@pytest.mark.clause("FEN-02")
@pytest.mark.exporters("system")
def test_the_class_of_exported_fences(exporter, dmabuf):
    """Who wants to read need not wait for readers."""
    fd = exporter.make().fd
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), READ)
    to_read, to_write = dmabuf.export_fence(fd, READ), dmabuf.export_fence(fd, WRITE)
    assert [dmabuf.poll(each, EPOLLIN) for each in (to_read, to_write)] == [EPOLLIN, 0]
    timeline.signal()
    assert dmabuf.poll(to_write, EPOLLIN) == EPOLLIN


@pytest.mark.clause("FEN-03")
def test_imported_fences_are_unwrapped(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    timelines = dmabuf.timeline(), dmabuf.timeline()
    merged = dmabuf.merge_fences(*(timeline.fence() for timeline in timelines))
    dmabuf.attach_fence(fd, merged, WRITE)
    evidence(f"{dmabuf.info(fd).fences} fences in bufinfo")
    assert dmabuf.info(fd).fences == 2
    for timeline in timelines:
        assert dmabuf.poll(fd) == 0
        timeline.signal()
    assert dmabuf.poll(fd) == BOTH


@pytest.mark.clause("FEN-04")
def test_bad_requests_for_fences(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    fence = dmabuf.timeline().fence()
    for request, argument in ((EXPORT_SYNC_FILE, -1), (IMPORT_SYNC_FILE, fence)):
        flags = [dmabuf.ioctl_refused(fd, request, struct.pack("<Ii", flags, argument))
                 for flags in (0, 4, WRITE | 8)]
        null = dmabuf.ioctl_refused(fd, request)
        evidence(f"flags 0, 4, 10: {flags}; NULL: {null}")
        assert flags == ["EINVAL"] * 3
        assert null == "EFAULT"
    for wrong in (fd, -1, 0):
        data = struct.pack("<Ii", WRITE, wrong)
        assert dmabuf.ioctl_refused(fd, IMPORT_SYNC_FILE, data) == "EINVAL"
    assert dmabuf.info(fd).fences == 0


@pytest.mark.clause("FEN-06")
@pytest.mark.exporters("camera", "vivid")
def test_v4l2_neither_waits_for_fences_nor_adds_any(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), WRITE)
    for index in range(exporter.count):
        exporter.queue(index)
    exporter.stream(True)
    frames = [exporter.dequeue() for _ in range(exporter.count)]
    evidence(f"buffers {frames} captured with an unsignalled write fence")
    assert sorted(frames) == list(range(exporter.count))
    timeline.signal()
    for index in frames:
        exporter.queue(index)
    states = {dmabuf.poll(fd) for _ in range(20)}
    evidence(f"poll under capture: {states}")
    assert states == {BOTH}
    exporter.stream(False)


@pytest.mark.clause("FEN-05", exporter="camera")
@pytest.mark.not_on("6.12-static")
def test_a_frame_that_does_not_end_is_given_up(programs, evidence):
    """The camera writes 1 MB/s; a display that attaches waits for the frame in flight."""
    camera = programs(V4l2)
    guest = camera.guest
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    rate = camera.read("dma_rate").strip()
    camera.write("dma_rate", 1)
    camera("control", FREE_RUNNING, 1)
    camera.set_format("XR24", 1920, 1080)
    camera.start(2)
    begin = float(guest.run("cat /proc/uptime").stdout.split()[0])
    camera("prime", "/dev/dri/card0", camera.number("export", 0, 0))
    seconds = float(guest.run("cat /proc/uptime").stdout.split()[0]) - begin
    error = camera.refused("dequeue")
    said = [line for line in guest.run("dmesg").stdout.splitlines() if "in time" in line]
    evidence(f"imported after {seconds:.1f} s; DQBUF {error}; {said}")
    camera("off")
    camera.write("dma_rate", rate)
    camera("control", FREE_RUNNING, 0)
    guest.run("echo 0 >/sys/module/baton_buf/parameters/scatter")
    assert error == "EIO"
    assert said
