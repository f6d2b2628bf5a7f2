# SPDX-License-Identifier: GPL-2.0-or-later
"""KCP: CPU access from the kernel."""

import pytest

from .clauses import PROJECT
from .dmabuf import PAGE, Dmabuf
from .exporters import BY_NAME, BatonHeap
from .probe import (
    BIDIRECTIONAL,
    BOOKKEEP,
    FROM_DEVICE,
    HELD,
    KERNEL,
    MISSING,
    READ,
    TO_DEVICE,
    WRITE,
    Probe,
    flag,
)
from .project import expect_bug, lockdep, no_storage, state, throw_away, wide

SIZE = 16 * PAGE
DIRECTIONS = (BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE)
CACHED = ("baton", "camera")  # dumb buffers are written to as framebuffers are, combined
USAGES = {"KERNEL": KERNEL, "WRITE": WRITE, "READ": READ, "BOOKKEEP": BOOKKEEP}


@pytest.mark.clause("KCP-01", "KCP-03")
def test_the_exporter_sees_bracket_and_direction(probe, evidence):
    buffer = probe.buffer(probe.export().fd)
    for direction in DIRECTIONS:
        buffer.begin(direction)
        buffer.end(direction)
    events = probe.events()
    evidence(f"{[(event.op, event.direction) for event in events]}")
    assert [(event.op, event.direction) for event in events] == [
        (op, direction) for direction in DIRECTIONS for op in ("BEGIN", "END")]
    assert not any(event.locked for event in events)


@pytest.mark.clause("KCP-01")
def test_access_in_a_bracket_is_coherent(exporter, probe, evidence):
    """Kernel and device write in turn."""
    buffer = probe.buffer(exporter.make(SIZE).fd)
    mapping = buffer.attach(wide(probe)).map()
    vmap = buffer.vmap()
    for seed in range(4):
        buffer.begin(TO_DEVICE)
        vmap.fill(seed, SIZE)
        buffer.end(TO_DEVICE)
        device = mapping.wrong(seed, SIZE)
        mapping.fill(seed + 10, SIZE)
        buffer.begin(FROM_DEVICE)
        cpu = vmap.wrong(seed + 10, SIZE)
        buffer.end(FROM_DEVICE)
        evidence(f"device sees {device} wrong words, CPU {cpu}")
        assert (device, cpu) == (0, 0)


@pytest.mark.clause("KCP-02")
def test_a_begin_that_fails_is_an_error_at_once(probe, evidence):
    stub = probe.export()
    buffer = probe.buffer(stub.fd)
    probe.fence().add(buffer, WRITE)
    stub.behave("BEGIN", 12)
    outcome = probe.outcome("BEGIN", buffer=buffer.id, direction=BIDIRECTIONAL)
    evidence(f"-ENOMEM of the exporter, with a write fence: {outcome}")
    assert outcome == "ENOMEM"


@pytest.mark.clause("KCP-02", exporter="baton")
def test_a_begin_without_memory_fails(dmabuf, probe, guest, evidence):
    """The buffer has none before its first use."""
    buffer = probe.buffer(BatonHeap(dmabuf).make(SIZE).fd)
    with no_storage(guest):
        outcome = probe.outcome("BEGIN", buffer=buffer.id, direction=BIDIRECTIONAL)
    evidence(outcome)
    assert outcome == "ENOMEM"
    buffer.begin(BIDIRECTIONAL)
    buffer.end(BIDIRECTIONAL)


@pytest.mark.clause("KCP-02")
@pytest.mark.parametrize(("direction", "awaited"), [
    (FROM_DEVICE, {"KERNEL", "WRITE"}), (TO_DEVICE, {"KERNEL", "WRITE", "READ"}),
    (BIDIRECTIONAL, {"KERNEL", "WRITE", "READ"})])
@pytest.mark.parametrize("usage", USAGES)
def test_begin_waits_for_fences(probe, evidence, direction, awaited, usage):
    buffer = probe.buffer(probe.export().fd)
    fence = probe.fence()
    fence.add(buffer, USAGES[usage])
    task = buffer.start_begin(direction)
    probe.wait_for("BEGIN", task)
    blocked = usage in awaited and probe.blocked(task)
    evidence(f"direction {direction}, {usage}: {'waits' if blocked else 'does not wait'}")
    assert blocked == (usage in awaited)
    if blocked:
        fence.signal()
    assert task.outcome() == "0"


