# SPDX-License-Identifier: GPL-2.0-or-later
"""V4L: the queues of V4L2 devices as exporters and importers."""

import struct

import pytest

from harness.v4l2 import V4l2

from .dmabuf import O_CLOEXEC, O_RDONLY, O_RDWR, PAGE
from .exporters import DMABUF, EXPBUF, BatonHeap, CmaHeap, Video
from .probe import FROM_DEVICE, KERNEL, Probe, Stub, flag

pytestmark = pytest.mark.exporters("camera", "vivid")


def _expbuf_refused(video: Video, fd: int, kind: int, index: int, plane: int, flags: int) -> str:
    data = struct.pack("<4Ii44x", kind, index, plane, flags, -1)
    return video.dmabuf.ioctl_refused(fd, EXPBUF, data)


@pytest.mark.clause("V4L-01")
def test_expbuf_refuses_what_it_does_not_know(exporter, dmabuf, evidence):
    exporter.make()
    fd, kind = exporter.fd, exporter.type
    refusals = {
        "type": _expbuf_refused(exporter, fd, 2, 0, 0, 0),
        "index": _expbuf_refused(exporter, fd, kind, exporter.count, 0, 0),
        "plane": _expbuf_refused(exporter, fd, kind, 0, 7, 0),
        "flags": _expbuf_refused(exporter, fd, kind, 0, 0, O_RDWR | 0o2000),
    }
    with dmabuf.opened("open", exporter.node, O_RDWR) as other:
        owned = _expbuf_refused(exporter, other, kind, 0, 0, 0)
    exporter.request(0)
    exporter.request(2, DMABUF)
    refusals["memory"] = _expbuf_refused(exporter, fd, kind, 0, 0, 0)
    evidence(f"{refusals}; by another handle: {owned}")
    assert set(refusals.values()) == {"EINVAL"}
    assert owned == "EBUSY"
    exporter.request(0)


@pytest.mark.clause("V4L-01")
def test_expbuf_gives_what_was_asked_for(exporter, dmabuf, evidence):
    exporter.make()
    for flags in (0, O_CLOEXEC, O_RDWR, O_RDWR | O_CLOEXEC):
        fd = exporter.export(0, flags)
        evidence(f"{flags:#o}: mode {dmabuf.mode(fd)}, FD_CLOEXEC {dmabuf.close_on_exec(fd):d}")
        assert dmabuf.mode(fd) == (flags & O_RDWR or O_RDONLY)
        assert dmabuf.close_on_exec(fd) == bool(flags & O_CLOEXEC)


@pytest.mark.clause("V4L-02")
def test_expbuf_makes_a_dma_buf_each_time(exporter, dmabuf, evidence):
    first, second = exporter.make(), exporter.export(0)
    inodes = dmabuf.inode(first.fd), dmabuf.inode(second)
    evidence(f"st_ino {inodes[0]} and {inodes[1]}")
    assert inodes[0] != inodes[1]
    address = dmabuf.map(first.fd, first.size)
    with dmabuf.bracket(first.fd):
        dmabuf("fill", address, first.size, 4)
    with dmabuf.mapped(second, first.size) as other:
        assert dmabuf.number("check", other, first.size, 4) == 0


@pytest.mark.clause("V4L-03")
def test_memory_outlives_queue_and_node(exporter, dmabuf, evidence):
    buffer = exporter.make()
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 5)
    exporter.request(0)
    dmabuf("close", exporter.fd)
    wrong = dmabuf.number("check", address, buffer.size, 5)
    evidence(f"{wrong} words wrong after REQBUFS(0) and close")
    assert wrong == 0
    dmabuf("close", buffer.fd)
    assert dmabuf.number("check", address, buffer.size, 5) == 0
    dmabuf("unmap", address, buffer.size)
    assert dmabuf.bufinfo() == []


def _importing(video: Video, count: int = 2) -> int:
    """A queue for dma-bufs; the size that they must have."""
    video.open()
    video.set_format(64 * PAGE)
    video.request(1)
    _, size = video.dmabuf("query", video.fd, video.type, 1, 0)
    video.request(0)
    video.request(count, DMABUF)
    return int(size)


def _stub(importer: Video, probe: Probe, size: int) -> Stub:
    """An exporter for the importer, dynamic like that: one piece in low memory."""
    without = ("PIN", "UNPIN") if importer.name == "vivid" else ()
    return probe.export(size, without, flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))


def _imports(probe: Probe) -> list[str]:
    """What the exporter was asked to do, without CPU access and pins."""
    return [op for op in probe.ops() if op in ("ATTACH", "MAP", "UNMAP", "DETACH")]


def _queue_refused(video: Video, fd: int, length: int, index: int = 0) -> str:
    return video.dmabuf.refused("queue", video.fd, video.type, DMABUF, index, fd, length)


@pytest.mark.clause("V4L-04")
def test_a_bad_buffer_is_refused_when_queued(exporter, dmabuf, probe, programs, evidence):
    size = _importing(exporter)
    stub = _stub(exporter, probe, size)
    null = dmabuf.number("open", "/dev/null", O_RDWR)
    refusals = {
        "closed fd": _queue_refused(exporter, 999, size),
        "no dma-buf": _queue_refused(exporter, null, size),
        "length too small": _queue_refused(exporter, stub.fd, size - PAGE),
    }
    assert set(refusals.values()) == {"EINVAL"}
    assert probe.ops() == []
    refusals["length too large"] = _queue_refused(exporter, stub.fd, size + PAGE)
    stub.behave("ATTACH", 16)
    refusals["attach -EBUSY"] = _queue_refused(exporter, stub.fd, size)
    stub.behave("ATTACH")
    stub.behave("MAP", 12)
    refusals["map -ENOMEM"] = _queue_refused(exporter, stub.fd, size)
    stub.behave("MAP")
    programs.leak = "V4L-07: a refused attach leaks the dma-buf"
    evidence(f"{refusals}")
    assert refusals["length too large"] == "EFAULT"
    assert refusals["attach -EBUSY"] == "EBUSY"
    # videobuf2-dma-contig loses the code.
    assert refusals["map -ENOMEM"] == ("EINVAL" if exporter.name == "vivid" else "ENOMEM")


