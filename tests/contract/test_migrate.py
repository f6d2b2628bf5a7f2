# SPDX-License-Identifier: GPL-2.0-or-later
"""MIG: storage that is chosen late, and moves."""

import struct

import pytest

import harness.guest
from harness import pixels
from harness.guest import Guest
from harness.kms import Kms
from harness.polling import until
from harness.v4l2 import V4l2, parse_frames

from .clauses import PROJECT
from .dmabuf import EPOLLIN, EPOLLOUT, PAGE, Dmabuf, iowr
from .exporters import BY_NAME, DMABUF, FD_TO_HANDLE, LowerDisplay, Vivid, Vkms
from .probe import BOOKKEEP, READ, Probe, Stub, flag
from .project import (
    ANYWHERE,
    AWAY,
    HOME,
    LOW,
    LOWER,
    UINT_MAX,
    away,
    filled,
    high,
    home,
    inside,
    low,
    low_in_pieces,
    no_storage,
    scattered,
    set_parameter,
    state,
    states,
    wide,
)

SIZE = 16 * PAGE
WIDTH, HEIGHT = 128, 96  # of pictures
XR24 = 0x34325258
ADDFB2, RMFB = iowr("d", 0xB8, 104), iowr("d", 0xAF, 4)
WAIT_MS = 2000


@pytest.fixture
def patience(guest):
    """Sets how long an attach waits, in ms."""
    yield lambda ms: set_parameter(guest, "wait_ms", ms)
    set_parameter(guest, "wait_ms", WAIT_MS)


@pytest.mark.clause("MIG-01")
@pytest.mark.exporters("baton")
@pytest.mark.parametrize("use", ["map", "vmap", "mmap", "begin"])
def test_storage_comes_with_the_first_use(exporter, dmabuf, probe, guest, evidence, use):
    fd = exporter.make(SIZE).fd
    buffer = probe.buffer(fd)
    attachments = [buffer.attach(low(probe), dynamic=True) for _ in range(3)]
    address = dmabuf.map(fd, SIZE)
    kinds = [state(guest).storage]
    for attachment in attachments[1:]:
        attachment.detach()
    kinds.append(state(guest).storage)
    if use == "map":
        attachments[0].map()
    elif use == "vmap":
        buffer.vmap()
    elif use == "mmap":
        dmabuf.fetch(address, 1)
    else:
        buffer.begin(0)
    kinds.append(state(guest).storage)
    evidence(f"attached: {kinds[0]}, detached: {kinds[1]}, after {use}: {kinds[2]}")
    assert kinds == ["none", "none", "pool"]
    assert state(guest).generation == 1


