# SPDX-License-Identifier: GPL-2.0-or-later
"""MAP: map, unmap and the direction of DMA."""

import struct

import pytest

from harness.v4l2 import FREE_RUNNING, V4l2

from .clauses import PROJECT
from .dmabuf import PAGE, Dmabuf
from .exporters import FD_TO_HANDLE, BatonHeap, Display
from .probe import (
    BIDIRECTIONAL,
    FROM_DEVICE,
    HELD,
    KERNEL,
    MISSING,
    NONE,
    TO_DEVICE,
    Probe,
    flag,
)
from .project import lockdep, set_parameter, states, wide

SIZE = 16 * PAGE
DIRECTIONS = (BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE)
ONE_PIECE = flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW")  # as the display needs it


@pytest.mark.clause("MAP-01")
def test_an_attachment_is_mapped_for_its_device(exporter, dmabuf, probe, evidence):
    buffer = exporter.make(SIZE)
    mapping = probe.buffer(buffer.fd).attach(wide(probe)).map()
    evidence(f"{mapping.count} segments, the first at {mapping.segments[0].bus:#x}")
    mapping.fill(1, SIZE)
    with dmabuf.mapped(buffer.fd, SIZE) as address, dmabuf.bracket(buffer.fd):
        assert dmabuf.number("check", address, SIZE, 1) == 0


@pytest.mark.clause("MAP-01")
@pytest.mark.parametrize(("error", "null", "outcome"), [
    (0, True, "ENOMEM"), (5, False, "EIO"), (0, False, "0")], ids=["NULL", "error", "table"])
def test_a_map_that_fails_is_an_error(probe, evidence, error, null, outcome):
    stub = probe.export()
    attachment = probe.buffer(stub.fd).attach(wide(probe))
    stub.behave("MAP", error, null=null)
    seen = attachment.map_outcome()
    evidence(f"exporter returns {'NULL' if null else -error or 'a table'}: {seen}")
    assert seen == outcome


@pytest.mark.clause("MAP-02")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_unmap_gets_what_map_got(probe, evidence, direction):
    attachment = probe.buffer(probe.export().fd).attach(wide(probe))
    mapping = attachment.map(direction)
    mapping.unmap()
    _, mapped, unmapped = probe.events()
    evidence(f"directions {mapped.direction}, {unmapped.direction}")
    assert (mapped.op, unmapped.op) == ("MAP", "UNMAP")
    assert mapped.direction == unmapped.direction == direction
    assert mapped.attachment == unmapped.attachment
    assert unmapped.table == mapping.table


@pytest.mark.clause("MAP-02")
def test_the_engines_unmap_as_they_mapped(dmabuf, programs, probe, evidence):
    camera = programs(V4l2)
    stub = probe.export(camera.set_format("XR24", 64, 64).sizes[0], without=(), flags=ONE_PIECE)
    display = Display(dmabuf)
    display.open()
    display.close_handle(display.import_(stub.fd))
    camera.start_import([[camera.number("adopt", dmabuf("pid")[0], stub.fd)]])
    camera("off")
    camera("request", "dmabuf", 0)
    calls = [(event.op, event.direction) for event in probe.events()
             if event.op in ("MAP", "UNMAP")]
    evidence(f"display, camera: {calls}")
    assert calls == [(op, direction) for direction in (BIDIRECTIONAL, FROM_DEVICE)
                     for op in ("MAP", "UNMAP")]


@pytest.mark.clause("MAP-03")
def test_a_camera_that_unmapped_does_not_write(dmabuf, probe, evidence):
    """It captures into a buffer, gives it up and goes on with others."""
    camera = V4l2(dmabuf.guest)
    size = camera.set_format("XR24", 64, 64).sizes[0]
    stub = probe.export(size)
    camera.start_import([[camera.number("adopt", dmabuf("pid")[0], stub.fd)]])
    camera.capture()
    mapping = probe.buffer(stub.fd).attach(wide(probe)).map()
    assert mapping.nonzero(size)
    camera("off")
    camera("request", "dmabuf", 0)
    assert probe.ops().count("UNMAP") == 1
    mapping.fill(1, size)
    camera.start(2)
    for _ in range(4):
        camera.capture()
    wrong = mapping.wrong(1, size)
    evidence(f"{wrong} words written after unmap, by 4 frames")
    assert wrong == 0
    camera.close()


