# SPDX-License-Identifier: GPL-2.0-or-later
"""EXP: export and file descriptors."""

import errno
import re

import pytest

from harness.guest import Guest
from harness.program import Refused

from .clauses import PROJECT
from .dmabuf import (
    DMA_BUF_MAGIC,
    O_CLOEXEC,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PAGE,
    PROT_READ,
    PROT_WRITE,
    SEEK_END,
)

SIZE = 16 * PAGE


@pytest.mark.clause("EXP-03")
def test_an_export_is_a_file_of_its_own(exporter, dmabuf, evidence):
    first, second = exporter.make(SIZE), exporter.make(SIZE)
    inodes = dmabuf.inode(first.fd), dmabuf.inode(second.fd)
    magic = int(dmabuf("fstatfs", first.fd)[0], 16)
    link = dmabuf("link", first.fd)[0]
    evidence(f"st_ino {inodes[0]}, {inodes[1]}; f_type {magic:#x}; {link}; {first.size} bytes")
    assert inodes[0] != inodes[1]
    assert magic == DMA_BUF_MAGIC
    assert link == "/dmabuf:"
    assert first.size >= SIZE
    assert dmabuf.number("lseek", first.fd, 0, SEEK_END) == first.size


@pytest.mark.clause("EXP-03")
@pytest.mark.exporters("baton", "system", "cma", "udmabuf", "camera", "display", "vkms")
def test_an_export_is_as_large_as_asked_for(exporter):
    assert exporter.make(4 * SIZE).size == 4 * SIZE


@pytest.mark.clause("EXP-07")
def test_the_exporter_has_a_name(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    names = dmabuf.fdinfo(fd)["exp_name"], dmabuf.info(fd).exporter
    evidence(f"exp_name {names[0]}")
    assert names == (exporter.exp_name,) * 2


@pytest.mark.clause("EXP-08", "FDI-07")
def test_close_on_exec_is_as_asked_for(exporter, dmabuf, evidence):
    for flags in (0, O_CLOEXEC):
        fd = exporter.make(flags=O_RDWR | flags).fd
        seen = dmabuf("exec_sees", fd) == ["1"]
        evidence(f"{'O_CLOEXEC' if flags else '0'}: FD_CLOEXEC {dmabuf.close_on_exec(fd):d}, "
                 f"{'there' if seen else 'gone'} after exec")
        assert dmabuf.close_on_exec(fd) == bool(flags)
        assert seen != bool(flags)


@pytest.mark.clause("EXP-08")
def test_without_a_descriptor_nothing_is_exported(exporter, dmabuf, evidence):
    """All are in use but for those, one more each time, that are opened on the way."""
    exporter.make()
    before = [info.inode for info in dmabuf.bufinfo()]
    top = dmabuf.number("dup", 0)
    refusals = []
    for limit in range(top + 1, top + 8):
        dmabuf("descriptors", limit)
        try:
            buffer = exporter.make()
        except Refused as refusal:
            refusals.append(errno.errorcode[refusal.code])
        else:
            break
        assert [info.inode for info in dmabuf.bufinfo()] == before
    evidence(f"{refusals}, then fd {buffer.fd}")
    assert set(refusals) == {"EMFILE"}


@pytest.mark.clause("EXP-09")
def test_the_size_stays(exporter, dmabuf, evidence):
    buffer = exporter.make()
    refusals = [dmabuf.refused("truncate", buffer.fd, size) for size in (0, 2 * buffer.size)]
    evidence(f"ftruncate {refusals}")
    assert refusals == ["EINVAL"] * 2
    assert dmabuf.size(buffer.fd) == buffer.size
    assert buffer.size % PAGE == 0


@pytest.mark.clause("EXP-10")
def test_the_access_mode_bounds_mappings(exporter, dmabuf, evidence):
    for mode in exporter.modes:
        fd = exporter.make(flags=mode | O_CLOEXEC).fd
        allowed = {O_RDONLY: [True, False], O_WRONLY: [False, False], O_RDWR: [True, True]}[mode]
        for prot, may in zip((PROT_READ, PROT_WRITE), allowed, strict=True):
            words = ("map", fd, PAGE, prot)
            outcome = "0" if may and dmabuf(*words) else dmabuf.refused(*words)
            evidence(f"mode {mode}, prot {prot}: {outcome}")
            assert outcome == ("0" if may else "EACCES")
        assert dmabuf.mode(fd) == mode


@pytest.mark.clause("EXP-10")
@pytest.mark.exporters("baton")
def test_other_flags_do_not_reach_the_file(exporter, dmabuf):
    assert dmabuf.number("fcntl", exporter.make().fd, 3) & O_NONBLOCK == 0


@pytest.mark.clause("EXP-11")
def test_a_handle_can_be_passed_on(exporter, dmabuf, programs, evidence):
    fd = exporter.make().fd
    inode = dmabuf.inode(fd)
    other = programs()
    socket = other.number("bind", "/tmp/contract.sock")
    dmabuf("send", "/tmp/contract.sock", fd)
    received = other.number("receive", socket)
    dmabuf.guest.run("rm /tmp/contract.sock")
    inodes = {"dup": dmabuf.inode(dmabuf.number("dup", fd)),
              "fork": dmabuf.number("fork_fstat", fd),
              "SCM_RIGHTS": other.inode(received)}
    reopened = dmabuf.refused("reopen", fd, O_RDWR)
    evidence(f"st_ino {inode}; {inodes}; open of /proc/self/fd: {reopened}")
    assert set(inodes.values()) == {inode}
    assert reopened == "ENXIO"


def _module_users(guest: Guest) -> dict[str, int]:
    lines = guest.run("cat /proc/modules").stdout.splitlines()
    return {name: int(users) for name, _, users, *_ in map(str.split, lines)}


@pytest.mark.clause("EXP-06")
@pytest.mark.exporters(*PROJECT, "vkms")
def test_a_buffer_holds_its_module(exporter, dmabuf, evidence):
    """Alone: nobody has the device open."""
    before = _module_users(dmabuf.guest)
    fd = exporter.make().fd
    if exporter.name != "baton":
        dmabuf("close", exporter.fd)
    holding = _module_users(dmabuf.guest)
    owners = [name for name, users in holding.items() if users > before[name]]
    assert owners
    for name in owners:
        result = dmabuf.guest.run(["rmmod", name], check=False)
        evidence(f"{result.stderr.strip()}")
        assert re.search("temporarily unavailable|busy", result.stderr)
    dmabuf("close", fd)
    assert _module_users(dmabuf.guest) == before
