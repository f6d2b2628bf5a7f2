# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor's EDID as a driver reads it."""

import pytest

from harness.errors import QemuError
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import Display

BLOCK = 128
DISPLAYID = 0x70


def read_blocks(machine: str = "") -> list[bytes]:
    with QtestMachine(machine=machine) as m:
        d = Display(m)
        edid = b"".join(d.read(regs.DISP_EDID + at).to_bytes(4, "little")
                        for at in range(0, regs.BATON_DISPLAY_EDID_SIZE, 4))
    blocks = [edid[at:at + BLOCK] for at in range(0, len(edid), BLOCK)]
    used = 1 + edid[126]
    assert not any(map(any, blocks[used:]))
    return blocks[:used]


def detailed_timing(block: bytes) -> tuple[int, int, float]:
    """Width, height, refresh rate of the base block's first detailed timing."""
    dtd = block[54:72]
    clock = int.from_bytes(dtd[:2], "little") * 10_000
    width, hblank = dtd[2] | dtd[4] >> 4 << 8, dtd[3] | (dtd[4] & 15) << 8
    height, vblank = dtd[5] | dtd[7] >> 4 << 8, dtd[6] | (dtd[7] & 15) << 8
    return width, height, clock / ((width + hblank) * (height + vblank))


def displayid_timing(block: bytes) -> tuple[int, int, float]:
    """The same of a DisplayID extension with one detailed timing, type I."""
    assert block[0] == DISPLAYID
    timing = block[8:28]
    assert timing[3] & 0x80, "not the preferred timing"
    clock = (int.from_bytes(timing[:3], "little") + 1) * 10_000
    width, hblank, height, vblank = (1 + int.from_bytes(timing[at:at + 2], "little")
                                     for at in (4, 6, 12, 14))
    return width, height, clock / ((width + hblank) * (height + vblank))


@pytest.mark.parametrize("machine", ["", "display0-xres=1280,display0-yres=720",
                                     "display0-xres=3840,display0-yres=2160"])
def test_blocks_are_valid(machine):
    blocks = read_blocks(machine)
    assert blocks[0][:8] == bytes.fromhex("00ffffffffffff00")
    for block in blocks:
        assert sum(block) % 256 == 0


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (640, 480)])
def test_preferred_mode(width, height):
    blocks = read_blocks(f"display0-xres={width},display0-yres={height}")
    assert detailed_timing(blocks[0]) == (width, height, pytest.approx(60, abs=0.01))


def test_default_is_full_hd():
    assert detailed_timing(read_blocks()[0])[:2] == (1920, 1080)


def test_preferred_mode_of_3840x2160():
    blocks = read_blocks("display0-xres=3840,display0-yres=2160")
    assert displayid_timing(blocks[2]) == (3840, 2160, pytest.approx(60, abs=0.01))


def test_3840x2160_at_60_hz_is_offered():
    """As VIC 97 in the video data block of the CTA extension."""
    cta = read_blocks()[1]
    assert cta[0] == 2
    assert cta[4] >> 5 == 2
    assert 97 in cta[5:5 + (cta[4] & 31)]


@pytest.mark.parametrize("machine", ["display0-xres=62", "display0-xres=3842", "display0-yres=481"])
def test_impossible_preferred_mode_is_refused(machine):
    with pytest.raises(QemuError, match="both must be even, 64x64 to 3840x2160"), \
         QtestMachine(machine=machine):
        pass
