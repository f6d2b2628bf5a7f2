# SPDX-License-Identifier: GPL-2.0-or-later
"""ATT: attach, detach and what a device needs."""

import errno

import pytest

from harness import pixels
from harness.guest import Guest
from harness.kms import Kms
from harness.program import Refused

from .clauses import PROJECT
from .dmabuf import PAGE
from .exporters import BatonHeap, Display
from .project import (
    ANYWHERE,
    AWAY,
    HIGH_WINDOW,
    LOW,
    LOW_WINDOW,
    LOWER,
    UINT_MAX,
    away,
    filled,
    held,
    high,
    inside,
    low,
    scattered,
    state,
    states,
    wide,
)

SIZE = 16 * PAGE
STATIC = ("PIN", "UNPIN")


@pytest.mark.clause("ATT-01")
def test_any_device_can_attach_again_and_again(exporter, dmabuf, probe, evidence):
    fd = exporter.make(SIZE).fd
    buffer, device = probe.buffer(fd), wide(probe)
    before = len(dmabuf.info(fd).devices)
    attachments = [buffer.attach(device) for _ in range(3)]
    attached = len(dmabuf.info(fd).devices) - before
    for attachment in attachments:
        attachment.detach()
    left = len(dmabuf.info(fd).devices) - before
    evidence(f"{attached} attached, {left} after detach")
    assert (attached, left) == (3, 0)


@pytest.mark.clause("ATT-01")
@pytest.mark.parametrize(("without", "ops"), [
    (STATIC, ["ATTACH", "ATTACH"]), ((*STATIC, "ATTACH"), [])], ids=["attach", "no attach"])
def test_the_operation_is_optional(probe, evidence, without, ops):
    buffer = probe.buffer(probe.export(without=without).fd)
    for _ in range(2):
        buffer.attach(wide(probe))
    seen = probe.ops()
    evidence(f"2 attaches: {seen}")
    assert seen == ops


@pytest.mark.clause("ATT-02")
def test_attach_is_entered_before_all_else(probe, evidence):
    """Without the lock, which the probe's operation takes, and not listed yet."""
    buffer = probe.buffer(probe.export(without=()).fd)
    attachment = buffer.attach(wide(probe))
    attachment.map().unmap()
    attachment.detach()
    seen = {event.op: (event.locked, event.listed) for event in probe.events()}
    evidence(f"locked, listed: {seen}")
    assert seen == {"ATTACH": (False, False), "PIN": (True, True), "MAP": (True, True),
                    "UNMAP": (True, True), "UNPIN": (True, True), "DETACH": (False, False)}


@pytest.mark.clause("ATT-02")
@pytest.mark.exporters(*PROJECT)
def test_the_needs_are_those_of_the_newcomer(exporter, probe, evidence, let_go):
    """Not of one that is listed already."""
    fd = exporter.make(SIZE).fd
    let_go(filled(probe, fd, 1, SIZE)[1])
    strict = probe.buffer(fd).attach(away(probe, exporter), dynamic=True).map()
    evidence(f"wide, then strict: at {strict.runs}")
    assert inside(strict, AWAY[exporter.name])
    assert strict.wrong(1, SIZE) == 0


@pytest.mark.clause("ATT-02")
@pytest.mark.exporters(*PROJECT)
def test_attach_and_detach_at_the_same_time(exporter, dmabuf, probe):
    """With lockdep looking on."""
    fd = exporter.make(SIZE).fd
    buffer = probe.buffer(fd)
    before = len(dmabuf.info(fd).devices)
    for _ in range(4):
        tasks = [buffer.start_attach(wide(probe), dynamic) for dynamic in (True, False) * 3]
        attached = [task.finish().id for task in tasks]
        assert len(dmabuf.info(fd).devices) == before + len(attached)
        for task in [probe.start("DROP", id=id_) for id_ in attached]:
            assert task.outcome() == "0"
    assert len(dmabuf.info(fd).devices) == before


@pytest.mark.clause("ATT-03")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize(("limits", "outcome"), [
    ({"mask": (1 << 28) - 1}, "EBUSY"),
    ({"mask": (1 << 31) - 1}, "EBUSY"),
    ({"mask": UINT_MAX}, "0"),
    ({"bus_limit": UINT_MAX}, "0"),
    ({"mask": (1 << 64) - 1}, "0"),
    ({"mask": (1 << 30) - 1, "windows": [LOW_WINDOW]}, "0"),
    ({"mask": UINT_MAX, "windows": [HIGH_WINDOW]}, "EBUSY"),
    ({"windows": [(LOW.start, 1 << 39, 1 << 30)]}, "0"),
], ids=["28 bits", "31 bits", "32 bits", "32-bit bus", "64 bits", "offset window",
        "window beyond mask", "window far up"])
