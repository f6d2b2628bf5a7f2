# SPDX-License-Identifier: GPL-2.0-or-later
"""UCP: CPU access from user space."""

import struct

import pytest

from drivers.test_camera import pattern
from harness.v4l2 import V4l2

from .clauses import PROJECT
from .dmabuf import END, PAGE, PROT_READ, PROT_RW, READ, RW, START, SYNC, WRITE, Dmabuf
from .exporters import LowerDisplay
from .probe import BIDIRECTIONAL, FROM_DEVICE, TO_DEVICE

SIZE = 16 * PAGE


@pytest.mark.clause("UCP-01")
def test_the_fd_can_be_mapped(exporter, dmabuf, evidence):
    """Two mappings and a later one show the same."""
    buffer = exporter.make(SIZE)
    first, second = dmabuf.map(buffer.fd, buffer.size), dmabuf.map(buffer.fd, buffer.size)
    for seed in (1, 2):
        with dmabuf.bracket(buffer.fd):
            dmabuf("fill", first, buffer.size, seed)
        wrong = dmabuf.number("check", second, buffer.size, seed)
        evidence(f"{buffer.size} bytes, {wrong} words wrong")
        assert wrong == 0
    dmabuf("unmap", first, buffer.size)
    with dmabuf.mapped(buffer.fd, buffer.size, PROT_READ) as address:
        assert dmabuf.number("check", address, buffer.size, 2) == 0


@pytest.mark.clause("UCP-02")
def test_an_exporter_may_have_no_mmap(dmabuf, probe, evidence):
    stub = probe.export(SIZE, without=("PIN", "UNPIN", "MMAP"))
    outcome = dmabuf.refused("map", stub.fd, SIZE, PROT_RW)
    evidence(outcome)
    assert outcome == "EINVAL"


@pytest.mark.clause("UCP-04")
def test_sync_tells_the_exporter_the_direction(dmabuf, probe, evidence):
    fd = probe.export(SIZE).fd
    for access in (READ, WRITE, RW):
        dmabuf.sync(fd, START | access)
        dmabuf.sync(fd, END | access)
    calls = [(event.op, event.direction) for event in probe.events()]
    evidence(f"{calls}")
    assert calls == [(op, direction) for direction in (FROM_DEVICE, TO_DEVICE, BIDIRECTIONAL)
                     for op in ("BEGIN", "END")]


@pytest.mark.clause("UCP-07")
def test_an_importer_can_map_the_buffer(exporter, dmabuf, probe, evidence):
    """Through its own file: the pages are those of the dma-buf."""
    buffer = exporter.make(SIZE)
    theirs = probe.buffer(buffer.fd)
    address = dmabuf.map(probe.fd, buffer.size, offset=theirs.window())
    own = dmabuf.map(buffer.fd, buffer.size)
    with dmabuf.bracket(buffer.fd):
        dmabuf("fill", own, buffer.size, 5)
    evidence(f"{dmabuf.number('check', address, buffer.size, 5)} words differ")
    assert dmabuf.number("check", address, buffer.size, 5) == 0


@pytest.mark.clause("UCP-07")
def test_an_importer_maps_within_the_buffer(dmabuf, probe, evidence):
    theirs = probe.buffer(probe.export(SIZE).fd)
    outcomes = [dmabuf.refused("map", probe.fd, SIZE, PROT_RW, theirs.window(pgoff))
                for pgoff in (1, 16, (1 << 52) - 1, (1 << 64) - 1)]
    evidence(f"{outcomes}")
    assert set(outcomes[:2]) == {"EINVAL"}
    assert outcomes[3] == "EOVERFLOW"


