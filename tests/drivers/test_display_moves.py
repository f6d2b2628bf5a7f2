# SPDX-License-Identifier: GPL-2.0-or-later
"""The display follows moves, and holds on to what it shows."""

import pytest

from harness import pixels
from harness.buffers import DISPLAY, HIGH, POOL, Buffer, all_buffers, buffers
from harness.guest import Guest
from harness.kms import Kms, Picture

WIDTH, HEIGHT = 128, 96
SIZE = WIDTH * HEIGHT * 4
# With baton-windows.dts: what display1 reaches, which is out of reach of display2.
LOWER = range(0x8000_0000, 0xa000_0000)
NAMES = "31000000.display", "31020000.display", "31030000.display"


def noise(seed: int) -> bytes:
    return pixels.noise("XR24", WIDTH, HEIGHT, seed)


def hash_of(seed: int) -> int:
    return pixels.frame_hash("XR24", WIDTH, HEIGHT, noise(seed))


def picture(kms: Kms, seed: int) -> Picture:
    return kms.picture("XR24", WIDTH, HEIGHT, noise(seed))


def dumb(guest: Guest) -> list[Buffer]:
    """The dumb buffers, without the consoles'."""
    return [buffer for buffer in all_buffers(guest)
            if (buffer.exporter, buffer.size) == (DISPLAY, SIZE)]


def show(kms: Kms, fb: int) -> tuple[int, int]:
    """Flip to a framebuffer; address and hash of what the engine then read."""
    kms("set", "primary", "FB_ID", fb)
    return kms.frame(kms.commit()[0]).planes[0]


def now(kms: Kms) -> tuple[int, int]:
    """Address and hash of what the engine reads by now."""
    return kms.frame(int(kms("vblank", 2)[0])).planes[0]


@pytest.fixture
def displays(boot) -> list[Kms]:
    """All of the low bank, its lower and its upper half; each shows a picture of its own."""
    guest = boot(dtb="baton-windows")
    found = [Kms(guest, minor) for minor in range(len(NAMES))]
    for kms, name in zip(found, NAMES, strict=True):
        assert name in kms.read("name")
        kms.write("hash", 1)
        kms.show(kms.mode(WIDTH, HEIGHT), primary=picture(kms, 100))
    return found


def give(exporter: Kms, handle: int, importer: Kms) -> int:
    """Pass a buffer on to the other's process; the descriptor there."""
    return importer.number("adopt", exporter("pid")[0], *exporter("export", handle))


def frame_buffer(kms: Kms, fd: int) -> int:
    return kms.add_fb("XR24", WIDTH, HEIGHT, kms.number("import", fd), WIDTH * 4)


def test_only_what_is_shown_is_pinned(guest):
    kms = Kms(guest)
    kms.write("hash", 1)
    first, second = picture(kms, 0), picture(kms, 1)
    assert [buffer.pins for buffer in dumb(guest)] == [0, 0]
    kms.show(kms.mode(WIDTH, HEIGHT), primary=first)
    assert [buffer.pins for buffer in dumb(guest)] == [1, 0]
    show(kms, second.fb)
    assert [buffer.pins for buffer in dumb(guest)] == [0, 1]
    kms.set_plane("overlay", second)
    kms.commit()
    assert [buffer.pins for buffer in dumb(guest)] == [0, 2]
    kms.off()
    assert [buffer.pins for buffer in dumb(guest)] == [0, 0]
    kms.close()
    assert dumb(guest) == []


def test_dumb_buffer_moves_for_a_narrower_importer(displays):
    """When it is not shown; all of its mappings are of the new place."""
    wide, lower, _ = displays
    moving = picture(wide, 1)
    (before,) = [b for b in dumb(wide.guest) if b.attached == NAMES[:1] and not b.pins]
    assert before.start in POOL
    assert show(wide, moving.fb) == (before.start, hash_of(1))
    show(wide, picture(wide, 2).fb)

    fd = give(wide, moving.handle, lower)
    fb = frame_buffer(lower, fd)
    (after,) = [b for b in dumb(wide.guest) if b.number == before.number]
    assert (after.generation, after.attached) == (before.generation + 1, NAMES[:2])
    assert after.start in LOWER
    assert show(lower, fb) == (after.start, hash_of(1))
    assert show(wide, moving.fb) == (after.start, hash_of(1))
    wide("load", moving.handle, SIZE, wide.store(noise(3)))
    assert now(lower) == now(wide) == (after.start, hash_of(3))
    lower("load_fd", fd, SIZE, lower.store(noise(4)))
    assert now(lower) == now(wide) == (after.start, hash_of(4))