def test_the_storage_is_where_the_device_reaches_it(exporter, probe, evidence, let_go, limits,
                                                    outcome):
    fd = exporter.make(SIZE).fd
    lax, old = filled(probe, fd, 1, SIZE)
    where = old.runs
    let_go(old)
    seen = probe.buffer(fd).attach_outcome(device := probe.device(**limits), dynamic=True)
    evidence(f"{limits}: {seen}")
    assert seen == outcome
    if outcome != "0":
        assert lax.map().runs == where
        return
    mapping = probe.buffer(fd).attach(device, dynamic=True).map()
    highest = min(limits.get("mask", UINT_MAX << 32), limits.get("bus_limit") or 1 << 64)
    assert all(segment.bus + segment.len - 1 <= highest for segment in mapping.segments)
    assert mapping.wrong(1, SIZE) == 0
    assert mapping.runs == lax.map().runs


# What a device wants, the longest segment that is then allowed, and the boundary
SEGMENTS = (
    ({"max_segment": PAGE}, PAGE, 0),
    ({"max_segment": 4 * PAGE}, 4 * PAGE, 0),
    ({}, 64 << 10, 0),
    ({"max_segment": UINT_MAX}, UINT_MAX, 0),
    ({"max_segment": UINT_MAX, "boundary": 8 * PAGE - 1}, UINT_MAX, 8 * PAGE),
    ({"max_segment": UINT_MAX, "min_align_mask": PAGE - 1}, UINT_MAX, 0),
)


