# SPDX-License-Identifier: GPL-2.0-or-later
"""DYN: dynamic importers, pin and move_notify."""

import pytest

from harness import pixels
from harness.kms import Kms

from .clauses import PROJECT
from .dmabuf import PAGE
from .probe import (
    BIDIRECTIONAL,
    BOOKKEEP,
    FROM_DEVICE,
    HELD,
    KERNEL,
    MISSING,
    TO_DEVICE,
    WRITE,
    flag,
)
from .project import AWAY, HOME, away, filled, inside, lockdep, state, wide

SIZE = 16 * PAGE
DIRECTIONS = (BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE)


@pytest.mark.clause("DYN-01")
@pytest.mark.not_on("7.2")
def test_a_dynamic_importer_can_be_told_of_moves(exporter, probe, guest, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    with guest.expect_splat("WARNING.*dma_buf_dynamic_attach"):
        outcome = buffer.attach_outcome(wide(probe), True, flag("ATTACH_NO_NOTIFY"))
    evidence(f"without move_notify: a warning and {outcome}")
    assert outcome == "EINVAL"


@pytest.mark.clause("DYN-01")
@pytest.mark.not_on("6.12")
def test_a_dynamic_importer_need_not_be_told_of_moves(exporter, probe, evidence):
    outcome = probe.buffer(exporter.make(SIZE).fd).attach_outcome(
        wide(probe), True, flag("ATTACH_NO_NOTIFY"))
    evidence(f"without invalidate_mappings: {outcome}")
    assert outcome == "0"


@pytest.mark.clause("DYN-01")
@pytest.mark.not_on("6.12")
@pytest.mark.exporters(*PROJECT)
def test_who_is_not_told_of_moves_pins(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    attachment = buffer.attach(wide(probe), True, flag("ATTACH_NO_NOTIFY"))
    unpinned = attachment.map_outcome()
    attachment.pin()
    where = attachment.map().runs
    refusal = buffer.attach_outcome(away(probe, exporter), dynamic=True)
    evidence(f"map without a pin: {unpinned}; a move while it has one: {refusal}")
    assert (unpinned, refusal) == ("EINVAL", "EBUSY")
    assert attachment.map().runs == where


@pytest.mark.clause("DYN-01")
def test_static_importers_do_not_pin(probe, guest, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe))
    with guest.expect_splat("WARNING.*dma_buf_pin"):
        attachment.pin()
    with guest.expect_splat("WARNING.*dma_buf_unpin"):
        attachment.unpin()
    evidence("a warning for pin and for unpin")


@pytest.mark.clause("DYN-01")
def test_pins_are_locked_and_balanced(probe, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe), dynamic=True)
    for _ in range(3):
        attachment.pin(HELD)
    for _ in range(2):
        attachment.unpin(HELD)
    attachment.detach()
    events = [event for event in probe.events() if "PIN" in event.op]
    evidence(f"{events}")
    assert [event.op for event in events] == ["PIN"] * 3 + ["UNPIN"] * 3
    assert all(event.locked and event.listed for event in events)


@pytest.mark.clause("DYN-01")
def test_lockdep_sees_a_pin_without_the_lock(probe, guest, kernel_config, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe), dynamic=True)
    if not lockdep(kernel_config):
        evidence("this kernel does not check locks")
        return
    with guest.expect_splat("dma_buf_pin"):
        attachment.pin(MISSING)
    with guest.expect_splat("dma_buf_unpin"):
        attachment.unpin(MISSING)


@pytest.mark.clause("DYN-01")
@pytest.mark.exporters(*PROJECT)
def test_a_pinned_buffer_stays(exporter, probe, evidence, let_go):
    buffer = exporter.make(SIZE)
    attachment, mapping = filled(probe, buffer.fd, 1, SIZE)
    where = mapping.runs
    let_go(mapping)
    attachment.pin()
    refusal = probe.buffer(buffer.fd).attach_outcome(away(probe, exporter), dynamic=True)
    again = attachment.map()
    assert (refusal, again.runs) == ("EBUSY", where)
    let_go(again)
    attachment.unpin()
    outcome = probe.buffer(buffer.fd).attach_outcome(away(probe, exporter), dynamic=True)
    evidence(f"pinned: {refusal}, then: {outcome}")
    assert outcome == "0"
    assert inside(attachment.map(), AWAY[exporter.name])


@pytest.mark.clause("DYN-02")
@pytest.mark.not_on("6.12")
def test_the_core_pins_for_each_map_of_a_static_importer(probe, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe))
    assert probe.ops() == ["ATTACH"]
    mappings = [attachment.map(direction) for direction in DIRECTIONS]
    mapped = probe.events()
    for mapping in mappings:
        mapping.unmap()
    unmapped = probe.ops()
    evidence(f"{mapped}, then {unmapped}")
    assert [event.op for event in mapped] == ["PIN", "MAP"] * 3
    assert tuple(event.direction for event in mapped[1::2]) == DIRECTIONS
    assert unmapped == ["UNMAP", "UNPIN"] * 3