@pytest.mark.clause("MAP-03")
def test_a_camera_does_not_unmap_under_a_frame(dmabuf, programs, probe, evidence):
    """It writes 1 MB/s when the exporter wants to move the buffer."""
    camera = programs(V4l2)
    size = camera.set_format("XR24", 1920, 1080).sizes[0]
    rate = camera.read("dma_rate").strip()
    camera.write("dma_rate", 1)
    camera("control", FREE_RUNNING, 1)
    stub = probe.export(size, without=())
    buffer = probe.buffer(stub.fd)
    camera.start_import([[camera.number("adopt", dmabuf("pid")[0], stub.fd)]])
    buffer.notify()
    during = probe.unpinned_ops()
    camera("off")
    camera("request", "dmabuf", 0)
    after = probe.unpinned_ops()
    camera.write("dma_rate", rate)
    camera("control", FREE_RUNNING, 0)
    evidence(f"during the frame: {during}; after it: {after}")
    assert during == ["ATTACH", "MAP"]
    assert after == ["UNMAP", "DETACH"]


@pytest.mark.clause("MAP-04")
def test_the_operations_are_entered_locked(probe, evidence):
    for without in ((), ("PIN", "UNPIN")):
        attachment = probe.buffer(probe.export(without=without).fd).attach(
            wide(probe), dynamic=not without)
        attachment.map().unmap()
        attachment.map(lock=HELD).drop(HELD)
        locked = {event.op: event.locked for event in probe.events() if "MAP" in event.op}
        evidence(f"{'static' if without else 'dynamic'}: {locked}")
        assert locked == {"MAP": True, "UNMAP": True}


@pytest.mark.clause("MAP-04")
def test_both_ways_to_map(exporter, probe):
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe))
    for lock in (0, HELD):
        mapping = attachment.map(lock=lock)
        assert mapping.segments
        mapping.drop(lock)


@pytest.mark.clause("MAP-04")
def test_lockdep_sees_a_missing_lock(probe, guest, kernel_config, evidence):
    attachment = probe.buffer(probe.export().fd).attach(wide(probe))
    if not lockdep(kernel_config):
        evidence("this kernel does not check locks")
        return
    with guest.expect_splat("dma_buf_map_attachment"):
        mapping = attachment.map(lock=MISSING)
    with guest.expect_splat("dma_buf_unmap_attachment"):
        mapping.drop(MISSING)
    evidence("a warning for map and for unmap")


@pytest.mark.clause("MAP-05")
def test_segments_are_whole_pages(exporter, probe, evidence):
    buffer = exporter.make(SIZE)
    segments = probe.buffer(buffer.fd).attach(wide(probe)).map().segments
    evidence(f"{[segment.len for segment in segments]} bytes of {buffer.size}")
    assert all(segment.bus % PAGE == segment.len % PAGE == 0 for segment in segments)
    assert sum(segment.len for segment in segments) >= buffer.size


@pytest.mark.clause("MAP-05")
@pytest.mark.exporters(*PROJECT)
def test_a_limit_between_pages_leaves_whole_pages(exporter, probe, evidence):
    buffer = exporter.make(SIZE)
    device = probe.device(max_segment=3 * PAGE + 512)
    segments = probe.buffer(buffer.fd).attach(device).map().segments
    evidence(f"{[segment.len for segment in segments]} bytes of {buffer.size}")
    assert all(segment.bus % PAGE == segment.len % PAGE == 0 for segment in segments)
    assert sum(segment.len for segment in segments) >= buffer.size