@pytest.mark.clause("MIG-01")
@pytest.mark.exporters(*PROJECT)
def test_attaching_and_detaching_without_use(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    for _ in range(5):
        buffer.attach(wide(probe), dynamic=True).detach()
    assert buffer.attach(wide(probe)).map().nonzero(SIZE) == 0
    evidence("5 attaches and detaches, then mapped")


@pytest.mark.clause("MIG-02")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("first", ["lax", "strict"])
def test_storage_suits_all_who_are_attached(exporter, probe, evidence, first):
    """Strict attaches, lax attaches, and whoever maps first, nothing moves any more."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    strict = buffer.attach(low(probe), dynamic=True)
    lax = buffer.attach(wide(probe), dynamic=True)
    order = [lax, strict] if first == "lax" else [strict, lax]
    runs = [attachment.map().runs for attachment in order]
    evidence(f"{runs[0]}, {runs[1]}; notified {strict.notified}, {lax.notified}")
    assert runs[0] == runs[1]
    assert runs[0][0][0] in LOW
    assert (strict.notified, lax.notified) == (0, 0)


@pytest.mark.clause("MIG-02")
@pytest.mark.exporters(*PROJECT)
def test_storage_suits_who_has_not_mapped_it(exporter, probe, evidence):
    """Nobody needs one piece, so that the upper bank would come first."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    strict = buffer.attach(low_in_pieces(probe), dynamic=True)
    runs = buffer.attach(wide(probe), dynamic=True).map().runs
    evidence(f"mapped by the lax one: {runs}")
    assert strict.map().runs == runs
    assert all(start in LOW for start, _ in runs)


@pytest.mark.clause("MIG-02")
@pytest.mark.exporters(*PROJECT)
def test_limits_end_with_the_attachment(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    buffer.attach(away(probe, exporter), dynamic=True).detach()
    outcome = buffer.attach_outcome(home(probe, exporter), dynamic=True)
    evidence(f"away, detached; home: {outcome}")
    assert outcome == "0"


@pytest.mark.clause("MIG-02")
@pytest.mark.exporters("baton")
def test_one_storage_is_enough(exporter, probe, guest, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    attachments = [buffer.attach(kind(probe), dynamic=True) for kind in (low, wide)]
    for attachment in reversed(attachments):
        attachment.map()
    evidence(f"generation {state(guest).generation}")
    assert state(guest).generation == 1


@pytest.mark.clause("MIG-03")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("dynamic", [False, True])
def test_who_reaches_the_storage_is_taken_at_once(exporter, probe, guest, evidence, dynamic):
    """Though others are mapped and DMA runs that does not end."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    mapping = buffer.attach(wide(probe), dynamic=True).map()
    before = states(guest)
    probe.fence().add(buffer, BOOKKEEP)
    runs = buffer.attach(wide(probe), dynamic).map().runs
    after = states(guest)
    evidence(f"generations {[s.generation for s in after]}")
    assert runs == mapping.runs
    assert [s.place for s in after] == [s.place for s in before]


@pytest.mark.clause("MIG-03")
@pytest.mark.exporters(*ANYWHERE)
@pytest.mark.parametrize("dynamic", [False, True])
def test_pieces_stay_where_they_are(exporter, probe, guest, evidence, dynamic):
    """Though one piece could be had, and no DMA is in flight."""
    with scattered(guest):
        fd = exporter.make(SIZE).fd
        attachment, mapping = filled(probe, fd, 1, SIZE)
    start = mapping.runs[0][0]
    before = state(guest, start)
    probe.buffer(fd).attach(wide(probe), dynamic)
    after = state(guest, start)
    evidence(f"{before.pieces} pieces, then {after.pieces}")
    assert before.pieces > 1
    assert (after.place, attachment.notified) == (before.place, 0)


@pytest.mark.clause("MIG-04")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_stricter_device_makes_it_move(exporter, probe, guest, evidence, dynamic):
    fd = exporter.make(SIZE).fd
    lax, mapping = filled(probe, fd, 1, SIZE)
    old = mapping.runs
    generation = state(guest, old[0][0]).generation
    mapping.unmap()
    strict = probe.buffer(fd).attach(away(probe, exporter), dynamic)
    new = strict.map()
    moved = state(guest, new.runs[0][0])
    evidence(f"from {old} to {new.runs}, generation {generation} to {moved.generation}")
    assert old[0][0] in HOME[exporter.name]
    assert inside(new, AWAY[exporter.name]) and len(new.runs) == 1
    assert moved.generation == generation + 1
    assert lax.map().runs == new.runs
    assert new.wrong(1, SIZE) == 0
    strict.map().unmap()
    assert lax.map().runs == new.runs


@pytest.mark.clause("MIG-05")
@pytest.mark.exporters(*PROJECT)
def test_a_move_is_not_noticed(exporter, dmabuf, probe, guest, evidence):
    buffer = exporter.make(257 * PAGE)
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 1)
    seen = []
    for kind in (away, home, away):
        attachment = probe.buffer(buffer.fd).attach(kind(probe, exporter), dynamic=True)
        mapping = attachment.map()
        runs = mapping.runs
        mapping.unmap()
        attachment.detach()
        facts = (dmabuf.inode(buffer.fd), dmabuf.size(buffer.fd),
                 dmabuf.number("lseek", buffer.fd, 0, 2),
                 dmabuf.number("check", address, buffer.size, 1))
        seen.append(facts)
        evidence(f"at {runs[0][0]:#x}: inode, size, end, wrong words {facts}")
    assert len(set(seen)) == 1
    assert seen[0][1:] == (buffer.size, buffer.size, 0)


@pytest.mark.clause("MIG-05")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.not_on("6.12-static")
def test_pages_are_kept_for_who_can_reach_them(exporter, probe, guest, evidence):
    """An importer that did not drop its table yet; others take what memory there is."""
    fd = exporter.make(SIZE).fd
    _, old = filled(probe, fd, 1, SIZE)
    new = probe.buffer(fd).attach(away(probe, exporter), dynamic=True).map()
    assert new.wrong(1, SIZE) == 0
    new.fill(2, SIZE)
    guest.run("dd if=/dev/urandom of=/tmp/noise bs=64k count=64 2>/dev/null; rm /tmp/noise")
    wrong = old.wrong(1, SIZE)
    evidence(f"{wrong} words of the old pages changed")
    assert wrong == 0


@pytest.fixture
def pending(exporter, probe, pins_mapped):
    """A mapped buffer with DMA in flight, and a stricter device that begins to attach."""

    def begin():
        fd = exporter.make(SIZE).fd
        attachment, mapping = filled(probe, fd, 1, SIZE)
        fence = probe.fence()
        fence.add(probe.buffer(fd), BOOKKEEP)
        if pins_mapped:
            mapping.unmap()
        task = probe.buffer(fd).start_attach(away(probe, exporter), dynamic=True)
        probe.wait_for("NOTIFY", task)
        if pins_mapped:
            mapping = attachment.map()
        return fd, attachment, mapping, fence, task

    return begin


@pytest.mark.clause("MIG-06")
@pytest.mark.exporters(*PROJECT)
def test_attach_waits_for_dma_to_end(pending, exporter, probe, evidence, patience, let_go):
    """New mappings are admitted meanwhile."""
    patience(60000)
    _, attachment, mapping, fence, task = pending()
    assert probe.blocked(task)
    again = attachment.map()
    assert again.runs == mapping.runs
    mapping.fill(2, SIZE)
    assert mapping.wrong(2, SIZE) == 0
    let_go(again)
    let_go(mapping)
    fence.signal()
    outcome = task.outcome()
    new = attachment.map()
    evidence(f"waits; after the signal {outcome}, at {new.runs[0][0]:#x}")
    assert outcome == "0"
    assert inside(new, AWAY[exporter.name])
    assert new.wrong(2, SIZE) == 0


@pytest.mark.clause("MIG-06", "MIG-08")
@pytest.mark.exporters(*PROJECT)
def test_the_wait_is_bounded(pending, evidence, patience):
    patience(300)
    _, attachment, mapping, fence, task = pending()
    outcome = task.outcome()
    evidence(f"DMA does not end: {outcome}")
    assert outcome == "EBUSY"
    assert attachment.map().runs == mapping.runs
    assert mapping.wrong(1, SIZE) == 0
    fence.signal()


@pytest.mark.clause("MIG-06")
@pytest.mark.exporters(*PROJECT)
def test_mappings_alone_do_not_hold_it_up(exporter, probe, evidence, patience, pins_mapped):
    """Importers that follow moves drop them by themselves, if they are not pinned."""
    patience(60000)
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    for _ in range(3):
        attachment.map()
    outcome = probe.buffer(fd).attach_outcome(away(probe, exporter), dynamic=True)
    evidence(f"4 mappings: {outcome}, notified {attachment.notified} times")
    assert (outcome, attachment.notified) == (("EBUSY", 0) if pins_mapped else ("0", 1))
    assert mapping.wrong(1, SIZE) == 0


@pytest.mark.clause("MIG-06", "MIG-08")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.not_on("6.12-static")
@pytest.mark.parametrize(("overlap", "wait_ms", "expected"), [(0, 10000, "0"), (1, 300, "EBUSY")],
                         ids=["with gaps", "without a gap"])
def test_an_importer_that_is_always_busy(exporter, dmabuf, probe, guest, evidence, patience,
                                         overlap, wait_ms, expected):
    """It maps again whenever its DMA has ended, and does not care for moves to come."""
    patience(wait_ms)
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    task = dmabuf.start("transfer", probe.fd, probe.buffer(fd).id, attachment.id, overlap)
    outcome = probe.buffer(fd).attach_outcome(away(probe, exporter), dynamic=True)
    dmabuf("stop")
    evidence(f"{outcome}; {task.finish()[0]} transfers, notified {attachment.notified} times")
    new = attachment.map()
    assert outcome == expected
    moved = inside(new, AWAY[exporter.name])
    assert (moved, new.runs == mapping.runs) == (expected == "0", expected != "0")
    assert mapping.wrong(1, SIZE) == new.wrong(1, SIZE) == 0


@pytest.mark.clause("MIG-07")
@pytest.mark.exporters(*PROJECT)
def test_others_go_on_during_the_wait(pending, exporter, dmabuf, probe, evidence, patience,
                                      let_go):
    patience(60000)
    fd, attachment, mapping, fence, task = pending()
    for _ in range(3):
        mapping.unmap()
        mapping = attachment.map()
    third = probe.buffer(fd).attach(wide(probe), dynamic=True)
    third.map().unmap()
    third.detach()
    vmap = probe.buffer(fd).vmap()
    vmap.vunmap()
    events = dmabuf.poll(fd, EPOLLIN | EPOLLOUT)
    info = dmabuf.info(fd)
    waits = not task.done
    evidence(f"map, unmap, attach, vmap, poll and bufinfo while it waits: {waits}; "
             f"{len(info.devices)} devices")
    assert waits
    assert events == EPOLLIN | EPOLLOUT
    let_go(mapping)
    fence.signal()
    assert task.outcome() == "0"


@pytest.mark.clause("MIG-08")
@pytest.mark.exporters(*PROJECT)
def test_the_wait_can_be_interrupted(pending, exporter, dmabuf, probe, evidence, patience,
                                     let_go):
    patience(60000)
    fd, attachment, mapping, fence, task = pending()
    devices = dmabuf.info(fd).devices
    task.interrupt()
    outcome = task.outcome()
    evidence(outcome)
    assert outcome == "EINTR"
    again = attachment.map()
    assert again.runs == mapping.runs
    assert dmabuf.info(fd).devices == devices
    let_go(again)
    let_go(mapping)
    fence.signal()
    assert probe.buffer(fd).attach_outcome(away(probe, exporter), dynamic=True) == "0"


@pytest.mark.clause("MIG-08")
@pytest.mark.exporters(*PROJECT)
def test_a_waiting_import_can_be_interrupted_and_killed(exporter, dmabuf, programs, probe, guest,
                                                        evidence, patience, let_go):
    """By then it holds locks of the display's."""
    patience(60000)
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    where = mapping.runs
    let_go(mapping)
    fence = probe.fence()
    fence.add(probe.buffer(fd), BOOKKEEP)
    display = LowerDisplay(dmabuf)
    prime = struct.pack("<IIi", 0, 0, fd).hex()
    task = dmabuf.start("ioctl", display.open(), FD_TO_HANDLE, prime)
    probe.wait_for("NOTIFY", task)
    task.interrupt()
    outcome = task.finish_refused()

    victim = programs()
    theirs = victim.number("adopt", dmabuf("pid")[0], fd)
    card = victim.number("open", display.card, 2)
    probe.wait_for("NOTIFY", victim.start("ioctl", card, FD_TO_HANDLE,
                                          struct.pack("<IIi", 0, 0, theirs).hex()))
    victim.kill()
    evidence(f"interrupted: {outcome}; then killed")
    assert outcome == "EINTR"
    again = attachment.map()
    assert again.runs == where
    let_go(again)
    fence.signal()
    display.close_handle(display.import_(fd))
    assert inside(attachment.map(), LOWER)


@pytest.mark.clause("MIG-09")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("used", [False, True])
def test_devices_with_nothing_in_common(exporter, probe, evidence, used):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    attachment = buffer.attach(low(probe), dynamic=True)
    if used:
        attachment.map().unmap()
    outcomes = [buffer.attach_outcome(high(probe), dynamic) for dynamic in (False, True)]
    evidence(f"{'used' if used else 'new'} buffer, nothing mapped: {outcomes}")
    assert outcomes == ["EBUSY"] * 2
    assert inside(attachment.map(), LOW)


@pytest.mark.clause("MIG-10")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_static_importer_holds_its_place(exporter, probe, guest, evidence, patience, dynamic):
    patience(600000)
    buffer = probe.buffer(exporter.make(SIZE).fd)
    start = buffer.attach(wide(probe)).map().segments[0].cpu
    assert start in HOME[exporter.name]
    outcome = buffer.attach_outcome(away(probe, exporter), dynamic)
    held = state(guest, start)
    evidence(f"{outcome}, pins {held.pins}")
    assert (outcome, held.pins) == ("EBUSY", 1)


@pytest.mark.clause("MIG-11")
@pytest.mark.parametrize(("flags", "unmaps"), [
    (0, 3), pytest.param(flag("EXPORT_CACHE_SGT"), 0, marks=pytest.mark.not_on("7.2"))])
def test_the_cache_of_the_core_hides_unmap(probe, evidence, flags, unmaps):
    attachment = probe.buffer(probe.export(flags=flags).fd).attach(wide(probe))
    for _ in range(3):
        attachment.map().unmap()
    seen = probe.ops().count("UNMAP")
    evidence(f"cache_sgt_mapping {bool(flags)}: {seen} of 3 unmaps seen")
    assert seen == unmaps


@pytest.mark.clause("MIG-11")
@pytest.mark.exporters(*PROJECT)
def test_each_unmap_is_seen(exporter, probe, guest, evidence):
    attachment = probe.buffer(exporter.make(SIZE).fd).attach(wide(probe), dynamic=True)
    mappings = [attachment.map() for _ in range(3)]
    start = mappings[0].segments[0].cpu
    counts = []
    for mapping in mappings:
        before = state(guest, start).maps
        mapping.unmap()
        counts.append(before - state(guest, start).maps)
    evidence(f"{counts}")
    assert counts == [1, 1, 1]


def outstanding(probe) -> int:
    ops = probe.ops()
    return ops.count("MAP") - ops.count("UNMAP")


def contiguous(probe, size: int) -> Stub:
    return probe.export(size, flags=flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))


@pytest.mark.clause("MIG-12")
def test_v4l2_keeps_a_buffer_mapped(dmabuf, probe, evidence):
    """vivid, with the memory operations of most cameras."""
    vivid = Vivid(dmabuf)
    size = vivid.make(SIZE).size
    vivid.request(0)
    vivid.request(2, memory=DMABUF)
    stubs = [contiguous(probe, size) for _ in range(2)]
    for index, stub in enumerate(stubs):
        vivid.queue(index, DMABUF, stub.fd, size)
    changes = {"QBUF": outstanding(probe)}
    vivid.stream(True)
    vivid.dequeue(DMABUF)
    changes["DQBUF"] = outstanding(probe)
    vivid.stream(False)
    changes["STREAMOFF"] = outstanding(probe)
    vivid.request(0, memory=DMABUF)
    changes["REQBUFS"] = outstanding(probe)
    evidence(f"{changes}")
    assert changes == {"QBUF": 2, "DQBUF": 0, "STREAMOFF": 0, "REQBUFS": -2}


@pytest.mark.clause("MIG-12")
@pytest.mark.not_on("7.2")
def test_drm_keeps_a_buffer_mapped(dmabuf, probe, evidence):
    """vkms: until the handle and the framebuffer are gone."""
    vkms = Vkms(dmabuf)
    vkms.open()
    fd = probe.export(SIZE).fd
    handles = [vkms.import_(fd), vkms.import_(fd)]
    changes = {"import": outstanding(probe)}
    line = [PAGE, 0, 0, 0]
    data = struct.pack("<17I4x4Q", 0, PAGE // 4, 16, XR24, 0, handles[0], 0, 0, 0, *line,
                       *[0] * 4, *[0] * 4)
    framebuffer = struct.unpack_from("<I", dmabuf.ioctl(vkms.fd, ADDFB2, data))[0]
    vkms.close_handle(handles[0])
    changes["GEM_CLOSE"] = outstanding(probe)
    dmabuf.ioctl(vkms.fd, RMFB, struct.pack("<I", framebuffer))
    changes["RMFB"] = outstanding(probe)
    evidence(f"{changes}")
    assert handles[0] == handles[1]
    assert changes == {"import": 1, "GEM_CLOSE": 0, "RMFB": -1}


@pytest.mark.clause("MIG-13")
@pytest.mark.exporters("camera")
@pytest.mark.not_on("6.12-static")
def test_a_camera_follows_its_own_buffer(exporter, programs, probe, guest, evidence):
    """Its frames go to the new place, and nothing to the old one."""
    camera = programs(V4l2)
    camera.set_format("XR24", 320, 240)
    camera.request("mmap", 4)
    fds = [exporter.dmabuf.number("adopt", camera("pid")[0], camera.number("export", index, 0))
           for index in range(4)]
    old = [probe.buffer(fd).attach(wide(probe), dynamic=True).map() for fd in fds]
    for index in range(4):
        camera.queue(index)
    camera("on")
    for _ in range(6):
        camera.capture()
    new = [probe.buffer(fd).attach(low(probe), dynamic=True).map() for fd in fds]
    for mapping in old:
        mapping.fill(1, SIZE)
    for _ in range(4):  # captured before
        camera.capture()
    frames = [camera.capture() for _ in range(8)]
    logged = {entry.sequence: entry for entry in parse_frames(camera.read("frames"))}
    places = {logged[frame.sequence].planes[0][0] for frame in frames}
    evidence(f"from {old[0].runs[0][0]:#x} to {sorted(map(hex, places))}")
    assert places == {mapping.segments[0].cpu for mapping in new}
    assert [mapping.wrong(1, SIZE) for mapping in old] == [0] * 4
    assert not any(frame.failed for frame in frames)
    camera("off")


@pytest.mark.clause("MIG-13", exporter="camera")
@pytest.mark.not_on("6.12-static")
def test_a_frame_in_flight_ends_first(programs, dmabuf, probe, evidence):
    """Of four slow frames one is being written to, whichever moves when."""
    camera = programs(V4l2)
    size = camera.set_format("XR24", 320, 240).sizes[0]
    camera("interval", 1, 2)
    camera.request("mmap", 4)
    fds = [dmabuf.adopt(camera, camera.number("export", index, 0)) for index in range(4)]
    old = [probe.buffer(fd).attach(wide(probe), dynamic=True).map() for fd in fds]
    for index in range(4):
        camera.queue(index)
    camera("on")
    camera.capture()
    devices = [low(probe) for _ in fds]
    for fd, mapping, device in zip(fds, old, devices, strict=True):
        probe.buffer(fd).attach(device, dynamic=True)
        mapping.fill(1, size)
    for _ in range(4):
        assert not camera.capture().failed
    wrong = [mapping.wrong(1, size) for mapping in old]
    evidence(f"words written to the old places after the moves: {wrong}")
    assert wrong == [0] * 4
    camera("off")


@pytest.mark.clause("MIG-13", exporter="display")
def test_a_picture_moves_when_it_is_hidden(programs, dmabuf, probe, guest, evidence):
    """Then the display reads it at the new place, and nothing at the old one."""
    kms = programs(Kms)
    kms.write("hash", 1)
    data = [pixels.noise("XR24", WIDTH, HEIGHT, seed) for seed in range(2)]
    first, second = (kms.picture("XR24", WIDTH, HEIGHT, noise) for noise in data)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=first)
    buffer = probe.buffer(dmabuf.adopt(kms, kms.number("export", first.handle)))
    old = buffer.attach(wide(probe), dynamic=True).map()
    start = old.runs[0][0]
    strict = low(probe, LOWER)
    outcomes = {"shown": buffer.attach_outcome(strict, dynamic=True)}

    fd = kms.number("export", second.handle)
    kms("attach_fence", fd, kms.number("fence"))
    kms("set", "primary", "FB_ID", second.fb)
    kms("commit", "event", "nonblock")
    outcomes["to be replaced"] = buffer.attach_outcome(strict, dynamic=True)
    before = kms.frame(int(kms("vblank", 2)[0])).planes[0]
    kms("signal")
    kms.event()
    until(lambda: state(guest, start).pins, lambda pins: not pins, "the end of the flip")

    new = buffer.attach(strict, dynamic=True).map()
    old.fill(1, first.size)
    kms("set", "primary", "FB_ID", first.fb)
    after = kms.frame(kms.commit()[0]).planes[0]
    evidence(f"{outcomes}; read at {before[0]:#x}, moved, read at {after[0]:#x}")
    assert set(outcomes.values()) == {"EBUSY"}
    content = pixels.frame_hash("XR24", WIDTH, HEIGHT, data[0])
    assert before == (start, content)
    assert after == (new.runs[0][0], content)
    assert inside(new, LOWER)


@pytest.mark.clause("MIG-14")
@pytest.mark.exporters(*PROJECT)
def test_no_store_is_lost(exporter, dmabuf, probe, evidence):
    """By whichever mapping; each has some pages to itself."""
    moves, part = 100, 4 * PAGE
    made = exporter.make(SIZE)
    addresses = [dmabuf.map(made.fd, SIZE), *exporter.own_mappings(SIZE)]
    dmabuf.store(addresses[0], bytes(8))
    buffer, devices = probe.buffer(made.fd), (away(probe, exporter), home(probe, exporter))
    tasks = [dmabuf.start("increment", address + at * part, part)
             for at, address in enumerate(addresses)]
    for move in range(moves):
        buffer.attach(devices[move % 2], dynamic=True).detach()
    dmabuf("stop")
    rounds = [int(task.finish()[0]) for task in tasks]
    with dmabuf.mapped(made.fd, SIZE) as fresh:  # the old ones could show what was left
        words = [set(struct.unpack(f"<{part // 8}Q", dmabuf.fetch(fresh + at * part, part)))
                 for at in range(len(tasks))]
    evidence(f"{rounds} rounds in {moves} moves; words are {words}")
    assert all(rounds)
    assert words == [{count} for count in rounds]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.clause(
    "MIG-14", exporter=name)) for name in PROJECT])
