# SPDX-License-Identifier: GPL-2.0-or-later
"""PRIME: buffers that the display gives away, takes, and refuses."""

import pytest

import harness.guest
from harness import pixels
from harness.kms import Kms

WIDTH, HEIGHT = 128, 96
SIZE = WIDTH * HEIGHT * 4


@pytest.fixture
def kms(guest) -> Kms:
    kms = Kms(guest)
    kms.write("hash", 1)
    return kms


def noise(seed: int) -> bytes:
    return pixels.noise("XR24", WIDTH, HEIGHT, seed)


def shown(kms: Kms, fb: int) -> int:
    """Flip to a framebuffer; the hash of what the engine then read."""
    kms("set", "primary", "FB_ID", fb)
    return kms.frame(kms.commit()[0]).planes[0][1]


def cma_heap(kms: Kms) -> str:
    return kms.guest.run("ls /dev/dma_heap | grep -v -e system -e baton").stdout.split()[0]


def test_import_shows_what_others_wrote(kms):
    """A contiguous buffer of the CMA heap, written through its descriptor."""
    kms.show(kms.mode(WIDTH, HEIGHT), primary=kms.picture("XR24", WIDTH, HEIGHT, noise(0)))
    fd = kms.number("heap", cma_heap(kms), SIZE)
    fb = kms.add_fb("XR24", WIDTH, HEIGHT, kms.number("import", fd), WIDTH * 4)
    hashes = set()
    for seed in range(1, 4):
        kms("load_fd", fd, SIZE, kms.store(noise(seed)))
        hashes.add(shown(kms, fb))
        assert pixels.frame_hash("XR24", WIDTH, HEIGHT, noise(seed)) in hashes
    assert len(hashes) == 3


@pytest.mark.parametrize("heap", [cma_heap, lambda kms: "baton"], ids=["cma", "baton"])
def test_luma_and_chroma_from_two_dma_bufs(kms, heap):
    kms.show(kms.mode(WIDTH, HEIGHT), primary=kms.picture("XR24", WIDTH, HEIGHT, noise(0)))
    luma = WIDTH * HEIGHT
    fds = [kms.number("heap", heap(kms), size) for size in (luma, luma // 2)]
    planes = [(kms.number("import", fd), WIDTH, 0) for fd in fds]
    fb = kms.number("fb", "NV12", WIDTH, HEIGHT, *planes[0], *planes[1])
    for seed in range(1, 4):
        picture = pixels.noise("NV12", WIDTH, HEIGHT, seed)
        for fd, plane in zip(fds, (picture[:luma], picture[luma:]), strict=True):
            kms("load_fd", fd, len(plane), kms.store(plane))
        assert shown(kms, fb) == pixels.frame_hash("NV12", WIDTH, HEIGHT, picture)


def test_export_reads_back(kms):
    for seed in range(2):
        picture = kms.picture("XR24", WIDTH, HEIGHT, noise(seed))
        fd = kms.number("export", picture.handle)
        kms("save_fd", fd, SIZE, "/tmp/saved")
        assert kms.guest.get("/tmp/saved") == noise(seed)
        # What the other side writes is what the display reads.
        kms("load_fd", fd, SIZE, kms.store(noise(seed + 10)))
        number, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=picture)
        assert kms.frame(number).planes[0][1] == pixels.frame_hash(
            "XR24", WIDTH, HEIGHT, noise(seed + 10))


def test_one_object_one_handle(kms):
    picture = kms.picture("XR24", WIDTH, HEIGHT, noise(0))
    fd = kms.number("export", picture.handle)
    again = kms.number("export", picture.handle)
    assert kms.number("import", fd) == picture.handle
    assert kms.number("import", again) == picture.handle


def test_framebuffer_outlives_handle_and_descriptor(kms):
    picture = kms.picture("XR24", WIDTH, HEIGHT, noise(0))
    number, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=picture)
    kms("free", picture.handle)
    later, _ = kms("vblank", 3)
    assert kms.frame(int(later)).planes[0] == kms.frame(number).planes[0]


def test_between_displays_and_processes(boot):
    """Both displays show a buffer of the first, each from its own process."""
    guest = boot(dtb="baton-dual")
    first, second = Kms(guest, 0), Kms(guest, 1)
    for kms in (first, second):
        kms.write("hash", 1)
        kms.show(kms.mode(WIDTH, HEIGHT), primary=kms.picture("XR24", WIDTH, HEIGHT, noise(0)))
    for seed in range(1, 3):
        picture = first.picture("XR24", WIDTH, HEIGHT, noise(seed))
        fd = second("adopt", first("pid")[0], *first("export", picture.handle))[0]
        fb = second.add_fb("XR24", WIDTH, HEIGHT, second.number("import", fd), WIDTH * 4)
        expected = pixels.frame_hash("XR24", WIDTH, HEIGHT, noise(seed))
        assert shown(first, picture.fb) == expected
        assert shown(second, fb) == expected


def test_unreachable_memory_is_refused(boot):
    """Pages of the system heap come from the upper bank. The core warns, too."""
    guest = boot()
    kms = Kms(guest)
    fd = kms.number("heap", "system", 16 << 20)
    with guest.expect_splat("dma_direct_map_sg"):
        assert kms.refused("import", fd) == "EIO"


def test_no_bounce_buffers(boot, monkeypatch):
    """One piece, which the DMA API would copy into reach."""
    monkeypatch.setattr(harness.guest, "KERNEL_ARGS",
                        harness.guest.KERNEL_ARGS.replace("swiotlb=noforce", ""))
    kms = Kms(boot())
    fd = kms.number("heap", "system", 65536)
    assert kms.refused("import", fd) == "EBUSY"
    assert "a copy (SWIOTLB) was made" in kms.guest.run("dmesg").stdout
    assert kms.guest.run("cat /sys/kernel/debug/swiotlb/io_tlb_used").stdout == "0\n"


def test_scattered_memory_is_refused(boot):
    """Without the upper bank all memory is in reach, but not in one piece."""
    kms = Kms(boot(kernel_args="mem=1G"))
    fd = kms.number("heap", "system", 16 << 20)
    assert kms.refused("import", fd) == "EINVAL"
    assert "scattered over" in kms.guest.run("dmesg").stdout


def test_nothing_else_is_a_buffer(kms):
    assert kms.refused("import", 0) in ("EINVAL", "EBADF")
    assert kms.refused("import", 99) == "EBADF"
    assert kms.refused("export", 99) == "ENOENT"
    small = kms.number("dumb", 64, 64, 32)
    assert kms.refused("fb", "XR24", 64, 256, small, 256, 0) == "EINVAL"