@pytest.mark.clause("DYN-02")
@pytest.mark.not_on("7.2")
def test_the_core_pins_and_maps_for_a_static_importer(probe, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe))
    attached = probe.events()
    assert [event.op for event in attached] == ["ATTACH", "PIN", "MAP"]
    assert attached[-1].direction == BIDIRECTIONAL
    mappings = [attachment.map(direction) for direction in DIRECTIONS]
    assert len({mapping.table for mapping in mappings}) == 1
    for mapping in mappings:
        mapping.unmap()
    assert probe.ops() == []
    attachment.detach()
    detached = probe.ops()
    evidence(f"{attached}, then {detached}")
    assert detached == ["UNMAP", "UNPIN", "DETACH"]


@pytest.mark.clause("DYN-02")
@pytest.mark.not_on("7.2")
def test_the_core_maps_for_a_dynamic_importer_of_a_static_exporter(probe, evidence):
    attachment = probe.buffer(probe.export().fd).attach(wide(probe), dynamic=True)
    attached = probe.events()
    assert [event.op for event in attached] == ["ATTACH", "MAP"]
    assert attached[-1].direction == BIDIRECTIONAL
    assert len({attachment.map(direction).table for direction in DIRECTIONS}) == 1
    evidence(f"{attached}, {attachment.notified} notifications")
    assert attachment.notified == 0
    assert probe.ops() == []


@pytest.mark.clause("DYN-02")
@pytest.mark.parametrize(("op", "ops"), [
    ("PIN", ["ATTACH", "PIN", "DETACH"]), ("MAP", ["ATTACH", "PIN", "MAP", "UNPIN", "DETACH"])])
def test_what_the_core_does_can_fail(probe, core_keeps_tables, evidence, op, ops):
    """At attach, or when it maps."""
    stub = probe.export(without=())
    stub.behave(op, 11)
    buffer = probe.buffer(stub.fd)
    if core_keeps_tables:
        outcome = buffer.attach_outcome(wide(probe))
    else:
        attachment = buffer.attach(wide(probe))
        outcome = attachment.map_outcome()
        attachment.detach()
    seen = probe.ops()
    evidence(f"{op} fails: {outcome}, {seen}")
    assert (outcome, seen) == ("EAGAIN", ops)