def test_pages_of_a_mapping_cannot_be_pinned(boot, artifacts, evidence, name):
    """A disk that would write to them reads nothing."""
    disk = artifacts / "disk"
    disk.write_bytes(b"disk" * 1024)
    guest = boot(qemu_args=("-drive", f"if=none,id=disk,format=raw,file={disk}",
                            "-device", "virtio-blk-device,drive=disk"))
    dmabuf = Dmabuf(guest)
    fd = BY_NAME[name](dmabuf).make(SIZE).fd
    address = dmabuf.map(fd, SIZE)
    outcome = dmabuf.refused("direct", "/dev/vda", address, PAGE)
    flags = guest.run(f"grep -A30 '^{address:x}-' /proc/{dmabuf('pid')[0]}/smaps |"
                      " grep -m1 VmFlags").stdout.split()
    evidence(f"O_DIRECT: {outcome}; {' '.join(flags)}")
    assert outcome == "EFAULT"
    assert {"pf", "de"} <= set(flags)
    assert dmabuf.fetch(address, 8) == bytes(8)


@pytest.mark.clause("MIG-15")
@pytest.mark.exporters(*PROJECT)
def test_a_vmap_holds_the_storage(exporter, probe, evidence, let_go):
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    where = mapping.runs
    let_go(mapping)
    buffer = probe.buffer(fd)
    vmap = buffer.vmap()
    refusal = buffer.attach_outcome(away(probe, exporter), dynamic=True)
    assert vmap.wrong(1, SIZE) == 0
    again = attachment.map()
    assert again.runs == where
    let_go(again)
    vmap.vunmap()
    outcome = buffer.attach_outcome(away(probe, exporter), dynamic=True)
    evidence(f"vmapped: {refusal}, then: {outcome}")
    assert (refusal, outcome) == ("EBUSY", "0")