@pytest.mark.clause("V4L-05")
def test_a_dma_buf_that_is_queued_again_stays_attached(exporter, dmabuf, probe, evidence):
    size = _importing(exporter)
    stub, other = _stub(exporter, probe, size), _stub(exporter, probe, size)
    exporter.queue(0, DMABUF, stub.fd, size)
    exporter.stream(True)
    seen = [_imports(probe)]
    for fd in (stub.fd, dmabuf.number("dup", stub.fd)):
        exporter.dequeue(DMABUF)
        exporter.queue(0, DMABUF, fd, size)
        seen.append(_imports(probe))
    exporter.dequeue(DMABUF)
    exporter.queue(0, DMABUF, other.fd, size)
    seen.append(_imports(probe))
    exporter.dequeue(DMABUF)
    refusal = _queue_refused(exporter, 999, size)
    seen.append(_imports(probe))
    evidence(f"new, same, dup, other, {refusal}: {seen}")
    assert seen == [["ATTACH", "MAP"], [], [], ["UNMAP", "DETACH", "ATTACH", "MAP"],
                    ["UNMAP", "DETACH"]]
    assert refusal == "EINVAL"


@pytest.mark.clause("DYN-05")
@pytest.mark.exporters("camera")
def test_a_fence_that_never_signals_does_not_hold_the_queue(exporter, probe, evidence):
    """As vivid imports statically, it does not wait at all."""
    size = _importing(exporter)
    stub = _stub(exporter, probe, size)
    fence = probe.fence()
    fence.add(probe.buffer(stub.fd), KERNEL)
    refusal = _queue_refused(exporter, stub.fd, size)
    fence.signal()
    exporter.queue(0, DMABUF, stub.fd, size)
    evidence(f"{refusal} with a kernel fence pending; queued when it had signalled")
    assert refusal == "ETIMEDOUT"


@pytest.mark.clause("V4L-05", exporter="camera")
def test_planes_that_share_a_dma_buf_share_its_attachment(dmabuf, programs, probe, evidence):
    camera = programs(V4l2)
    size = max(camera.set_format("NM12", 128, 96).sizes)
    stubs = [probe.export(size, (), flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))
             for _ in range(2)]
    fds = [camera.number("adopt", dmabuf("pid")[0], stub.fd) for stub in stubs]
    camera.start_import([[fd, fd] for fd in fds])
    failed = [camera.capture().failed for _ in range(4)]
    ops = _imports(probe)
    evidence(f"2 dma-bufs for 4 planes: {ops}; frames failed: {failed}")
    assert sorted(ops) == ["ATTACH"] * 2 + ["MAP"] * 2
    assert failed == [False] * 4
    camera.stop()


@pytest.mark.clause("V4L-06")
def test_dequeuing_unmaps_nothing(exporter, dmabuf, probe, evidence):
    size = _importing(exporter)
    stub = _stub(exporter, probe, size)
    exporter.queue(0, DMABUF, stub.fd, size)
    exporter.stream(True)
    probe.ops()
    counts = []
    for action in (lambda: exporter.dequeue(DMABUF), lambda: exporter.stream(False),
                   lambda: exporter.request(0)):
        action()
        counts.append(probe.ops().count("UNMAP"))
    evidence(f"unmapped by DQBUF, STREAMOFF, REQBUFS(0): {counts}")
    assert counts == [0, 0, 1]


@pytest.mark.clause("V4L-07")
def test_a_refused_buffer_is_given_back(exporter, dmabuf, evidence):
    """QBUF with a length that the dma-buf has not fails to attach."""
    size = _importing(exporter)
    source = BatonHeap(dmabuf) if exporter.name == "camera" else CmaHeap(dmabuf)
    fd = source.make(size).fd
    before = int(dmabuf.fdinfo(fd)["count"])
    refusals = {_queue_refused(exporter, fd, size + PAGE) for _ in range(5)}
    after = int(dmabuf.fdinfo(fd)["count"])
    evidence(f"{refusals}; references before {before}, after 5 refusals {after}")
    assert refusals == {"EFAULT"}
    assert after == before


@pytest.mark.clause("V4L-08")
def test_a_capture_queue_maps_for_the_device(exporter, dmabuf, probe, evidence):
    size = _importing(exporter)
    stub = _stub(exporter, probe, size)
    exporter.queue(0, DMABUF, stub.fd, size)
    exporter.stream(True)
    exporter.dequeue(DMABUF)
    events = probe.events()
    directions = [event.direction for event in events if event.op == "MAP"]
    evidence(f"direction {directions}; {[event.op for event in events]}")
    assert directions == [FROM_DEVICE]
    assert not {"BEGIN", "END"} & {event.op for event in events}
    exporter.stream(False)
    exporter.request(0)


@pytest.mark.clause("V4L-04")
@pytest.mark.exporters("vivid")
def test_a_contiguous_device_refuses_pieces(exporter, dmabuf, probe, evidence):
    size = _importing(exporter)
    stub = probe.export(size, flags=flag("EXPORT_LOW"))
    refusal = _queue_refused(exporter, stub.fd, size)
    evidence(f"in pieces: {refusal}")
    assert refusal == "EFAULT"