@pytest.mark.clause("UCP-03")
def test_a_mapping_stays_within_the_buffer(exporter, dmabuf, evidence):
    buffer = exporter.make(SIZE)
    fd, size = buffer
    beyond = [dmabuf.refused("map", fd, size + PAGE, PROT_RW),
              dmabuf.refused("map", fd, PAGE, PROT_RW, size),
              dmabuf.refused("map", fd, size, PROT_RW, PAGE)]
    assert beyond == ["EINVAL"] * 3
    whole, shifted = dmabuf.map(fd, size), dmabuf.map(fd, size - PAGE, offset=PAGE)
    with dmabuf.bracket(fd):
        dmabuf.store(whole + PAGE, b"page 1")
        dmabuf.store(shifted + PAGE, b"page 2")
        assert dmabuf.fetch(shifted, 6) == b"page 1"
        assert dmabuf.fetch(whole + 2 * PAGE, 6) == b"page 2"
    growing = dmabuf.refused("remap", shifted, size - PAGE, size)
    evidence(f"too long, behind the end, too long at an offset: {beyond}; mremap: {growing}")
    assert growing == "EFAULT"


@pytest.mark.clause("UCP-04")
def test_sync_takes_six_values(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    for access in (READ, WRITE, RW):
        dmabuf.sync(fd, START | access)
        dmabuf.sync(fd, END | access)
    refusals = {flags: dmabuf.sync_refused(fd, flags)
                for flags in (START, END, 8, RW | 8, 1 << 63 | READ, (1 << 64) - 1)}
    null = dmabuf.ioctl_refused(fd, SYNC)
    evidence(f"1-3, 5-7: 0; {refusals}; NULL: {null}")
    assert set(refusals.values()) == {"EINVAL"}
    assert null == "EFAULT"


@pytest.mark.clause("UCP-05")
def test_brackets_exclude_nobody(exporter, dmabuf, programs, evidence):
    fd = exporter.make().fd
    other = programs()
    theirs = other.adopt(dmabuf, fd)
    dmabuf.sync(fd, START | RW)
    other.sync(theirs, START | RW)
    other.sync(theirs, END | RW)
    dmabuf.sync(fd, END | RW)
    evidence("two processes at once: 0")


@pytest.mark.clause("UCP-05")
def test_brackets_are_not_paired(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    if exporter.name == "udmabuf":
        evidence(f"END alone: {dmabuf.sync_refused(fd, END | RW)}")
        dmabuf.sync(fd, START | RW)
    for _ in range(2):
        dmabuf.sync(fd, END | RW)
    evidence("END without START: 0")


def _blocks(dmabuf: Dmabuf, fd: int, access: int) -> bool:
    """Whether START waits; if so, it is interrupted."""
    task = dmabuf.start("ioctl", fd, SYNC, struct.pack("<Q", START | access).hex())
    dmabuf.guest.run("sleep 0.05")
    if task.done:
        task.finish()
        return False
    task.interrupt()
    assert task.finish_refused() == "EINTR"
    return True


@pytest.mark.clause("UCP-06")
def test_sync_waits_for_fences(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), READ)
    seen = {"read fence": (_blocks(dmabuf, fd, READ), _blocks(dmabuf, fd, WRITE))}
    dmabuf.attach_fence(fd, timeline.fence(), WRITE)
    seen["write fence"] = _blocks(dmabuf, fd, READ), _blocks(dmabuf, fd, WRITE)
    evidence(f"START READ, WRITE blocks: {seen}; EINTR on a signal")
    assert seen == {"read fence": (False, True), "write fence": (True, True)}
    waiting = dmabuf.start("ioctl", fd, SYNC, struct.pack("<Q", START | RW).hex())
    timeline.signal(2)
    waiting.finish()
    dmabuf.sync(fd, END | RW)


def _faults(dmabuf: Dmabuf, addresses: list[int], size: int, seed: int) -> list[int]:
    """How often reading each mapping faults; all must read right."""
    counts = []
    for address in addresses:
        before = dmabuf.number("faults")
        assert dmabuf.number("check", address, size, seed) == 0
        counts.append(dmabuf.number("faults") - before)
    return counts


@pytest.fixture
def moved(exporter, dmabuf):
    """Make a buffer that is where a display does not reach it; then move it."""
    guest = dmabuf.guest
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    buffer = exporter.make(SIZE)
    card = LowerDisplay(dmabuf)
    card.open()
    yield buffer, lambda: card.import_(buffer.fd)
    guest.run("echo 0 >/sys/module/baton_buf/parameters/scatter")


@pytest.mark.clause("UCP-08")
@pytest.mark.exporters(*PROJECT)
def test_a_move_takes_all_pages_away(exporter, dmabuf, moved, evidence):
    buffer, move = moved
    addresses = [dmabuf.map(buffer.fd, buffer.size) for _ in range(2)]
    addresses += exporter.own_mappings(buffer.size)
    if exporter.name == "camera":
        addresses.append(dmabuf.map(exporter.export(0), buffer.size))
    dmabuf("fill", addresses[0], buffer.size, 7)
    assert _faults(dmabuf, addresses, buffer.size, 7)
    assert _faults(dmabuf, addresses, buffer.size, 7) == [0] * len(addresses)
    move()
    faults = _faults(dmabuf, addresses, buffer.size, 7)
    evidence(f"faults to have {buffer.size // PAGE} pages again, by mapping: {faults}")
    assert all(faults)
    with dmabuf.mapped(buffer.fd, buffer.size) as fresh:
        dmabuf("fill", fresh, buffer.size, 8)
    assert _faults(dmabuf, addresses, buffer.size, 8) == [0] * len(addresses)


@pytest.mark.clause("UCP-09")
@pytest.mark.exporters(*PROJECT)
def test_a_fault_waits_for_no_fence(exporter, dmabuf, moved, evidence):
    buffer, move = moved
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 3)
    move()
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(buffer.fd, timeline.fence(), WRITE)
    assert _faults(dmabuf, [address], buffer.size, 3) > [0]
    evidence("pages came back with an unsignalled write fence")
    assert dmabuf.poll(buffer.fd) == 0
    timeline.signal()