@pytest.mark.clause("MIG-16")
@pytest.mark.exporters(*PROJECT)
@pytest.mark.parametrize("usages", [(READ,), (BOOKKEEP,), (READ, BOOKKEEP), (BOOKKEEP, READ)])
def test_a_move_waits_for_all_fences(exporter, probe, evidence, patience, let_go, usages):
    patience(60000)
    fd = exporter.make(SIZE).fd
    attachment, mapping = filled(probe, fd, 1, SIZE)
    where = mapping.runs
    let_go(mapping)
    fences = [probe.fence() for _ in usages]
    for fence, usage in zip(fences, usages, strict=True):
        fence.add(probe.buffer(fd), usage)
    task = probe.buffer(fd).start_attach(away(probe, exporter), dynamic=True)
    waited = []
    for fence in fences:
        waited.append(probe.blocked(task))
        again = attachment.map()
        assert again.runs == where
        let_go(again)
        fence.signal()
    outcome = task.outcome()
    evidence(f"usages {usages}: waits for each: {waited}, then {outcome}")
    assert (all(waited), outcome) == (True, "0")


@pytest.mark.clause("MIG-17")
@pytest.mark.exporters(*PROJECT)
def test_a_move_without_memory_changes_nothing(exporter, dmabuf, probe, guest, evidence, let_go):
    """A window with far less memory in it than is wanted in one piece."""
    buffer = exporter.make(SIZE)
    attachment, mapping = filled(probe, buffer.fd, 1, SIZE)
    address = dmabuf.map(buffer.fd, SIZE)
    where = mapping.runs
    start = where[0][0]
    let_go(mapping)
    before = state(guest, start)
    narrow = probe.device(windows=[(LOW.start, 0, 4 << 20)], max_segments=1)
    outcomes = [probe.buffer(buffer.fd).attach_outcome(narrow, dynamic)
                for dynamic in (False, True)]
    evidence(f"no memory: {outcomes}")
    assert outcomes == ["ENOMEM"] * 2
    assert attachment.map().runs == where
    assert dmabuf.number("check", address, SIZE, 1) == 0
    assert state(guest, start).place == before.place


