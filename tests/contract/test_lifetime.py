# SPDX-License-Identifier: GPL-2.0-or-later
"""LIF: references to a dma-buf."""

from functools import partial

import pytest

from harness.polling import until

from .clauses import PROJECT
from .dmabuf import O_CLOEXEC, O_PATH, O_RDWR, WRITE
from .probe import Probe
from .project import set_parameter, states, wide


@pytest.mark.clause("LIF-01")
def test_get_takes_a_reference(exporter, dmabuf, probe, evidence):
    fd = exporter.make().fd
    counts = [int(dmabuf.fdinfo(fd)["count"])]
    buffer = probe.buffer(fd)
    counts.append(int(dmabuf.fdinfo(fd)["count"]))
    buffer.put()
    counts.append(int(dmabuf.fdinfo(fd)["count"]))
    evidence(f"count before, after get, after put: {counts}")
    assert counts == [counts[0], counts[0] + 1, counts[0]]


@pytest.mark.clause("LIF-01")
def test_get_takes_nothing_else(dmabuf, probe, evidence):
    path = dmabuf.number("open", "/dev/null", O_PATH | O_CLOEXEC)
    null = dmabuf.number("open", "/dev/null", O_RDWR | O_CLOEXEC)
    refusals = [probe.outcome("GET", fd=fd) for fd in (-1, path, null)]
    evidence(f"fd -1, O_PATH, /dev/null: {refusals}")
    assert refusals == ["EBADF", "EBADF", "EINVAL"]


def _wait_for_release(probe: Probe) -> None:
    until(probe.ops, lambda ops: "RELEASE" in ops, "the release")


@pytest.mark.clause("LIF-03")
@pytest.mark.parametrize("last", ["close", "dup's close", "munmap", "put"])
def test_release_comes_once_and_last(dmabuf, probe, evidence, last):
    stub = probe.export()
    twin = dmabuf.number("dup", stub.fd)
    steps = {"close": partial(dmabuf, "close", stub.fd),
             "dup's close": partial(dmabuf, "close", twin),
             "munmap": partial(dmabuf, "unmap", dmabuf.map(stub.fd, 4096), 4096),
             "put": probe.buffer(stub.fd).put}
    end = steps.pop(last)
    releases = {}
    for name, step in steps.items():
        step()
        releases[name] = probe.ops().count("RELEASE")
    end()
    _wait_for_release(probe)
    evidence(f"released by {releases}; then by the last {last}")
    assert set(releases.values()) == {0}
    assert "RELEASE" not in probe.ops()


@pytest.mark.clause("LIF-03")
def test_memory_is_kept_for_the_last_user(exporter, dmabuf, probe, evidence):
    """An importer of the kernel's alone."""
    made = exporter.make()
    address = dmabuf.map(made.fd, made.size)
    with dmabuf.bracket(made.fd):
        dmabuf("fill", address, made.size, 9)
    buffer = probe.buffer(made.fd)
    mapping = buffer.attach(wide(probe)).map()
    dmabuf("unmap", address, made.size)
    dmabuf("close", made.fd)
    wrong = mapping.wrong(9, made.size)
    evidence(f"{wrong} words wrong with no descriptor left")
    assert wrong == 0


@pytest.mark.clause("LIF-03")
def test_memory_is_kept_for_a_mapping(exporter, dmabuf, guest, evidence):
    """Without a descriptor, while others allocate: single pages, which are soon used again."""
    set_parameter(guest, "max_order", 0)
    made = exporter.make()
    address = dmabuf.map(made.fd, made.size)
    with dmabuf.bracket(made.fd):
        dmabuf("fill", address, made.size, 9)
    dmabuf("close", made.fd)
    for seed in range(3):
        other = exporter.make()
        with dmabuf.mapped(other.fd, other.size) as elsewhere:
            dmabuf("fill", elsewhere, other.size, seed)
    wrong = dmabuf.number("check", address, made.size, 9)
    evidence(f"{wrong} words of the mapping wrong")
    assert wrong == 0
    set_parameter(guest, "max_order", 4)


@pytest.mark.clause("LIF-03")
@pytest.mark.exporters(*PROJECT)
def test_memory_is_freed_with_the_last_mapping(exporter, dmabuf, guest, evidence):
    """By whichever file it is mapped; the exporter's own is closed, too."""
    made = exporter.make()
    mappings = [dmabuf.map(made.fd, made.size), *exporter.own_mappings(made.size)]
    dmabuf("fill", mappings[0], made.size, 9)
    dmabuf("close", made.fd)
    exporter.close()
    counts = [len(states(guest))]
    for address in mappings:
        assert dmabuf.number("check", address, made.size, 9) == 0
        dmabuf("unmap", address, made.size)
        counts.append(len(states(guest)))
    evidence(f"buffers with {len(mappings)} mappings, and after each munmap: {counts}")
    assert counts == [1] * len(mappings) + [0]


@pytest.mark.clause("LIF-05")
def test_an_armed_poll_keeps_the_file(dmabuf, probe, evidence):
    stub = probe.export()
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(stub.fd, timeline.fence(), WRITE)
    assert dmabuf.poll(stub.fd) == 0
    dmabuf("close", stub.fd)
    before = probe.ops().count("RELEASE")
    timeline.signal()
    _wait_for_release(probe)
    evidence(f"released {before} times before the signal, then once")
    assert before == 0


@pytest.mark.clause("LIF-05")
def test_an_armed_poll_keeps_the_buffer(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    exporter.close()
    inode = dmabuf.inode(fd)
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), WRITE)
    assert dmabuf.poll(fd) == 0
    dmabuf("close", fd)
    armed = inode in [info.inode for info in dmabuf.bufinfo()]
    timeline.signal()
    until(lambda: [info.inode for info in dmabuf.bufinfo()], lambda left: inode not in left,
          "the last release")
    evidence(f"closed, there until the signal: {armed}")
    assert armed
