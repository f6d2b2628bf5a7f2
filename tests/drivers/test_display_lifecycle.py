# SPDX-License-Identifier: GPL-2.0-or-later
"""The display driver comes and goes, sleeps and wakes, and lends its screen to the console."""

import pytest
from PIL import Image

from harness import pixels
from harness.kms import Kms, Picture

WIDTH, HEIGHT = 128, 96
DEVICE = "31000000.display"
DRIVER = "/sys/bus/platform/drivers/baton-display"


def noise(kms: Kms, seed: int) -> Picture:
    return kms.picture("XR24", WIDTH, HEIGHT, pixels.noise("XR24", WIDTH, HEIGHT, seed))


def hash_of(picture: Picture) -> int:
    return pixels.frame_hash("XR24", WIDTH, HEIGHT, picture.pixels)


def screen(guest, path) -> Image.Image:
    guest.screendump(path)
    with Image.open(path) as image:
        return image.convert("RGB")


def test_screendump_shows_the_framebuffer(guest, artifacts):
    kms = Kms(guest)
    kms.write("hash", 1)
    for seed in range(2):
        picture = noise(kms, seed)
        number, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=picture)
        kms("vblank", 2)
        image = screen(guest, artifacts / f"{seed}.png")
        assert image.size == (WIDTH, HEIGHT)
        rgb = picture.pixels
        expected = b"".join(rgb[at + 2:at + 3] + rgb[at + 1:at + 2] + rgb[at:at + 1]
                            for at in range(0, len(rgb), 4))
        assert image.tobytes() == expected
        assert kms.frame(number).planes[0][1] == hash_of(picture)


def test_console_text(boot, artifacts):
    """fbcon: text on the tty appears on the screen, other text looks different."""
    guest = boot(kernel_args="vt.cur_default=1")
    images = []
    for text in ("", "BATON", "baton"):
        guest.run(f"printf '\\033[2J\\033[H{text}' >/dev/tty0")
        Kms(guest)("vblank", 2)
        images.append(screen(guest, artifacts / f"console{len(images)}.png"))
    assert images[0].size == (1920, 1080)
    assert len({image.tobytes() for image in images}) == 3
    # Five characters of the 8x16 font, and nothing else.
    box = (0, 0, 5 * 8, 16)
    for image in images[1:]:
        assert image.crop(box).getbbox()
        image.paste((0, 0, 0), box)
        assert image.getbbox() is None


def test_console_returns_when_the_program_ends(boot, artifacts):
    guest = boot(kernel_args="vt.cur_default=1")
    guest.run("printf '\\033[2J\\033[Hbaton' >/dev/tty0")
    kms = Kms(guest)
    kms("vblank", 2)
    before = screen(guest, artifacts / "before.png")
    kms.show(kms.mode(WIDTH, HEIGHT), primary=noise(kms, 0))
    kms.close()
    observer = Kms(guest)
    observer("vblank", 2)
    assert screen(guest, artifacts / "after.png").tobytes() == before.tobytes()


@pytest.mark.parametrize("level", ["freezer", "devices", "platform"])
def test_suspend_and_resume(guest, level):
    """The picture is back after a suspend; a flip works."""
    kms = Kms(guest)
    kms.write("hash", 1)
    pictures = [noise(kms, seed) for seed in range(2)]
    number, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=pictures[0])
    guest.run(f"echo {level} >/sys/power/pm_test && echo freeze >/sys/power/state")
    later, _ = (int(word) for word in kms("vblank", 3))
    assert later > number
    assert kms.frame(later).planes[0][1] == hash_of(pictures[0])
    kms.set_plane("primary", pictures[1])
    assert kms.frame(kms.commit()[0]).planes[0][1] == hash_of(pictures[1])


def test_unbind_while_scanning_out(guest):
    kms = Kms(guest)
    picture = noise(kms, 0)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=picture)
    # A flip that hangs on a fence: its event must not be lost.
    kms.set_plane("primary", picture, IN_FENCE_FD=kms.number("fence"))
    kms("commit", "nonblock", "event")
    unbind = guest.spawn(f"echo {DEVICE} >{DRIVER}/unbind")
    kms("signal")
    assert unbind.wait().status == 0
    assert kms.refused("dumb", 64, 64, 32) == "ENODEV"
    assert kms.refused("vblank", 1) == "ENODEV"
    kms.close()

    guest.run(f"echo {DEVICE} >{DRIVER}/bind")
    again = Kms(guest)
    again.write("hash", 1)
    picture = noise(again, 1)
    number, _ = again.show(again.mode(WIDTH, HEIGHT), primary=picture)
    assert again.frame(number).planes[0][1] == hash_of(picture)