@pytest.mark.clause("ATT-04")
def test_segments_are_as_the_device_wants_them(exporter, probe, evidence):
    """Of storage in one piece, where there is such."""
    fd = exporter.make(64 * PAGE).fd
    if exporter.name in PROJECT:
        probe.buffer(fd).attach(low(probe)).detach()
    wrong = []
    for limits, size, boundary in SEGMENTS:
        segments = probe.buffer(fd).attach(probe.device(**limits)).map().segments
        longest = max(segment.len for segment in segments)
        crossing = [s for s in segments if boundary and
                    s.bus // boundary != (s.bus + s.len - 1) // boundary]
        evidence(f"{limits}: {len(segments)} segments of up to {longest} bytes, "
                 f"{len(crossing)} across a boundary")
        if longest > size or crossing:
            wrong.append(limits)
    assert not wrong


@pytest.mark.clause("ATT-05")
@pytest.mark.exporters(*ANYWHERE)
def test_one_piece_can_be_demanded(exporter, probe, guest, evidence, let_go):
    """An importer that did not ask for it must look at what it gets."""
    with scattered(guest):
        fd = exporter.make(SIZE).fd
        lax, mapping = filled(probe, fd, 1, SIZE)
        buffer = probe.buffer(fd)
        strict = probe.device(max_segments=1, max_segment=UINT_MAX)
        with held(probe, fd):
            quiet = buffer.attach(probe.device(max_segments=None, max_segment=UINT_MAX))
            refusal = buffer.attach_outcome(strict)
            unasked = quiet.map()
            pieces = [len(mapping.runs), len(unasked.runs)]
            for user in (unasked, quiet):
                user.drop()
        let_go(mapping)
        buffer.attach(strict)
        pieces.append(len(lax.map().runs))
    evidence(f"declared: {refusal} while pinned; pieces: {pieces}")
    assert refusal == "EBUSY"
    assert pieces[0] == pieces[1] > 1 == pieces[2]


@pytest.mark.clause("ATT-05")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("align", [16 * PAGE, 64 * PAGE])
def test_an_alignment_can_be_demanded(exporter, probe, evidence, align):
    fd = exporter.make(align).fd
    device = probe.device(max_segments=1, max_segment=UINT_MAX, align=align)
    bus = probe.buffer(fd).attach(device).map().segments[0].bus
    evidence(f"{align:#x}: at {bus:#x}")
    assert bus % align == 0


@pytest.mark.clause("ATT-05", exporter="baton")
def test_an_alignment_is_had_or_refused(dmabuf, probe, evidence):
    """By single pages, which follow each other."""
    align = 16 * PAGE
    device = probe.device(max_segments=1, max_segment=UINT_MAX, align=align)
    for _ in range(4):
        buffer = probe.buffer(BatonHeap(dmabuf).make(PAGE).fd)
        buffer.attach(low(probe)).detach()
        try:
            bus = buffer.attach(device, dynamic=True).map().segments[0].bus
        except Refused as refusal:
            evidence(errno.errorcode[refusal.code])
            continue
        evidence(f"at {bus:#x}")
        assert bus % align == 0


@pytest.mark.clause("ATT-06")
@pytest.mark.exporters(*PROJECT)
def test_the_impossible_is_refused(exporter, probe, evidence):
    fd = exporter.make(SIZE).fd
    attachment, _ = filled(probe, fd, 1, SIZE)
    outcomes = [probe.buffer(fd).attach_outcome(probe.device(mask=(1 << 20) - 1), dynamic)
                for dynamic in (False, True)]
    evidence(f"a device that reaches no memory: {outcomes}")
    assert outcomes == ["EBUSY"] * 2
    assert attachment.map().wrong(1, SIZE) == 0


@pytest.mark.clause("ATT-06")
@pytest.mark.parametrize("error", [errno.EBUSY, errno.EOPNOTSUPP, errno.ENOMEM])
def test_importers_pass_the_refusal_on(dmabuf, probe, evidence, error):
    stub = probe.export()
    stub.behave("ATTACH", error)
    display = Display(dmabuf)
    display.open()
    seen = {"attach": probe.buffer(stub.fd).attach_outcome(wide(probe)),
            "PRIME": display.import_refused(stub.fd)}
    evidence(f"{seen}")
    assert set(seen.values()) == {errno.errorcode[error]}


@pytest.mark.clause("ATT-07")
@pytest.mark.exporters(*PROJECT)
def test_a_refusal_leaves_no_trace(exporter, dmabuf, probe, guest, evidence):
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    with held(probe, fd):
        before = states(guest), dmabuf.info(fd).devices, mapping.runs
        for device, dynamic in ((away(probe, exporter), False), (away(probe, exporter), True),
                                (probe.device(mask=(1 << 20) - 1), True)):
            assert probe.buffer(fd).attach_outcome(device, dynamic) == "EBUSY"
        after = states(guest), dmabuf.info(fd).devices, attachment.map().runs
    evidence(f"{len(after[1])} devices, generation {after[0][0].generation}")
    assert after[1:] == before[1:]
    assert [state.place for state in after[0]] == [state.place for state in before[0]]
    assert attachment.map().wrong(1, SIZE) == 0
    assert attachment.notified == 0


@pytest.mark.clause("ATT-07")
def test_detach_is_not_called_for_a_refusal(dmabuf, probe, evidence):
    stub = probe.export()
    stub.behave("ATTACH", errno.EBUSY)
    assert probe.buffer(stub.fd).attach_outcome(wide(probe)) == "EBUSY"
    ops, devices = probe.ops(), dmabuf.info(stub.fd).devices
    evidence(f"{ops}, {len(devices)} devices")
    assert (ops, devices) == (["ATTACH"], ())


@pytest.mark.clause("ATT-08")
@pytest.mark.exporters(*PROJECT)
def test_a_mapping_that_is_left_is_reclaimed(exporter, probe, guest, evidence):
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    start = mapping.segments[0].cpu
    before = state(guest, start).maps
    with guest.expect_splat("baton_dmabuf_detach"):
        attachment.drop(force=True)
    left = state(guest, start).maps
    evidence(f"a warning; {before} mappings before, {left} after")
    assert left == before - 1
    probe.close()


def _cma_free(guest: Guest) -> int:
    return int(guest.run("grep CmaFree /proc/meminfo").stdout.split()[1]) << 10


@pytest.mark.clause("ATT-08", exporter="baton")
def test_the_memory_of_a_mapping_that_is_left_is_freed(dmabuf, probe, guest, evidence):
    size = 16 << 20
    before = _cma_free(guest)
    fd = BatonHeap(dmabuf).make(size).fd
    attachment = probe.buffer(fd).attach(low(probe), dynamic=True)
    attachment.map()
    used = before - _cma_free(guest)
    with guest.expect_splat("baton_dmabuf_detach"):
        attachment.drop(force=True)
    probe.close()
    dmabuf("close", fd)
    left = before - _cma_free(guest)
    evidence(f"{used} bytes in use while mapped, {left} after the last close")
    assert left < size // 2 < used


@pytest.mark.clause("ATT-08")
def test_the_core_does_not_notice(probe, guest, evidence):
    attachment = probe.buffer(probe.export().fd).attach(wide(probe))
    attachment.map()
    attachment.drop(force=True)
    guest.check()
    ops = probe.ops()
    evidence(f"{ops}, no warning")
    assert ops == ["ATTACH", "MAP", "DETACH"]


@pytest.mark.clause("ATT-09")
@pytest.mark.parametrize(("without", "dynamic", "kept", "ops"), [
    ((), False, ["UNMAP", "UNPIN"], ["DETACH"]), ((), True, [], ["DETACH"]),
    (STATIC, True, ["UNMAP"], ["DETACH"]), (STATIC, False, [], ["DETACH"]),
    ((*STATIC, "DETACH"), True, ["UNMAP"], [])],
    ids=["pinned", "dynamic", "mapped", "static", "no operation"])
def test_detach_undoes_attach(dmabuf, probe, core_keeps_tables, evidence, without, dynamic, kept,
                              ops):
    """KEPT is for the mapping that the core keeps, if it does."""
    stub = probe.export(without=without)
    expected = [*kept, *ops] if core_keeps_tables else ops
    for _ in range(20):
        attachment = probe.buffer(stub.fd).attach(wide(probe), dynamic)
        probe.events()
        attachment.detach()
        events = probe.events()
        assert [event.op for event in events] == expected
        assert {event.op: (event.locked, event.listed) for event in events}.get(
            "DETACH", (False, False)) == (False, False)
        assert dmabuf.info(stub.fd).devices == ()
    evidence(f"{events}")


def _slab(guest: Guest) -> int:
    """Bytes of kernel objects that are not there for a cache's sake."""
    text = guest.run("grep SUnreclaim /proc/meminfo").stdout
    return int(text.split()[1]) << 10


@pytest.mark.clause("ATT-09")
@pytest.mark.exporters(*PROJECT)
def test_attachments_leave_nothing(exporter, dmabuf, probe, guest, kernel_config, evidence):
    debug = "CONFIG_KASAN=y" in kernel_config  # slow, and keeps for a while what was freed
    rounds = 1000 if debug else 10000
    fd = exporter.make(SIZE).fd
    buffer, device = probe.buffer(fd), wide(probe)

    def attach(count: int) -> tuple:
        dmabuf("attach", count, probe.fd, buffer.id, device.id)
        return states(guest), dmabuf.info(fd), buffer.info().references, device.info().references

    before, slab = attach(100), _slab(guest)
    after = attach(rounds)
    growth = _slab(guest) - slab
    evidence(f"{rounds} attaches and detaches; {growth} bytes more in use")
    assert after == before
    assert debug or growth < rounds * 16


@pytest.mark.clause("ATT-10")
@pytest.mark.exporters("camera")
def test_two_exports_have_one_view(exporter, dmabuf, probe, guest, evidence, let_go):
    first = exporter.make(SIZE).fd
    second = exporter.export(0)
    assert dmabuf.inode(first) != dmabuf.inode(second)
    lax, old = filled(probe, first, 1, SIZE)
    where = old.runs
    with held(probe, first):
        refusal = probe.buffer(second).attach_outcome(low(probe), dynamic=True)
    let_go(old)
    strict = probe.buffer(second).attach(low(probe), dynamic=True).map()
    lists = [len(dmabuf.info(fd).devices) for fd in (first, second)]
    merged = state(guest, strict.segments[0].cpu)
    evidence(f"pinned through the other: {refusal}; lists {lists}, in common {merged.devices}")
    assert refusal == "EBUSY"
    assert lax.notified == 1
    assert strict.runs == lax.map().runs != where
    assert strict.wrong(1, SIZE) == 0
    assert probe.buffer(first).attach_outcome(high(probe), dynamic=True) == "EBUSY"
    assert len(merged.devices) >= 2


@pytest.mark.clause("ATT-10", exporter="display")
def test_an_export_and_the_displays_own_attachment_have_one_view(dmabuf, programs, probe, guest,
                                                                 evidence):
    """It is attached through a dma-buf that nobody else gets."""
    kms = programs(Kms)
    kms.write("hash", 1)
    picture = kms.picture("XR24", 128, 96, pixels.noise("XR24", 128, 96, 1))
    fd = dmabuf.adopt(kms, kms.number("export", picture.handle))
    lists = [info.devices for info in dmabuf.bufinfo()]
    buffer = probe.buffer(fd)
    beyond = buffer.attach_outcome(high(probe), dynamic=True)
    kms.show(kms.mode(128, 96), primary=picture)
    shown = buffer.attach_outcome(low(probe, LOWER), dynamic=True)
    kms.off()
    strict = buffer.attach(low(probe, LOWER), dynamic=True).map()
    merged = state(guest, strict.segments[0].cpu)
    number, _ = kms.show(kms.mode(128, 96), primary=picture)
    read = kms.frame(number).planes[0]
    evidence(f"lists {lists}; out of the display's reach: {beyond}; shown: {shown}; "
             f"in common {merged.devices}, generation {merged.generation}; read at {read[0]:#x}")
    assert sorted(map(len, lists)) == [0, 1]
    assert (beyond, shown) == ("EBUSY", "EBUSY")
    assert inside(strict, LOWER)
    assert (merged.generation, len(merged.devices)) == (2, 2)
    assert read == (merged.start, pixels.frame_hash("XR24", 128, 96, picture.pixels))