@pytest.mark.clause("DYN-02")
@pytest.mark.exporters(*PROJECT)
def test_a_static_importer_holds_the_storage(exporter, probe, guest, core_keeps_tables, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    attachment = buffer.attach(wide(probe))
    start = attachment.map().segments[0].cpu
    held = state(guest, start)
    attachment.map()
    again = state(guest, start)
    more = 0 if core_keeps_tables else 1
    evidence(f"pins {held.pins} and {again.pins}, maps {held.maps} and {again.maps}")
    assert held.pins == 1 <= held.maps
    assert (again.pins, again.maps) == (held.pins + more, held.maps + more)


@pytest.mark.clause("DYN-03")
def test_mapping_does_not_pin(probe, pins_mapped, evidence):
    attachment = probe.buffer(probe.export(without=()).fd).attach(wide(probe), dynamic=True)
    for _ in range(2):
        attachment.map().unmap()
    ops = probe.ops()
    evidence(f"{ops}")
    once = ["PIN", "MAP", "UNMAP", "UNPIN"] if pins_mapped else ["MAP", "UNMAP"]
    assert ops == ["ATTACH", *once, *once]


@pytest.mark.clause("DYN-04")
def test_dynamic_importers_are_told_of_a_move(probe, evidence):
    buffer = probe.buffer(probe.export(without=()).fd)
    dynamic, static = (buffer.attach(wide(probe), kind) for kind in (True, False))
    mappings = [dynamic.map(), static.map()]
    mappings[0].fill(1, 4 * PAGE)
    probe.events()
    buffer.notify(HELD)
    told = probe.events()
    evidence(f"{told}; dynamic {dynamic.notified}, static {static.notified}")
    assert [(event.op, event.object, event.locked) for event in told] == [
        ("NOTIFY", dynamic.id, True)]
    assert (dynamic.notified, static.notified) == (1, 0)
    assert [mapping.wrong(1, 4 * PAGE) for mapping in mappings] == [0, 0]


@pytest.mark.clause("DYN-04")
def test_lockdep_sees_a_notification_without_the_lock(probe, guest, kernel_config, evidence):
    buffer = probe.buffer(probe.export(without=()).fd)
    if not lockdep(kernel_config):
        evidence("this kernel does not check locks")
        return
    with guest.expect_splat("dma_buf_(move_notify|invalidate_mappings)"):
        buffer.notify(MISSING)


@pytest.mark.clause("DYN-04")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.not_on("6.12-static")
def test_old_mappings_stay_until_they_are_dropped(exporter, probe, evidence):
    """The importer has DMA in flight, which a fence ends."""
    buffer = exporter.make(SIZE)
    attachment, old = filled(probe, buffer.fd, 1, SIZE)
    fence = probe.fence()
    fence.add(probe.buffer(buffer.fd), BOOKKEEP)
    task = probe.buffer(buffer.fd).start_attach(away(probe, exporter), dynamic=True)
    probe.wait_for("NOTIFY", task)
    old.fill(2, SIZE)
    fence.signal()
    assert task.outcome() == "0"
    new = attachment.map()
    evidence(f"from {old.runs[0][0]:#x} to {new.runs[0][0]:#x}, {attachment.notified} notified")
    assert attachment.notified >= 1
    assert inside(new, AWAY[exporter.name]) and inside(old, HOME[exporter.name])
    assert new.wrong(2, SIZE) == 0
    new.fill(3, SIZE)
    assert old.wrong(2, SIZE) == 0


@pytest.mark.clause("DYN-05")
@pytest.mark.exporters(*PROJECT)
def test_a_dynamic_importer_waits_itself(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    attachment = buffer.attach(wide(probe), dynamic=True)
    fence = probe.fence()
    fence.add(buffer, KERNEL)
    attachment.map().unmap()
    evidence("map returns with a kernel fence pending")


@pytest.mark.clause("DYN-05", exporter="display")
@pytest.mark.parametrize("usage", [KERNEL, WRITE])
def test_a_display_waits_before_it_reads(dmabuf, programs, probe, evidence, usage):
    kms = programs(Kms)
    kms.write("hash", 1)
    data = [pixels.noise("XR24", 128, 96, seed) for seed in range(2)]
    hashes = [pixels.frame_hash("XR24", 128, 96, each) for each in data]
    kms.show(kms.mode(128, 96), primary=kms.picture("XR24", 128, 96, data[0]))
    stub = probe.export(len(data[1]), without=(),
                        flags=flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))
    fd = kms.number("adopt", dmabuf("pid")[0], stub.fd)
    kms("load_fd", fd, len(data[1]), kms.store(data[1]))
    fence = probe.fence()
    fence.add(probe.buffer(stub.fd), usage)
    kms("set", "primary", "FB_ID", kms.add_fb("XR24", 128, 96, kms.number("import", fd), 512))
    kms("commit", "event", "nonblock")
    waiting = kms.frame(int(kms("vblank", 5)[0])).planes[0][1]
    pending = kms("pending")
    fence.signal()
    shown = kms.frame(kms.event()[0]).planes[0][1]
    evidence(f"fence of usage {usage}: five frames on it reads what it did, "
             "the new buffer after the signal")
    assert (waiting, pending) == (hashes[0], ["0"])
    assert shown == hashes[1]


@pytest.mark.clause("DYN-06")
def test_memory_without_pages_is_for_peers(probe, evidence):
    stub = probe.export(flags=flag("EXPORT_SRAM"), without=())
    buffer = probe.buffer(stub.fd)
    outcomes = {name: buffer.attach_outcome(wide(probe), dynamic, flags) for name, dynamic, flags in
                (("static", False, 0), ("dynamic", True, 0),
                 ("peer2peer", True, flag("ATTACH_PEER2PEER")))}
    evidence(f"{outcomes}")
    assert outcomes == {"static": "EBUSY", "dynamic": "EBUSY", "peer2peer": "0"}


@pytest.mark.clause("DYN-06")
def test_memory_without_pages_can_be_used(probe, evidence):
    stub = probe.export(flags=flag("EXPORT_SRAM"), without=())
    buffer = probe.buffer(stub.fd)
    mapping = buffer.attach(wide(probe), True, flag("ATTACH_PEER2PEER")).map()
    vmap = buffer.vmap()
    mapping.fill(1, 4 * PAGE)
    evidence(f"is_iomem {vmap.iomem}")
    assert vmap.iomem
    assert vmap.wrong(1, 4 * PAGE) == 0
    vmap.fill(2, 4 * PAGE)
    assert mapping.wrong(2, 4 * PAGE) == 0


@pytest.mark.clause("DYN-06")
@pytest.mark.exporters(*PROJECT)
def test_buffers_have_pages(exporter, probe, evidence):
    """Whoever the importer is: the project's buffers are in RAM only."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    vmap = buffer.vmap()
    segments = buffer.attach(wide(probe)).map().segments
    evidence(f"is_iomem {vmap.iomem}, {len(segments)} segments in RAM")
    assert not vmap.iomem
    assert all(segment.expected for segment in segments)
