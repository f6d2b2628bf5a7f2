# SPDX-License-Identifier: GPL-2.0-or-later
"""DRM: PRIME exports and imports."""

import struct

import pytest

from harness import pixels
from harness.kms import Kms, pad_lines

from .dmabuf import O_CLOEXEC, O_RDONLY, O_RDWR, PAGE, PROT_READ, PROT_WRITE, READ, WRITE, iowr
from .exporters import HANDLE_TO_FD, BatonHeap, Dumb
from .kernel import is_one_of, kernel_name
from .probe import BIDIRECTIONAL, flag

pytestmark = pytest.mark.exporters("display", "vkms")
ADDFB2, RMFB = iowr("d", 0xB8, 104), iowr("d", 0xAF, 4)
XR24, NV12 = 0x34325258, 0x3231564E
MODIFIERS = 2  # DRM_MODE_FB_MODIFIERS


@pytest.mark.clause("DRM-01")
def test_prime_refuses_what_it_does_not_know(exporter, dmabuf, evidence):
    handle = exporter.create(PAGE)
    null = dmabuf.number("open", "/dev/null", O_RDWR | O_CLOEXEC)
    flags = [dmabuf.ioctl_refused(exporter.fd, HANDLE_TO_FD, struct.pack("<IIi", handle, bad, -1))
             for bad in (1, 4, O_RDWR | 0o2000)]
    unknown = dmabuf.ioctl_refused(exporter.fd, HANDLE_TO_FD, struct.pack("<IIi", 999, 0, -1))
    closed, foreign = exporter.import_refused(999), exporter.import_refused(null)
    evidence(f"flags: {flags}; handle 999: {unknown}; fd 999: {closed}; /dev/null: {foreign}")
    assert flags == ["EINVAL"] * 3
    assert (unknown, closed, foreign) == ("ENOENT", "EBADF", "EINVAL")


@pytest.mark.clause("DRM-02")
def test_an_object_is_one_dma_buf(exporter, dmabuf, evidence):
    """Whose access mode is that of the first export."""
    handle = exporter.create(PAGE)
    first = exporter.export(handle, O_CLOEXEC)
    again = exporter.export(handle, O_RDWR | O_CLOEXEC)
    inodes = dmabuf.inode(first), dmabuf.inode(again)
    write = dmabuf.refused("map", again, PAGE, PROT_WRITE)
    evidence(f"st_ino {inodes}; mode {dmabuf.mode(again)}; PROT_WRITE {write}")
    assert inodes[0] == inodes[1]
    assert dmabuf.mode(again) == O_RDONLY
    assert write == "EACCES"
    assert dmabuf.map(again, PAGE, PROT_READ)


@pytest.mark.clause("DRM-03")
def test_an_object_is_imported_once(exporter, dmabuf, evidence):
    fd = BatonHeap(dmabuf).make(16 * PAGE).fd
    exporter.open()
    handles = [exporter.import_(each) for each in (fd, fd, dmabuf.number("dup", fd))]
    exported = exporter.export(handles[0])
    evidence(f"handles {handles}, attached to {dmabuf.info(fd).devices}; "
             f"exported again: st_ino {dmabuf.inode(fd)} and {dmabuf.inode(exported)}")
    assert len(set(handles)) == 1
    assert len(dmabuf.info(fd).devices) == 1
    assert dmabuf.inode(exported) == dmabuf.inode(fd)


@pytest.mark.clause("DRM-03")
def test_an_own_export_is_recognised(exporter, dmabuf, evidence):
    """By another file of the same device, too, which has no handle for it yet."""
    handle = exporter.create(PAGE)
    fd = exporter.export(handle)
    before = dmabuf.info(fd).devices
    other = type(exporter)(dmabuf)
    other.open()
    again, elsewhere = exporter.import_(fd), other.import_(fd)
    evidence(f"handle {handle}, imported {again}; attached before and after: "
             f"{len(before)}, {len(dmabuf.info(fd).devices)}")
    assert again == handle
    assert dmabuf.info(fd).devices == before
    offset = other.map_offset(elsewhere)
    first, second = dmabuf.map(fd, PAGE), dmabuf.map(other.fd, PAGE, offset=offset)
    with dmabuf.bracket(fd):
        dmabuf("fill", first, PAGE, 8)
    assert dmabuf.number("check", second, PAGE, 8) == 0