@pytest.mark.clause("MIG-17")
@pytest.mark.exporters(*PROJECT)
def test_a_move_whose_storage_is_not_allocated(exporter, dmabuf, probe, guest, evidence, let_go):
    buffer = exporter.make(SIZE)
    attachment, mapping = filled(probe, buffer.fd, 1, SIZE)
    address = dmabuf.map(buffer.fd, SIZE)
    where = mapping.runs
    let_go(mapping)
    before = states(guest)
    strict = away(probe, exporter)
    with no_storage(guest):
        outcomes = [probe.buffer(buffer.fd).attach_outcome(strict, dynamic)
                    for dynamic in (False, True)]
        after = states(guest)
    kept = attachment.map()
    assert (kept.runs, kept.wrong(1, SIZE)) == (where, 0)
    let_go(kept)
    outcomes.append(probe.buffer(buffer.fd).attach_outcome(strict))
    new = attachment.map()
    evidence(f"without storage {outcomes[:2]}, then {outcomes[2]}")
    assert outcomes == ["ENOMEM", "ENOMEM", "0"]
    assert after == before
    assert inside(new, AWAY[exporter.name]) and new.runs != where
    assert new.wrong(1, SIZE) == dmabuf.number("check", address, SIZE, 1) == 0


@pytest.mark.clause("MIG-17")
@pytest.mark.exporters("baton")
def test_a_refusal_costs_no_memory(exporter, probe, evidence, let_go):
    """There is one piece for it, but not where it is wanted; more often than there is memory."""
    size, pools = 16 << 20, 384 << 20
    buffer = probe.buffer(exporter.make(size).fd)
    let_go(buffer.attach(wide(probe), dynamic=True).map())
    narrow = probe.device(windows=[(LOW.start, 0, size)], max_segments=1, max_segment=UINT_MAX)
    outcomes = {buffer.attach_outcome(narrow, dynamic=True) for _ in range(pools // size + 1)}
    outcome = buffer.attach_outcome(low(probe), dynamic=True)
    evidence(f"{outcomes}, then {outcome}")
    assert (outcomes, outcome) == ({"ENOMEM"}, "0")


@pytest.mark.clause("MIG-18")
@pytest.mark.exporters(*PROJECT)
def test_storage_is_where_a_strict_device_reads(exporter, probe, guest, evidence, let_go):
    fd = exporter.make(SIZE).fd
    let_go(filled(probe, fd, 1, SIZE)[1])
    mapping = probe.buffer(fd).attach(away(probe, exporter)).map()
    storage = state(guest, mapping.segments[0].cpu)
    evidence(f"storage at {storage.start:#x}")
    assert inside(mapping, AWAY[exporter.name])
    assert mapping.wrong(1, SIZE) == 0


@pytest.fixture
def bouncing(boot, monkeypatch) -> Probe:
    """In a guest whose DMA API copies what a device does not reach, and counts that."""
    monkeypatch.setattr(harness.guest, "KERNEL_ARGS",
                        harness.guest.KERNEL_ARGS.replace("swiotlb=noforce", ""))
    guest = boot(kernel_args="trace_event=swiotlb:swiotlb_bounced")
    return Probe(Dmabuf(guest))


def bounced(guest: Guest) -> tuple[int, int]:
    """How many slots of the SWIOTLB are in use, and how often one was taken."""
    used, trace = guest.run("cat /sys/kernel/debug/swiotlb/io_tlb_used &&"
                            "grep -c swiotlb_bounced: /sys/kernel/tracing/trace || true"
                            ).stdout.split()
    return int(used), int(trace)


@pytest.mark.clause("MIG-18")
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.clause(exporter=name))
                                  for name in PROJECT])
