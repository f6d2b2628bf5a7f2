# SPDX-License-Identifier: GPL-2.0-or-later
"""HEP: dma-heaps and udmabuf."""

import re
import struct

import pytest

from harness import paths
from machine.tree import Tree

from .dmabuf import O_CLOEXEC, O_RDONLY, O_RDWR, O_WRONLY, PAGE, READ, Dmabuf, iowr
from .exporters import UDMABUF_CREATE

HEAPS = ("baton", "system", "cma")
F_SEAL_SHRINK, F_SEAL_WRITE = 2, 8
ALLOC = iowr("H", 0, 24)


def _request(length: int = PAGE, fd: int = 0, fd_flags: int = O_RDWR | O_CLOEXEC,
             heap_flags: int = 0) -> bytes:
    return struct.pack("<QIIQ", length, fd, fd_flags, heap_flags)


@pytest.mark.clause("HEP-01")
@pytest.mark.exporters(*HEAPS)
def test_a_heap_refuses_what_it_does_not_know(exporter, dmabuf, evidence):
    heap = dmabuf.number("open", f"/dev/dma_heap/{exporter.exp_name}", O_RDWR)
    refusals = {
        "fd": dmabuf.ioctl_refused(heap, ALLOC, _request(fd=1)),
        "fd_flags": dmabuf.ioctl_refused(heap, ALLOC, _request(fd_flags=O_RDWR | 0o2000)),
        "heap_flags": dmabuf.ioctl_refused(heap, ALLOC, _request(heap_flags=1)),
        "no length": dmabuf.ioctl_refused(heap, ALLOC, _request(0)),
        "length wraps": dmabuf.ioctl_refused(heap, ALLOC, _request((1 << 64) - 1)),
        "number 1": dmabuf.ioctl_refused(heap, iowr("H", 1, 24), _request()),
    }
    null = dmabuf.ioctl_refused(heap, ALLOC)
    evidence(f"{refusals}; NULL: {null}")
    assert set(refusals.values()) == {"EINVAL"}
    assert null == "EFAULT"
    assert dmabuf.bufinfo() == []


@pytest.mark.clause("HEP-01")
@pytest.mark.exporters(*HEAPS)
def test_a_heap_takes_older_and_newer_structures(exporter, dmabuf, evidence):
    heap = dmabuf.number("open", f"/dev/dma_heap/{exporter.exp_name}", O_RDWR)
    for size in (16, 24, 32):
        data = dmabuf.ioctl(heap, iowr("H", 0, size), _request().ljust(size, b"\0")[:size])
        fd = struct.unpack_from("<QI", data)[1]
        evidence(f"{size} bytes: {dmabuf.size(fd)} bytes allocated")
        assert dmabuf.size(fd) == PAGE


@pytest.mark.clause("HEP-02")
@pytest.mark.exporters(*HEAPS)
def test_a_heap_gives_clear_pages(exporter, dmabuf, evidence):
    """From memory that was written to: more than lies about in small pieces."""
    size = 16 << 20
    fd = exporter.make(size).fd
    with dmabuf.mapped(fd, size) as address, dmabuf.bracket(fd):
        dmabuf("fill", address, size, 1)
    dmabuf("close", fd)
    fd = exporter.make(size).fd
    with dmabuf.mapped(fd, size) as address, dmabuf.bracket(fd, READ):
        wrong = dmabuf.number("zeros", address, size)
    evidence(f"{wrong} words not 0")
    assert wrong == 0


@pytest.mark.clause("HEP-02")
@pytest.mark.exporters(*HEAPS)
def test_a_heap_gives_what_was_asked_for(exporter, dmabuf, evidence):
    for mode in (O_RDONLY, O_WRONLY, O_RDWR):
        for flags in (mode, mode | O_CLOEXEC):
            buffer = exporter.make(1, flags)
            evidence(f"1 byte, {flags:#o}: {buffer.size} bytes, mode {dmabuf.mode(buffer.fd)}")
            assert buffer.size == PAGE
            assert dmabuf.mode(buffer.fd) == mode
            assert dmabuf.close_on_exec(buffer.fd) == bool(flags & O_CLOEXEC)


@pytest.mark.clause("HEP-03")
@pytest.mark.exporters("system", "cma", "vivid")
def test_stock_exporters_check_at_map_only(exporter, dmabuf, probe, evidence):
    """The device reaches no memory at all."""
    device = probe.device(windows=[(0x4000_0000, 0, 1 << 20)])
    buffer = probe.buffer(exporter.make().fd)
    dmabuf.guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with dmabuf.guest.expect_splat("dma_direct_map_sg|dma_direct_map_phys"):
        attachment = buffer.attach(device)
        outcome = attachment.map_outcome()
    evidence(f"attach 0, map {outcome}")
    assert outcome == ("ENOMEM" if exporter.name == "cma" else "EIO")


def _create(dmabuf: Dmabuf, memory: int, offset: int = 0, size: int = PAGE) -> str:
    device = dmabuf.number("open", "/dev/udmabuf", O_RDWR | O_CLOEXEC)
    data = struct.pack("<IIQQ", memory, 1, offset, size)
    return dmabuf.ioctl_refused(device, UDMABUF_CREATE, data)