@pytest.mark.clause("DRM-04")
def test_the_exporters_errors_reach_user_space(exporter, dmabuf, probe, evidence):
    stub = probe.export(16 * PAGE, without=())  # else the core maps, in attach
    exporter.open()
    seen = {}
    cases = [("ATTACH", 16, "EBUSY")]
    if not (exporter.name == "vkms" and is_one_of(kernel_name(), ("7.2",))):  # which does not map
        cases += [("MAP", 4, "EINTR"), ("MAP", 12, "ENOMEM")]
    for op, error, name in cases:
        stub.behave(op, error)
        seen[f"{op} -{name}"] = exporter.import_refused(stub.fd)
        stub.behave(op)
        assert dmabuf.info(stub.fd).devices == ()
    evidence(f"{seen}")
    assert all(key.endswith(f"-{value}") for key, value in seen.items())


@pytest.mark.clause("DRM-04")
@pytest.mark.exporters("display")
def test_a_contiguous_display_refuses_pieces(exporter, dmabuf, probe, evidence):
    stub = probe.export(16 * PAGE, flags=flag("EXPORT_LOW"))
    exporter.open()
    refusal = exporter.import_refused(stub.fd)
    ops = probe.ops()
    evidence(f"{refusal}; {ops}")
    assert refusal == "EINVAL"
    assert ops.count("ATTACH") == ops.count("DETACH") == 1
    assert ops.count("MAP") == ops.count("UNMAP")
    assert dmabuf.info(stub.fd).devices == ()


def _addfb(card: Dumb, fourcc: int, width: int, height: int, planes: list[tuple[int, int, int]],
           modifier: int | None = None) -> bytes:
    """PLANES: handle, pitch, offset."""
    columns = [list(column) + [0] * (4 - len(planes)) for column in zip(*planes, strict=True)]
    flags = MODIFIERS if modifier is not None else 0
    modifiers = [modifier or 0] * len(planes) + [0] * (4 - len(planes))
    return struct.pack("<5I12I4x4Q", 0, width, height, fourcc, flags,
                       *columns[0], *columns[1], *columns[2], *modifiers)


@pytest.mark.clause("DRM-06")
def test_a_framebuffer_lies_within_its_objects(exporter, dmabuf, evidence):
    fd = BatonHeap(dmabuf).make(64 * PAGE).fd
    exporter.open()
    handle = exporter.import_(fd)
    good = [(handle, 1024, 0)]
    bad = {
        "too high": _addfb(exporter, XR24, 256, 257, good),
        "offset": _addfb(exporter, XR24, 256, 256, [(handle, 1024, 64)]),
        "offset overflow": _addfb(exporter, XR24, 256, 256, [(handle, 1024, 0xFFFFFFC0)]),
        "pitch": _addfb(exporter, XR24, 256, 256, [(handle, 512, 0)]),
        "modifier": _addfb(exporter, XR24, 256, 256, good, 0x0100000000000001),
        "format": _addfb(exporter, 0x20202020, 256, 256, good),
    }
    refusals = {name: dmabuf.ioctl_refused(exporter.fd, ADDFB2, data)
                for name, data in bad.items()}
    unknown = dmabuf.ioctl_refused(exporter.fd, ADDFB2,
                                   _addfb(exporter, XR24, 256, 256, [(999, 1024, 0)]))
    dmabuf.ioctl(exporter.fd, ADDFB2, _addfb(exporter, XR24, 256, 256, good, 0))
    evidence(f"{refusals}; handle 999: {unknown}; a good one: 0")
    assert refusals.pop("offset overflow") == "ERANGE"
    assert set(refusals.values()) == {"EINVAL"}
    assert unknown == "ENOENT"


