# SPDX-License-Identifier: GPL-2.0-or-later
"""FDI: llseek, fdinfo, names, debugfs."""

import struct

import pytest

from .clauses import PROJECT
from .dmabuf import (
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
    SET_NAME_A,
    SET_NAME_B,
    WRITE,
    Dmabuf,
)
from .exporters import FD_TO_HANDLE, BatonHeap, Display, Vkms
from .project import wide


@pytest.mark.clause("FDI-01")
def test_seeking_tells_the_size(exporter, dmabuf, evidence):
    buffer = exporter.make()
    positions = [dmabuf.number("lseek", buffer.fd, 0, whence)
                 for whence in (SEEK_END, SEEK_SET, SEEK_END, SEEK_SET)]
    evidence(f"SEEK_END, SEEK_SET, twice: {positions}; st_size {buffer.size}")
    assert positions == [buffer.size, 0] * 2


@pytest.mark.clause("FDI-02")
def test_seeking_does_nothing_else(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    for offset, whence in ((0, SEEK_CUR), (1, SEEK_SET), (-1, SEEK_END), (4096, SEEK_SET),
                           (0, SEEK_DATA), (0, SEEK_HOLE), (0, 99)):
        assert dmabuf.refused("lseek", fd, offset, whence) == "EINVAL", (offset, whence)
    evidence("EINVAL for all other offsets and origins")


@pytest.mark.clause("FDI-03")
def test_seeking_is_a_probe(exporter, dmabuf, evidence):
    """A pipe stands in for a kernel whose dma-bufs cannot seek."""
    pipe = int(dmabuf("pipe")[0])
    errno = dmabuf.refused("lseek", pipe, 0, SEEK_END)
    evidence(f"pipe: {errno}")
    assert errno == "ESPIPE"
    assert dmabuf.refused("lseek", exporter.make().fd, 0, SEEK_CUR) != "ESPIPE"


@pytest.mark.clause("FDI-04")
def test_fdinfo(exporter, dmabuf, evidence):
    buffer = exporter.make()
    before = dmabuf.fdinfo(buffer.fd)
    dmabuf("dup", buffer.fd)
    dmabuf.ioctl(buffer.fd, SET_NAME_A, b"contract\0")
    after = dmabuf.fdinfo(buffer.fd)
    evidence(f"{after}")
    assert int(before["size"]) == buffer.size
    assert before["exp_name"] == exporter.exp_name
    assert "name" not in before
    assert int(after["count"]) == int(before["count"]) + 1
    assert after["name"] == "contract"


@pytest.mark.clause("FDI-04")
@pytest.mark.exporters(*PROJECT, "system", "cma", "udmabuf", "vivid")
def test_fdinfo_counts_importers(exporter, dmabuf):
    """DRM takes several references."""
    fd = exporter.make().fd
    importer = Vkms(dmabuf)
    importer.open()
    count = int(dmabuf.fdinfo(fd)["count"])
    handle = importer.import_(fd)
    assert int(dmabuf.fdinfo(fd)["count"]) > count
    importer.close_handle(handle)
    assert int(dmabuf.fdinfo(fd)["count"]) == count


def _names(dmabuf: Dmabuf, fd: int) -> set[str]:
    return {dmabuf.fdinfo(fd)["name"], dmabuf.info(fd).name,
            dmabuf("link", fd)[0].removeprefix("/dmabuf:")}


@pytest.mark.clause("FDI-05")
def test_names(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    for request, name in ((SET_NAME_A, "x" * 31), (SET_NAME_B, "second")):
        dmabuf.ioctl(fd, request, name.encode() + b"\0")
        assert _names(dmabuf, fd) == {name}
        refusals = [dmabuf.ioctl_refused(fd, request, b"y" * 32 + b"\0"),
                    dmabuf.ioctl_refused(fd, request)]
        evidence(f"{_names(dmabuf, fd)}; 32 bytes, NULL: {refusals}")
        assert refusals == ["EINVAL", "EFAULT"]
        assert _names(dmabuf, fd) == {name}


@pytest.mark.clause("FDI-05")
@pytest.mark.exporters(*PROJECT, "system", "cma", "udmabuf", "vivid")
def test_a_buffer_that_is_attached_can_be_named(exporter, dmabuf, evidence):
    fd = exporter.make().fd
    importer = Vkms(dmabuf)
    importer.open()
    importer.import_(fd)
    assert dmabuf.info(fd).devices
    dmabuf.ioctl(fd, SET_NAME_B, b"attached\0")
    evidence("0 with a device attached")
    assert _names(dmabuf, fd) == {"attached"}


@pytest.mark.clause("FDI-06")
def test_bufinfo_lists_what_is_attached(exporter, dmabuf, probe, evidence):
    """One device, three times."""
    buffer, device = exporter.make(), wide(probe)
    assert dmabuf.info(buffer.fd).devices == ()
    for _ in range(3):
        probe.buffer(buffer.fd).attach(device)
    fence = dmabuf.timeline().fence()
    dmabuf.attach_fence(buffer.fd, fence, 2)
    info = dmabuf.info(buffer.fd)
    evidence(f"{info}")
    assert (info.size, info.exporter, info.fences) == (buffer.size, exporter.exp_name, 1)
    assert info.inode == dmabuf.inode(buffer.fd)
    assert (len(info.devices), len(set(info.devices))) == (3, 1)
    text = dmabuf.guest.run("cat /sys/kernel/debug/dma_buf/bufinfo").stdout
    assert "Total 3 devices attached" in text
    objects = dmabuf.bufinfo()
    total = sum(each.size for each in objects)
    assert text.endswith(f"Total {len(objects)} objects, {total} bytes\n")


@pytest.mark.clause("FDI-06", exporter="baton")
def test_bufinfo_can_be_read_while_an_attach_waits(dmabuf, evidence):
    guest = dmabuf.guest
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    buffer = BatonHeap(dmabuf).make()
    dmabuf("fill", dmabuf.map(buffer.fd, buffer.size), buffer.size, 1)
    guest.run("echo 0 >/sys/module/baton_buf/parameters/scatter")
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(buffer.fd, timeline.fence(), WRITE)
    card = Display(dmabuf)
    card.open()
    importing = dmabuf.start("ioctl", card.fd, FD_TO_HANDLE,
                             struct.pack("<IIi", 0, 0, buffer.fd).hex())
    info = dmabuf.info(buffer.fd)
    waiting = not importing.done
    timeline.signal()
    importing.finish()
    evidence(f"{info.fences} fence, {info.devices} attached, importing {waiting}")
    assert waiting
    assert (info.fences, info.devices) == (1, ())
    assert len(dmabuf.info(buffer.fd).devices) == 1


@pytest.mark.clause("FDI-06")
@pytest.mark.not_on("7.2")
def test_sysfs_agrees(exporter, dmabuf, evidence):
    buffer = exporter.make()
    path = f"/sys/kernel/dmabuf/buffers/{dmabuf.inode(buffer.fd)}"
    name, size = dmabuf.guest.run(f"cat {path}/exporter_name {path}/size").stdout.split()
    evidence(f"{path}: {name} {size}")
    assert (name, int(size)) == (exporter.exp_name, buffer.size)