@pytest.mark.clause("MAP-06")
def test_two_importers_at_once(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    mappings = [buffer.attach(wide(probe)).map() for _ in range(2)]
    for seed, mapping in enumerate(mappings):
        mapping.fill(seed, SIZE)
        wrong = [other.wrong(seed, SIZE) for other in mappings]
        evidence(f"{wrong} words differ")
        assert wrong == [0, 0]


@pytest.mark.clause("MAP-07")
@pytest.mark.not_on("7.2")
@pytest.mark.parametrize(("first", "others"), [
    (TO_DEVICE, {TO_DEVICE: "0", FROM_DEVICE: "EBUSY", BIDIRECTIONAL: "EBUSY"}),
    (BIDIRECTIONAL, {TO_DEVICE: "0", FROM_DEVICE: "0", BIDIRECTIONAL: "0"})])
def test_the_core_can_cache_the_table(probe, evidence, first, others):
    stub = probe.export(flags=flag("EXPORT_CACHE_SGT"))
    attachment = probe.buffer(stub.fd).attach(wide(probe))
    table = attachment.map(first).table
    outcomes = {direction: attachment.map_outcome(direction) for direction in others}
    evidence(f"after {first}: {outcomes}")
    assert outcomes == others
    mapping = attachment.map(first)
    assert mapping.table == table
    mapping.unmap()
    assert probe.ops() == ["ATTACH", "MAP"]


@pytest.mark.clause("MAP-07")
@pytest.mark.not_on("7.2")
def test_a_cached_table_goes_at_detach(probe):
    stub = probe.export(flags=flag("EXPORT_CACHE_SGT"))
    attachment = probe.buffer(stub.fd).attach(wide(probe))
    for _ in range(2):
        attachment.map().unmap()
    attachment.detach()
    assert probe.ops() == ["ATTACH", "MAP", "UNMAP", "DETACH"]


@pytest.mark.clause("MAP-08")
@pytest.mark.exporters(*PROJECT)
def test_each_map_has_a_table_of_its_own(exporter, probe, evidence):
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe), dynamic=True)
    mappings = [attachment.map(), attachment.map()]
    tables = [mapping.table for mapping in mappings]
    evidence(f"tables {tables[0]:#x}, {tables[1]:#x}")
    assert tables[0] != tables[1]
    mappings[0].unmap()
    assert mappings[1].segments


@pytest.mark.clause("MAP-08")
def test_importers_do_not_see_the_pages(exporter, probe, kernel_config, evidence):
    segment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe)).map().segments[0]
    mangled = segment.page != segment.expected
    evidence(f"page link {segment.page:#x}, struct page {segment.expected:#x}")
    assert mangled == ("CONFIG_DMABUF_DEBUG=y" in kernel_config)


@pytest.mark.clause("MAP-09")
def test_an_interrupted_map_can_be_repeated(probe, evidence):
    stub = probe.export()
    attachment = probe.buffer(stub.fd).attach(wide(probe))
    stub.behave("MAP", block=True)
    task = attachment.start_map()
    probe.wait_for("MAP", task)
    task.interrupt()
    outcome = task.outcome()
    evidence(outcome)
    assert outcome == "EINTR"
    assert probe.ops() == []
    stub.behave("MAP")
    attachment.map().unmap()
    assert probe.ops() == ["MAP", "UNMAP"]


@pytest.mark.clause("MAP-09")
def test_an_interrupted_import_can_be_repeated(dmabuf, probe, evidence):
    """By the display, which is not mapped when it attaches."""
    stub = probe.export(SIZE, without=(), flags=ONE_PIECE)
    display = Display(dmabuf)
    card = display.open()
    stub.behave("MAP", block=True)
    task = dmabuf.start("ioctl", card, FD_TO_HANDLE, struct.pack("<IIi", 0, 0, stub.fd).hex())
    probe.wait_for("MAP", task)
    task.interrupt()
    outcome = task.finish_refused()
    left = probe.unpinned_ops()
    stub.behave("MAP")
    display.import_(stub.fd)
    again = probe.unpinned_ops()
    evidence(f"{outcome}, {left}; then {again}")
    assert outcome == "EINTR"
    assert (left, again) == (["DETACH"], ["ATTACH", "MAP"])


@pytest.mark.clause("MAP-10")
def test_a_static_importer_waits_for_kernel_fences(probe, evidence):
    buffer = probe.buffer(probe.export().fd)
    attachment = buffer.attach(wide(probe))
    fence = probe.fence()
    fence.add(buffer, KERNEL)
    task = attachment.start_map()
    probe.wait_for("MAP", task)
    assert probe.blocked(task)
    fence.signal()
    assert task.outcome() == "0"
    evidence("blocks until the signal")