def test_no_copy_takes_the_place_of_a_move(bouncing, let_go, evidence, name):
    """A stock exporter's buffer is copied where those of the project move."""
    guest = bouncing.dmabuf.guest
    exporter = BY_NAME[name](bouncing.dmabuf)
    fd = exporter.make(SIZE).fd
    _, mapping = filled(bouncing, fd, 1, SIZE)
    let_go(mapping)
    counts = [bounced(guest)]
    for dynamic in (False, True):
        mapping = bouncing.buffer(fd).attach(away(bouncing, exporter), dynamic).map()
        assert mapping.wrong(1, SIZE) == 0
    counts.append(bounced(guest))
    device = bouncing.device(mask=(1 << 32) - 1)
    stock = bouncing.buffer(bouncing.export().fd).attach(device).map()
    counts.append(bounced(guest))
    evidence(f"slots in use, taken: before, after the move {counts[:2]}; "
             f"{stock.count} segments of a stock exporter: {counts[2]}")
    assert counts[0] == counts[1]
    assert counts[2][0] > counts[1][0] and counts[2][1] > counts[1][1]
    assert inside(mapping, AWAY[name])


@pytest.mark.clause("MIG-18")
def test_who_does_not_move_fails_without_bounce_buffers(probe, guest, evidence):
    buffer = probe.buffer(probe.export().fd)
    attachment = buffer.attach(probe.device(mask=(1 << 32) - 1))
    with guest.expect_splat("WARNING.*dma"):
        outcome = attachment.map_outcome()
    evidence(f"memory above 4 GiB, swiotlb=noforce: {outcome}")
    assert outcome == "EIO"