@pytest.mark.clause("UCP-10")
@pytest.mark.exporters(*PROJECT)
def test_faults_moves_and_ioctls_at_once(exporter, dmabuf, evidence):
    """No lock may wait for another in a circle; a kernel with lockdep checks the order, too."""
    guest = dmabuf.guest
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    buffers = [exporter.make(SIZE) for _ in range(4)]
    addresses = [dmabuf.map(buffer.fd, buffer.size) for buffer in buffers]
    counting = [dmabuf.start("increment", address, SIZE) for address in addresses]
    card = LowerDisplay(dmabuf)
    card.open()
    for buffer in buffers:
        importing = dmabuf.start("ioctl", card.fd, 0xC00C642E,
                                 struct.pack("<IIi", 0, 0, buffer.fd).hex())
        dmabuf.sync(buffer.fd, START | RW)
        dmabuf.sync(buffer.fd, END | RW)
        dmabuf.poll(buffer.fd)
        importing.finish()
    dmabuf("stop")
    rounds = [int(task.finish()[0]) for task in counting]
    lockdep = guest.run("test -e /proc/lockdep", check=False).status == 0
    evidence(f"{rounds} rounds; lockdep {'on' if lockdep else 'not in this kernel'}")
    for buffer, count in zip(buffers, rounds, strict=True):
        with dmabuf.mapped(buffer.fd, SIZE) as fresh:  # the old one could show what was left
            words = struct.unpack(f"<{SIZE // 8}Q", dmabuf.fetch(fresh, SIZE))
        assert set(words) == {count}
    guest.run("echo 0 >/sys/module/baton_buf/parameters/scatter")


@pytest.mark.clause("UCP-01")
@pytest.mark.exporters("baton", "display", "system", "cma")
def test_a_mapping_shows_what_the_camera_wrote(exporter, dmabuf, programs, evidence):
    camera = programs(V4l2)
    fmt = camera.set_format("XR24", 320, 240)
    size = -(-fmt.sizes[0] // PAGE) * PAGE
    fds = [exporter.make(size).fd for _ in range(2)]
    camera.start_import([[camera.number("adopt", dmabuf("pid")[0], fd)] for fd in fds])
    address = [dmabuf.map(fd, size) for fd in fds]
    for _ in range(3):
        frame = camera.dequeue()
        with dmabuf.bracket(fds[frame.buffer], READ):
            line = dmabuf.fetch(address[frame.buffer], 1280)
        assert line == b"".join(pattern(fmt, frame.sequence)[0])[:1280]
        camera.queue(frame.buffer)
    evidence(f"frame {frame.sequence} seen through the mapping")