@pytest.mark.clause("MAP-10")
def test_the_wait_for_kernel_fences_can_be_interrupted(probe, evidence):
    buffer = probe.buffer(probe.export().fd)
    attachment = buffer.attach(wide(probe))
    probe.fence().add(buffer, KERNEL)
    task = attachment.start_map()
    probe.wait_for("MAP", task)
    assert probe.blocked(task)
    task.interrupt()
    outcome = task.outcome()
    evidence(outcome)
    assert outcome == "EINTR"
    assert probe.ops() == ["UNMAP"]


@pytest.mark.clause("MAP-10")
@pytest.mark.exporters(*PROJECT)
def test_a_static_importer_of_ours_waits_for_kernel_fences(exporter, probe, core_keeps_tables):
    """At attach, if the core maps for it then."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    fence = probe.fence()
    fence.add(buffer, KERNEL)
    if core_keeps_tables:
        task = buffer.start_attach(wide(probe))
    else:
        task = buffer.attach(wide(probe)).start_map()
    assert probe.blocked(task)
    fence.signal()
    assert task.outcome() == "0"


@pytest.mark.clause("MAP-10")
def test_new_memory_is_clear(exporter, dmabuf, probe, guest, evidence):
    """Where others' data has been, too: single pages are soon used again."""
    set_parameter(guest, "max_order", 0)
    for _ in range(4):
        fd = exporter.make(SIZE).fd
        buffer = probe.buffer(fd)
        attachment = buffer.attach(wide(probe))
        mapping = attachment.map()
        nonzero = mapping.nonzero(SIZE)
        evidence(f"{nonzero} words are not 0")
        assert nonzero == 0
        mapping.fill(1, SIZE)
        for user in (mapping, attachment, buffer):
            user.drop()
        dmabuf("close", fd)
    set_parameter(guest, "max_order", 4)


@pytest.mark.clause("MAP-10", exporter="baton")
def test_a_device_sees_that_new_memory_is_clear(boot, evidence):
    """Though the zeroes were in the CPU's caches."""
    probe = Probe(Dmabuf(boot(kernel_args="baton_buf.shadow=1")))
    buffer = probe.buffer(BatonHeap(probe.dmabuf).make(SIZE).fd)
    nonzero = buffer.attach(wide(probe)).map().nonzero(SIZE)
    evidence(f"{nonzero} words are not 0")
    assert nonzero == 0


@pytest.mark.clause("MAP-11")
def test_a_device_keeps_to_its_direction(exporter, probe, evidence):
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe))
    outcomes = {}
    for direction in DIRECTIONS:
        mapping = attachment.map(direction)
        outcomes[direction] = mapping.outcome(0, 8), mapping.outcome(0, 8, write=True)
        mapping.unmap()
    evidence(f"read and write in each direction: {outcomes}")
    assert outcomes == {BIDIRECTIONAL: ("0", "0"), TO_DEVICE: ("0", "EACCES"),
                        FROM_DEVICE: ("EACCES", "0")}


@pytest.mark.clause("MAP-12")
@pytest.mark.exporters(*PROJECT)
def test_no_direction_is_refused(exporter, probe, evidence):
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe), dynamic=True)
    outcome = attachment.map_outcome(NONE)
    evidence(f"DMA_NONE: {outcome}")
    assert outcome == "EINVAL"


@pytest.mark.clause("MAP-12")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_device_without_a_mask_is_refused(exporter, probe, evidence, dynamic):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    before = states(probe.dmabuf.guest)
    for device in (probe.device(flags=flag("DEVICE_NO_MASK")), probe.device(mask=0)):
        outcome = buffer.attach_outcome(device, dynamic)
        evidence(f"no mask: {outcome}")
        assert outcome == "EINVAL"
    assert states(probe.dmabuf.guest) == before


@pytest.mark.clause("MAP-12")
@pytest.mark.exporters("system")
def test_others_map_nothing_without_a_mask(exporter, probe, guest, evidence):
    device = probe.device(flags=flag("DEVICE_NO_MASK"))
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(device)
    guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with guest.expect_splat("dma_map_sg"):
        mapping = attachment.map()
    evidence(f"a warning, and {mapping.count} segments")
    assert mapping.count == 0