def test_what_is_shown_does_not_move(displays):
    wide, lower, _ = displays
    shown = picture(wide, 1)
    before = show(wide, shown.fb)
    fd = give(wide, shown.handle, lower)
    assert lower.refused("import", fd) == "EBUSY"
    assert (f"refused: not within the DMA window of this device, and pinned by {NAMES[0]}"
            in wide.guest.run("dmesg").stdout)
    assert now(wide) == before
    assert all(buffer.generation == 1 for buffer in dumb(wide.guest))
    # It does when another picture is shown.
    show(wide, picture(wide, 2).fb)
    address, content = show(lower, frame_buffer(lower, fd))
    assert (address in LOWER, content) == (True, hash_of(1))


def test_disjoint_windows(displays):
    """A buffer of the heap that one display reaches cannot be where the other does."""
    _, lower, upper = displays
    fd = lower.number("heap", "baton", SIZE)
    lower("load_fd", fd, SIZE, lower.store(noise(1)))
    (before,) = buffers(lower.guest)
    assert before.start in HIGH
    fb = frame_buffer(lower, fd)
    other = upper.number("adopt", lower("pid")[0], fd)
    assert upper.refused("import", other) == "EBUSY"
    assert f"no memory is shared with {NAMES[1]}" in lower.guest.run("dmesg").stdout
    (after,) = buffers(lower.guest)
    assert (after.generation, after.attached) == (2, NAMES[1:2])
    assert show(lower, fb) == (after.start, hash_of(1))
    assert upper.refused("import", other) == "EBUSY"
    assert now(lower) == (after.start, hash_of(1))
    # When the first display has given it back, it is the other's.
    show(lower, picture(lower, 2).fb)
    lower("rmfb", fb)
    lower.close()
    address, content = show(upper, frame_buffer(upper, other))
    assert (address in LOWER, content) == (False, hash_of(1))


def test_own_buffer_is_not_attached_again(guest):
    kms = Kms(guest)
    handle = picture(kms, 0).handle
    assert kms.number("import", kms.number("export", handle)) == handle
    (buffer,) = dumb(guest)
    assert buffer.attached == (NAMES[0],)


def test_import_is_released(guest):
    kms = Kms(guest)
    fd = kms.number("heap", "baton", SIZE)
    handle = kms.number("import", fd)
    assert [b.attached for b in buffers(guest)] == [(NAMES[0],)]
    kms("free", handle)
    assert [b.attached for b in buffers(guest)] == [()]
    kms("close", fd)
    assert buffers(guest) == []


def test_export_outlives_the_driver(displays):
    """The memory can be read, nobody new gets it, and the module stays until then."""
    wide, lower, _ = displays
    guest = lower.guest
    fd = give(wide, picture(wide, 1).handle, lower)
    exported = dumb(guest)[-1].number
    wide.close()
    guest.run(f"echo {NAMES[0]} >/sys/bus/platform/drivers/baton-display/unbind")
    lower("save_fd", fd, SIZE, "/tmp/saved")
    assert guest.get("/tmp/saved") == noise(1)
    assert lower.refused("import", fd) == "ENODEV"
    for name in NAMES[1:]:
        guest.run(f"echo {name} >/sys/bus/platform/drivers/baton-display/unbind")
    lower("save_fd", fd, SIZE, "/tmp/saved")
    assert guest.get("/tmp/saved") == noise(1)
    assert int(guest.run("cat /sys/module/baton_display/refcnt").stdout) > 0
    assert exported in [buffer.number for buffer in dumb(guest)]
    lower("close", fd)
    assert exported not in [buffer.number for buffer in dumb(guest)]