@pytest.mark.clause("KCP-02")
@pytest.mark.exporters(*PROJECT, "system")
def test_the_wait_of_begin_can_be_interrupted(exporter, probe, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    fence = probe.fence()
    fence.add(buffer, WRITE)
    task = buffer.start_begin(FROM_DEVICE)
    assert probe.blocked(task)
    task.interrupt()
    outcome = task.outcome()
    evidence(outcome)
    assert outcome == "EINTR"
    fence.signal()
    buffer.begin(FROM_DEVICE)
    buffer.end(FROM_DEVICE)


@pytest.mark.clause("KCP-05")
def test_kmap_is_gone(guest, evidence):
    symbols = {line.split()[2] for line in guest.run("cat /proc/kallsyms").stdout.splitlines()}
    found = sorted(name for name in symbols if name.startswith("dma_buf_k"))
    evidence(f"dma_buf_vmap: {'dma_buf_vmap' in symbols}; dma_buf_k*: {found}")
    assert "dma_buf_vmap" in symbols
    assert not [name for name in found if "map" in name]


@pytest.mark.clause("KCP-06")
def test_the_core_counts_vmaps(probe, evidence):
    buffer = probe.buffer(probe.export().fd)
    vmaps = [buffer.vmap(), buffer.vmap(HELD), buffer.vmap()]
    assert len({vmap.address for vmap in vmaps}) == 1
    for vmap in vmaps:
        vmap.drop(HELD)
    events = probe.events()
    evidence(f"3 vmaps, 3 vunmaps: {events}")
    assert [event.op for event in events] == ["VMAP", "VUNMAP"]
    assert all(event.locked for event in events)


@pytest.mark.clause("KCP-06")
@pytest.mark.exporters(*PROJECT)
def test_a_vmap_lasts_until_the_last_vunmap(exporter, probe, guest, evidence):
    buffer = probe.buffer(exporter.make(SIZE).fd)
    start = buffer.attach(wide(probe)).map().segments[0].cpu
    vmaps = [buffer.vmap() for _ in range(3)]
    counts = [state(guest, start).vmaps]
    vmaps[0].fill(1, SIZE)
    for left in (2, 1):
        vmaps[left].vunmap()
        assert vmaps[0].wrong(1, SIZE) == 0
        counts.append(state(guest, start).vmaps)
    vmaps[0].vunmap()
    counts.append(state(guest, start).vmaps)
    evidence(f"vmaps {counts}")
    assert counts == [1, 1, 1, 0]


@pytest.mark.clause("KCP-06")
def test_lockdep_sees_a_vmap_without_the_lock(probe, guest, kernel_config, evidence):
    buffer = probe.buffer(probe.export().fd)
    if not lockdep(kernel_config):
        evidence("this kernel does not check locks")
        return
    with guest.expect_splat("dma_buf_vmap"):
        vmap = buffer.vmap(MISSING)
    with guest.expect_splat("dma_buf_vunmap"):
        vmap.drop(MISSING)


@pytest.mark.clause("KCP-06")
def test_a_vunmap_too_many_is_a_bug(boot, evidence):
    guest, probe = throw_away(boot)
    buffer = probe.buffer(probe.export().fd)
    with expect_bug(guest, "dma_buf_vunmap"):
        probe.start("MISUSE", buffer=buffer.id, call=flag("MISUSE_VUNMAP_UNMAPPED"))
    evidence("BUG_ON")


@pytest.mark.clause("KCP-07")
def test_without_vmap_there_is_none(probe, guest, evidence):
    outcome = probe.buffer(probe.export(without=("VMAP", "VUNMAP")).fd).vmap_outcome()
    guest.check()
    evidence(f"no vmap operation: {outcome}, no warning")
    assert outcome == "EINVAL"


@pytest.mark.clause("KCP-07")
def test_a_vmap_that_fails_warns(probe, guest, evidence):
    stub = probe.export()
    stub.behave("VMAP", 12)
    buffer = probe.buffer(stub.fd)
    guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with guest.expect_splat("WARNING.*dma_buf_vmap"):
        outcomes = [buffer.vmap_outcome(), buffer.vmap_outcome()]
    evidence(f"{outcomes}, one warning")
    assert outcomes == ["ENOMEM"] * 2
    assert probe.ops() == ["VMAP", "VMAP"]
    stub.behave("VMAP")
    buffer.vmap().vunmap()


@pytest.mark.clause("KCP-07", exporter="baton")
def test_a_vmap_without_memory_fails(dmabuf, probe, guest, evidence):
    buffer = probe.buffer(BatonHeap(dmabuf).make(SIZE).fd)
    guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with no_storage(guest), guest.expect_splat("WARNING.*dma_buf_vmap"):
        outcome = buffer.vmap_outcome()
    evidence(outcome)
    assert outcome == "ENOMEM"
    buffer.vmap().vunmap()


@pytest.fixture
def shadow(boot) -> Probe:
    """In a guest in which the CPU and devices see what the other wrote after a sync only."""
    return Probe(Dmabuf(boot(kernel_args="baton_buf.shadow=1")))


def shadowed(name: str, *clauses: str):
    return pytest.param(name, marks=pytest.mark.clause(*clauses, exporter=name))


@pytest.mark.parametrize("name", [shadowed(name, "KCP-01", "KCP-03", "KCP-04")
                                  for name in CACHED])
def test_what_a_bracket_leaves_out_is_not_seen(shadow, evidence, name):
    buffer = shadow.buffer(BY_NAME[name](shadow.dmabuf).make(SIZE).fd)
    device, cpu = buffer.attach(wide(shadow)).map(), buffer.vmap()
    buffer.begin(TO_DEVICE)
    cpu.fill(1, SIZE)
    before = device.nonzero(SIZE)
    buffer.end(TO_DEVICE)
    after = device.wrong(1, SIZE)
    evidence(f"in the bracket the device sees {before} words, after end {after} are wrong")
    assert (before, after) == (0, 0)

    device.fill(2, SIZE)
    buffer.begin(TO_DEVICE)
    stale = cpu.wrong(1, SIZE)
    buffer.end(TO_DEVICE)
    device.fill(2, SIZE)
    buffer.begin(FROM_DEVICE)
    fresh = cpu.wrong(2, SIZE)
    buffer.end(FROM_DEVICE)
    evidence(f"begun to write: all but {stale} words are old; to read: {fresh} are wrong")
    assert (stale, fresh) == (0, 0)

    cpu.fill(3, SIZE)
    unseen = device.wrong(2, SIZE)
    evidence(f"stored after end: the device sees all but {unseen} of the old words")
    assert unseen == 0