@pytest.mark.clause("HEP-04", exporter="udmabuf")
def test_udmabuf_wants_a_sealed_memfd(dmabuf, evidence):
    good = dmabuf.number("memfd", 4 * PAGE, F_SEAL_SHRINK)
    unsealed = dmabuf.number("memfd", 4 * PAGE, 0)
    unwritable = dmabuf.number("memfd", 4 * PAGE, F_SEAL_SHRINK | F_SEAL_WRITE)
    large = dmabuf.number("memfd", 65 << 20, F_SEAL_SHRINK)
    null = dmabuf.number("open", "/dev/null", O_RDWR)
    refusals = {
        "offset": _create(dmabuf, good, 64),
        "size": _create(dmabuf, good, 0, PAGE + 64),
        "nothing": _create(dmabuf, good, 0, 0),
        "unsealed": _create(dmabuf, unsealed),
        "F_SEAL_WRITE": _create(dmabuf, unwritable),
        "over 64 MiB": _create(dmabuf, large, 0, 65 << 20),
        "no memfd": _create(dmabuf, null),
    }
    evidence(f"{refusals}")
    assert refusals.pop("no memfd") == "EBADFD"
    assert set(refusals.values()) == {"EINVAL"}


def _selftest(guest, name: str) -> str:
    program = paths.built(paths.BUILD / "tests" / "selftests" / name, "test-programs")
    guest.put(program, f"/tmp/{name}", 0o755)
    result = guest.run(f"cd /tmp && ./{name}", check=False, stall=600)
    assert result.status == 0, result.stdout + result.stderr
    return result.stdout


def _totals(output: str) -> list[int]:
    """How many tests of kselftest passed, failed and were skipped."""
    line = re.search(r"^# Totals: .*", output, re.MULTILINE)[0]
    return [int(re.search(rf"\b{name}:(\d+)", line)[1]) for name in ("pass", "fail", "skip")]


@pytest.mark.clause("HEP-05")
@pytest.mark.exporters(*HEAPS)
def test_selftest_of_dma_heaps(exporter, guest, evidence):
    """Without vgem it would skip its import."""
    guest.run("modprobe vgem")
    _, *parts = re.split(r"# Testing heap: (\S+)\n", _selftest(guest, "dmabuf-heap"))
    part = dict(zip(parts[::2], parts[1::2], strict=True))[exporter.exp_name]
    results = re.findall(r"^((?:not )?ok \d+)(.*# SKIP)?", part, re.MULTILINE)
    evidence(f"{exporter.exp_name}: {len(results)} tests")
    assert len(results) == 11
    assert not any(result.startswith("not") or skipped for result, skipped in results)


@pytest.mark.clause("HEP-05")
def test_selftest_of_sync_files(guest, evidence):
    passed, failed, skipped = _totals(_selftest(guest, "sync_test"))
    evidence(f"{passed} passed")
    assert passed > 0
    assert (failed, skipped) == (0, 0)


@pytest.mark.clause("HEP-05")
def test_selftest_of_udmabuf(boot, artifacts, evidence):
    """Its last case takes 1024 huge pages, of a memfd of 2 GiB."""
    low, high = (0, 0x8000_0000, 0, 1 << 30), (8, 0x8000_0000, 0, 3 << 30)
    tree = Tree().set("/memory@80000000", "reg", *low, *high)
    guest = boot(dtb=tree.save(artifacts / "tree.dtb"), kernel_args="hugepages=1024")
    passed, failed, skipped = _totals(_selftest(guest, "udmabuf"))
    evidence(f"{passed} passed")
    assert passed >= 6  # 7 on Linux 7.2
    assert (failed, skipped) == (0, 0)


@pytest.mark.clause("HEP-05")
@pytest.mark.not_on("6.12")
def test_kunit_tests_of_the_kernel(boot, evidence):
    guest = boot(kernel_args="rcupdate.rcu_cpu_stall_suppress=1")
    guest.run("modprobe kunit enable=1 autorun=1 && modprobe dmabuf_kunit", stall=600)
    results = guest.run("cat /sys/kernel/debug/kunit/dma-buf-*/results").stdout
    suites = re.findall(r"^(ok|not ok) \d+ (.+)$", results, re.MULTILINE)
    planned = sum(map(int, re.findall(r"^    1\.\.(\d+)$", results, re.MULTILINE)))
    passed = len(re.findall(r"^    ok \d+ ", results, re.MULTILINE))
    evidence(f"{suites}: {passed} of {planned} cases")
    assert set(suites) == {("ok", f"dma-buf-{name}") for name in (
        "fence", "fence-chain", "fence-unwrap", "resv")}, results
    assert passed == planned > 0, results  # 7.2 calls a suite that has not run ok
    assert "SKIP" not in results


@pytest.mark.clause("HEP-05")
@pytest.mark.not_on("7.2")
def test_selftests_of_the_kernel(boot, evidence):
    """They give no CPU away while they run, on a slow host for long."""
    guest = boot(kernel_args="rcupdate.rcu_cpu_stall_suppress=1")
    guest.run("modprobe dmabuf_selftests", stall=600)
    log = guest.run("dmesg").stdout
    tests = re.findall(r"dma-buf: Running (\w+)", log)
    evidence(f"{tests}")
    assert {test.rstrip("/") for test in tests} >= {
        "sanitycheck", "dma_fence", "dma_fence_chain", "dma_fence_unwrap", "dma_resv"}
    assert "failed" not in "\n".join(line for line in log.splitlines() if "dma-buf" in line)
