# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitor's EDID as a driver reads it."""

import pytest

from harness.errors import QemuError
from harness.qtest import QtestMachine
from harness.regs import display as regs

from .display import Display

BLOCK = 128


def read_blocks(machine: str = "") -> list[bytes]:
    with QtestMachine(machine=machine) as m:
        d = Display(m)
        edid = b"".join(d.read(regs.DISP_EDID + at).to_bytes(4, "little")
                        for at in range(0, regs.BATON_DISPLAY_EDID_SIZE, 4))
    assert len(edid) == BLOCK * (1 + edid[126])
    return [edid[at:at + BLOCK] for at in range(0, len(edid), BLOCK)]


def detailed_timing(block: bytes) -> tuple[int, int, float]:
    """Width, height, refresh rate of the base block's first detailed timing."""
    dtd = block[54:72]
    clock = int.from_bytes(dtd[:2], "little") * 10_000
    width, hblank = dtd[2] | dtd[4] >> 4 << 8, dtd[3] | (dtd[4] & 15) << 8
    height, vblank = dtd[5] | dtd[7] >> 4 << 8, dtd[6] | (dtd[7] & 15) << 8
    return width, height, clock / ((width + hblank) * (height + vblank))


@pytest.mark.parametrize("machine", ["", "display0-xres=1280,display0-yres=720",
                                     "display0-xres=3840,display0-yres=2160"])
def test_blocks_are_valid(machine):
    blocks = read_blocks(machine)
    assert blocks[0][:8] == bytes.fromhex("00ffffffffffff00")
    for block in blocks:
        assert sum(block) % 256 == 0


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1280, 720), (1366, 768),
                                               (640, 480)])
def test_preferred_mode(width, height):
    blocks = read_blocks(f"display0-xres={width},display0-yres={height}")
    assert detailed_timing(blocks[0]) == (width, height, pytest.approx(60, abs=0.05))


def test_default_is_full_hd():
    assert detailed_timing(read_blocks()[0])[:2] == (1920, 1080)


def test_cta_modes():
    """720p, 1080p and 2160p at 60 Hz are VIC 4, 16 and 97 in the video data block."""
    cta = read_blocks()[1]
    assert cta[0] == 2
    assert cta[4] >> 5 == 2
    assert set(cta[5:5 + (cta[4] & 31)]) == {4, 16, 97}


@pytest.mark.parametrize("machine", ["display0-xres=62", "display0-xres=3842", "display0-yres=481"])
def test_impossible_preferred_mode_is_refused(machine):
    with pytest.raises(QemuError, match="both must be even, 64x64 to 3840x2160"), \
         QtestMachine(machine=machine):
        pass