@pytest.mark.clause("DRM-06", exporter="display")
@pytest.mark.parametrize("objects", [1, 2])
def test_nv12_in_one_and_two_objects(dmabuf, programs, evidence, objects):
    width, height = 128, 96
    kms = programs(Kms)
    kms.write("hash", 1)
    picture = pixels.noise("NV12", width, height, 3)
    planes, pitch = (picture,), width
    if objects == 2:  # with lines of their own length
        pitch = 2 * width
        planes = (picture[:width * height], pad_lines(picture[width * height:], width, pitch))
    heap = BatonHeap(dmabuf)
    handles = []
    for data in planes:
        buffer = heap.make(-(-len(data) // PAGE) * PAGE)
        fd = kms.number("adopt", dmabuf("pid")[0], buffer.fd)
        kms("load_fd", fd, len(data), kms.store(data))
        handles.append(kms.number("import", fd))
    chroma = (handles[-1], pitch, width * height if objects == 1 else 0)
    fb = kms.number("fb", "NV12", width, height, handles[0], width, 0, *chroma)
    mode = kms.mode(width, height)
    base = kms.picture("XR24", width, height, pixels.noise("XR24", width, height, 1))
    kms.show(mode, primary=base)
    kms("set", "primary", "FB_ID", fb)
    frame = kms.frame(kms.commit()[0])
    expected = pixels.frame_hash("NV12", width, height, picture)
    evidence(f"{objects} dma-buf: hash {frame.planes[0][1]:#x}, expected {expected:#x}")
    assert frame.planes[0][1] == expected


@pytest.mark.clause("DRM-05", exporter="display")
def test_an_import_lasts_as_long_as_it_is_shown(dmabuf, programs, probe, evidence):
    width, height = 128, 96
    kms = programs(Kms)
    kms.show(kms.mode(width, height),
             primary=kms.picture("XR24", width, height, pixels.noise("XR24", width, height, 1)))
    stub = probe.export(width * height * 4, without=(),  # else the core maps
                        flags=flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))
    handle = kms.number("import", kms.number("adopt", dmabuf("pid")[0], stub.fd))
    fb = kms.add_fb("XR24", width, height, handle, width * 4)
    kms("set", "primary", "FB_ID", fb)
    kms.commit()
    kms("free", handle)
    events = probe.events()
    directions = [event.direction for event in events if event.op == "MAP"]
    while_shown = [event.op for event in events]
    kms("set", "primary", "FB_ID", kms.picture("XR24", width, height, b"").fb)
    kms.commit()
    with_framebuffer = probe.ops()
    kms("rmfb", fb)
    after = probe.unpinned_ops()
    evidence(f"{while_shown}, flip away: {with_framebuffer}, RMFB: {after}")
    assert directions == [BIDIRECTIONAL]
    assert not {"UNMAP", "DETACH"} & {*while_shown, *with_framebuffer}
    assert after[-2:] == ["UNMAP", "DETACH"]


@pytest.mark.clause("DRM-07", exporter="display")
def test_a_flip_waits_for_implicit_fences(dmabuf, programs, evidence):
    width, height = 128, 96
    kms = programs(Kms)
    kms.write("hash", 1)
    pictures = [pixels.noise("XR24", width, height, seed) for seed in range(3)]
    kms.show(kms.mode(width, height), primary=kms.picture("XR24", width, height, pictures[0]))
    fbs = []
    for data in pictures[1:]:
        fd = kms.number("heap", "baton", len(data))
        kms("load_fd", fd, len(data), kms.store(data))
        fbs.append(kms.add_fb("XR24", width, height, kms.number("import", fd), width * 4))
        kms("attach_fence", fd, kms.number("fence"))
    # An explicit fence, here a signalled one, replaces the implicit fence of its buffer.
    signalled = dmabuf.export_fence(BatonHeap(dmabuf).make(PAGE).fd, WRITE | READ)
    kms("set", "primary", "FB_ID", fbs[0])
    kms("set", "primary", "IN_FENCE_FD", kms.number("adopt", dmabuf("pid")[0], signalled))
    explicit = kms.frame(kms.commit()[0]).planes[0][1]
    assert explicit == pixels.frame_hash("XR24", width, height, pictures[1])
    kms("set", "primary", "FB_ID", fbs[1])
    kms("commit", "event", "nonblock")
    later = int(kms("vblank", 5)[0])
    assert kms("pending") == ["0"]
    assert kms.frame(later - 1).planes[0][1] == explicit
    kms("signal")
    kms("signal")
    number, _ = kms.event()
    evidence(f"not flipped by frame {later}, flipped in {number} after the signal; "
             "with a signalled IN_FENCE at once")
    assert kms.frame(number).planes[0][1] == pixels.frame_hash("XR24", width, height, pictures[2])
