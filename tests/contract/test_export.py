# SPDX-License-Identifier: GPL-2.0-or-later
"""EXP: export and file descriptors."""

import errno
import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

from harness import paths
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
from .exporters import CREATE_DUMB, Display
from .probe import OPS, export_fields, flag

SIZE = 16 * PAGE
OWNERS = {"baton": "baton_heap", "camera": "baton_camera", "display": "baton_display",
          "vkms": "vkms"}


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
    """Which is no power of two."""
    size = 4 * SIZE + 2 * PAGE
    assert exporter.make(size).size == size


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


@pytest.mark.clause("FDI-07")
def test_close_on_exec_through_the_probe(dmabuf, probe, evidence):
    """An interface of the project's own."""
    for flags in (0, O_CLOEXEC):
        fd = probe.export(PAGE, file_flags=O_RDWR | flags).fd
        seen = dmabuf("exec_sees", fd) == ["1"]
        evidence(f"{'O_CLOEXEC' if flags else '0'}: {'there' if seen else 'gone'} after exec")
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


@pytest.mark.clause("EXP-09", exporter="display")
def test_a_picture_takes_whole_pages(dmabuf, evidence):
    display = Display(dmabuf)
    card = display.open()
    made = dmabuf.ioctl(card, CREATE_DUMB, struct.pack("<6IQ", 5, 400, 32, 0, 0, 0, 0))
    *_, handle, pitch, asked = struct.unpack("<6IQ", made)
    size = dmabuf.size(display.export(handle))
    evidence(f"5 lines of {pitch} bytes, {asked} in all: {size}")
    assert asked % PAGE
    assert size == -(-asked // PAGE) * PAGE


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
    exporter.close()
    holding = _module_users(dmabuf.guest)
    owners = [name for name, users in holding.items() if users > before[name]]
    assert OWNERS[exporter.name] in owners
    for name in owners:
        result = dmabuf.guest.run(["rmmod", name], check=False)
        evidence(f"{result.stderr.strip()}")
        assert re.search("temporarily unavailable|busy", result.stderr)
    dmabuf("close", fd)
    assert _module_users(dmabuf.guest) == before


@pytest.mark.clause("EXP-01")
def test_the_macro_leaves_name_and_owner(probe, evidence):
    info = probe.call("EXPORT_INFO")
    evidence(f"exp_name {info.exp_name.decode()}, owner {info.owned}, others {info.nonzero}")
    assert info.exp_name == b"baton_probe"
    assert (info.owned, info.nonzero) == (1, 0)


@pytest.mark.clause("EXP-01")
def test_without_flags_a_buffer_is_read_only(dmabuf, probe, evidence):
    fd = probe.export(PAGE, file_flags=0).fd
    outcome = dmabuf.refused("map", fd, PAGE, PROT_WRITE)
    evidence(f"mode {dmabuf.mode(fd)}, shared mapping for writing: {outcome}")
    assert dmabuf.mode(fd) == O_RDONLY
    assert outcome == "EACCES"


def _build(directory: Path, body: str) -> str:
    """What building a module says; "" if it went well."""
    (directory / "Kbuild").write_text("obj-m := contract.o\n")
    (directory / "contract.c").write_text(
        "#include <linux/dma-buf.h>\n#include <linux/module.h>\n"
        f'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION("contract");\n{body}')
    command = ["make", "-C", str(paths.BUILD / "linux"), f"M={directory}", "ARCH=arm64",
               "CROSS_COMPILE=aarch64-linux-gnu-", "modules"]
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "MAKEFLAGS": ""})
    return done.stdout + done.stderr if done.returncode else ""


EXPORT = ("int contract(struct dma_buf_export_info *i);\n"
          "int contract(struct dma_buf_export_info *i) { return IS_ERR(%s); }\n"
          "EXPORT_SYMBOL_GPL(contract);\n")
NAMESPACE = 'MODULE_INFO(import_ns, "DMA_BUF");\n'  # as MODULE_IMPORT_NS() of any kernel says


@pytest.mark.clause("EXP-02")
@pytest.mark.parametrize(("body", "complaint"), [
    (EXPORT % "dma_buf_export(i)" + NAMESPACE, ""),
    (EXPORT % "dma_buf_export(i)", "uses symbol dma_buf_export from namespace DMA_BUF"),
    (EXPORT % "dma_buf_export(i, NULL)" + NAMESPACE, "too many arguments"),
    (EXPORT % 'dma_buf_export_named(i, NULL, 0, 0, "x")' + NAMESPACE,
     "dma_buf_export_named"),
], ids=["good", "no-namespace", "two-arguments", "old-name"])
def test_how_export_is_called(artifacts, evidence, body, complaint):
    said = _build(artifacts, body)
    evidence(next((line for line in said.splitlines() if complaint and complaint in line), "ok"))
    assert bool(said) == bool(complaint)
    assert complaint in said


@pytest.mark.clause("EXP-04")
def test_a_refused_export_is_an_error_pointer(dmabuf, probe, evidence):
    with dmabuf.guest.expect_splat("dma_buf_export"):
        outcome = probe.outcome("EXPORT", size=PAGE, ops=0)
    evidence(f"IS_ERR, {outcome}")
    assert outcome == "EINVAL"


@pytest.mark.clause("EXP-05")
@pytest.mark.parametrize(("without", "flags"), [
    (("PIN", "UNPIN", "MAP"), 0), (("PIN", "UNPIN", "UNMAP"), 0), (("PIN", "UNPIN", "RELEASE"), 0),
    (("PIN",), 0), (("UNPIN",), 0),
    pytest.param((), flag("EXPORT_CACHE_SGT"), marks=pytest.mark.not_on("7.2"))])
def test_an_incomplete_export_is_refused(dmabuf, probe, evidence, without, flags):
    fields = export_fields(PAGE, without, flags)
    with dmabuf.guest.expect_splat("dma_buf_export"):
        outcome = probe.outcome("EXPORT", **fields)
    evidence(f"without {', '.join(without) or 'nothing'}, flags {flags}: {outcome}")
    assert outcome == "EINVAL"
    assert dmabuf.bufinfo() == []


@pytest.mark.clause("EXP-05")
def test_other_operations_may_be_absent(probe, evidence):
    optional = [op for op in OPS if op not in ("MAP", "UNMAP", "RELEASE")]
    stub = probe.export(PAGE, optional)
    evidence(f"accepted without {', '.join(optional)}")
    assert probe.buffer(stub.fd).attach(probe.device()).map().count
