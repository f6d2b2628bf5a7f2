# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in a framebuffer is what the engine reads and what it shows."""

import signal

import pytest

from harness import pixels
from harness.agent import Command
from harness.kms import Kms, Picture
from harness.regs import regs

WIDTH, HEIGHT = 128, 96
PLANES = {"primary": 0, "overlay": 1, "cursor": 2}
COMBINATIONS = [("primary", "XR24"), ("primary", "RG16"), ("primary", "NV12"),
                ("overlay", "XR24"), ("overlay", "RG16"), ("overlay", "NV12"),
                ("overlay", "AR24"), ("cursor", "AR24")]


@pytest.fixture
def kms(kms):
    # A CRC source needs a running CRTC.
    kms.show(kms.mode(WIDTH, HEIGHT))
    watcher = kms.watch_crc()
    yield kms
    stop(watcher)


def stop(watcher: Command) -> None:
    watcher.kill(signal.SIGTERM)
    watcher.wait()


def make(kms: Kms, fourcc: str, width: int, height: int, seed: int) -> Picture:
    return kms.picture(fourcc, width, height, pixels.noise(fourcc, width, height, seed))


def rgb(picture: Picture, **color) -> list[int]:
    return pixels.to_rgb(picture.fourcc, picture.width, picture.height, picture.pixels, **color)


def hash_of(picture: Picture) -> int:
    return pixels.frame_hash(picture.fourcc, picture.width, picture.height, picture.pixels)


@pytest.mark.parametrize(("plane", "fourcc"), COMBINATIONS)
def test_plane_and_format(kms, plane, fourcc):
    width, height = (64, 48) if plane == "cursor" else (96, 80)
    seen = set()
    for seed in range(3):
        picture = make(kms, fourcc, width, height, seed)
        kms.set_plane(plane, picture, 6, 4)
        frame = kms.frame(kms.commit()[0])
        address, plane_hash = frame.planes[PLANES[plane]]

        screen = [0] * WIDTH * HEIGHT
        pixels.paste(screen, WIDTH, rgb(picture), (6, 4, width, height), fourcc == "AR24")
        assert plane_hash == hash_of(picture)
        assert frame.crc == pixels.screen_crc(screen)
        assert set(frame.planes) == {PLANES[plane]}
        seen.add((address, plane_hash, frame.crc))
    assert len(seen) == 3


@pytest.mark.parametrize("encoding", pixels.ENCODINGS)
@pytest.mark.parametrize("color_range", pixels.RANGES)
def test_color_encoding(kms, encoding, color_range):
    for seed in range(2):
        picture = make(kms, "NV12", WIDTH, HEIGHT, seed)
        kms.set_plane("primary", picture, COLOR_ENCODING=encoding, COLOR_RANGE=color_range)
        frame = kms.frame(kms.commit()[0])
        assert frame.crc == pixels.screen_crc(
            rgb(picture, encoding=encoding, full=pixels.RANGES[color_range]))


def test_planes_blend_in_order(kms):
    """Overlapping planes, one and two of them partly off the screen."""
    primary = make(kms, "XR24", WIDTH, HEIGHT, 0)
    overlay = make(kms, "AR24", 64, 64, 0)
    cursor = make(kms, "AR24", 64, 48, 1)
    for x, y in ((30, 20), (-5, -7), (100, 70)):
        kms.set_plane("primary", primary)
        kms.set_plane("overlay", overlay, 20, 10)
        kms.set_plane("cursor", cursor, x, y)
        frame = kms.frame(kms.commit()[0])

        screen = rgb(primary)
        pixels.paste(screen, WIDTH, rgb(overlay), (20, 10, 64, 64), blend=True)
        left, top = max(x, 0), max(y, 0)
        width, height = min(x + 64, WIDTH) - left, min(y + 48, HEIGHT) - top
        visible = pixels.crop("AR24", 64, cursor.pixels, (left - x, top - y, width, height))
        pixels.paste(screen, WIDTH, pixels.to_rgb("AR24", width, height, visible),
                     (left, top, width, height), blend=True)
        assert frame.crc == pixels.screen_crc(screen)
        assert frame.planes[PLANES["cursor"]][1] == pixels.frame_hash(
            "AR24", width, height, visible)


@pytest.mark.parametrize("fourcc", ["XR24", "RG16"])
def test_part_of_a_framebuffer(kms, fourcc):
    picture = make(kms, fourcc, 256, 128, 0)
    for area in ((0, 0, WIDTH, HEIGHT), (3, 5, 101, 67), (128, 32, WIDTH, HEIGHT)):
        kms.set_plane("primary", picture, crop=area)
        frame = kms.frame(kms.commit()[0])
        part = pixels.crop(fourcc, 256, picture.pixels, area)
        assert frame.planes[0][1] == pixels.frame_hash(fourcc, *area[2:], part)


def test_a_plane_out_of_sight_is_not_read(kms):
    kms.set_plane("primary", make(kms, "XR24", WIDTH, HEIGHT, 0))
    kms.set_plane("cursor", make(kms, "AR24", 64, 64, 0), WIDTH + 10, 0)
    assert set(kms.frame(kms.commit()[0]).planes) == {0}


def test_crc_source_and_records_agree(guest):
    kms = Kms(guest)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=make(kms, "XR24", WIDTH, HEIGHT, 0))
    watcher = kms.watch_crc()
    expected = {}
    for seed in range(1, 4):
        picture = make(kms, "XR24", WIDTH, HEIGHT, seed)
        kms.set_plane("primary", picture)
        number, _ = kms.commit()
        expected[number] = pixels.screen_crc(rgb(picture))
        kms.frame(number)
    reported = dict((int(word, 16) for word in line.split())
                    for line in watcher.stdout.replace("\0", "").splitlines())
    assert {number: reported.get(number) for number in expected} == expected
    stop(watcher)
    assert not kms.register("CTRL") & regs.DISP_CTRL.CRC


def test_unknown_crc_source(guest):
    assert guest.run("echo red >/sys/kernel/debug/dri/0/crtc-0/crc/control", check=False).status


def test_frame_records_tell_addresses(kms):
    """Each buffer has its own place in memory the display reaches."""
    addresses = set()
    for seed in range(3):
        kms.set_plane("primary", make(kms, "XR24", WIDTH, HEIGHT, seed))
        addresses.add(kms.frame(kms.commit()[0]).planes[0][0])
    assert len(addresses) == 3
    assert all(0x8000_0000 <= address < 0xc000_0000 for address in addresses)
