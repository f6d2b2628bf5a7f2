# SPDX-License-Identifier: GPL-2.0-or-later
"""LIF: references to a dma-buf."""

import pytest

from harness.polling import until

from .dmabuf import O_CLOEXEC, O_PATH, O_RDWR, WRITE
from .probe import Probe
from .project import set_parameter, wide


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
def test_release_comes_once_and_last(dmabuf, probe, evidence):
    stub = probe.export()
    buffer = probe.buffer(stub.fd)
    address = dmabuf.map(stub.fd, 4096)
    twin = dmabuf.number("dup", stub.fd)
    steps = (("close", stub.fd), ("close", twin), ("unmap", address, 4096))
    releases = []
    for step in steps:
        dmabuf(*step)
        releases.append(probe.ops().count("RELEASE"))
    buffer.put()
    _wait_for_release(probe)
    evidence(f"released by close, close, munmap: {releases}; then by the last put")
    assert releases == [0, 0, 0]
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
