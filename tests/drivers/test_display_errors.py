# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors of the engine reach the kernel log and the counters, and pass."""

import re

import pytest

from drivers.test_camera import EXACT_TIME
from harness import pixels
from harness.kms import Kms
from harness.regs import regs

WIDTH, HEIGHT = 128, 96


# Of a line "[    1.234567] ... underrun": when the kernel said so, in seconds
UNDERRUN_LINE = re.compile(r"\[ *([\d.]+)\].* underrun")


@pytest.fixture
def picture_hash() -> int:
    return pixels.frame_hash("XR24", WIDTH, HEIGHT, pixels.noise("XR24", WIDTH, HEIGHT, 0))


def lit(guest) -> Kms:
    kms = Kms(guest)
    kms.write("hash", 1)
    pixel = pixels.noise("XR24", WIDTH, HEIGHT, 0)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=kms.picture("XR24", WIDTH, HEIGHT, pixel))
    return kms


def last_hash(kms: Kms) -> int:
    number, _ = kms("vblank", 3)
    return kms.frame(int(number) - 1).planes[0][1]


def underrun_times(guest) -> list[float]:
    return [float(time) for time in UNDERRUN_LINE.findall(guest.run("dmesg").stdout)]


def test_underrun(guest, picture_hash):
    kms = lit(guest)
    rate = kms.read("dma_rate").strip()
    assert last_hash(kms) == picture_hash
    kms.write("dma_rate", 1)
    assert last_hash(kms) == 0
    kms.write("dma_rate", rate)
    kms("vblank", 2)
    assert last_hash(kms) == picture_hash
    underruns = kms.counters()["underruns"]
    assert 1 <= len(underrun_times(guest)) <= underruns


def test_underruns_are_reported_at_a_limited_rate(boot):
    """At most ten lines each five seconds, with 60 underruns each second of guest time."""
    guest = boot(**EXACT_TIME)
    kms = lit(guest)
    kms.write("dma_rate", 1)
    kms("vblank", 90)
    assert kms.counters()["underruns"] >= 60
    times = underrun_times(guest)
    assert 1 <= len(times) <= 10 * ((times[-1] - times[0]) // 5 + 1)


def test_dma_rate_is_checked(guest):
    kms = Kms(guest)
    for value in ("0", "4294967296", "fast"):
        assert guest.run(f"echo {value} >{kms.debugfs}/dma_rate", check=False).status


def test_bus_error(poke, picture_hash):
    guest, write = poke
    kms = lit(guest)
    plane = regs.BATON_DISPLAY_PLANE_BASE
    address = 0x5000_0040
    write(plane + regs.PLANE_ADDR0, address)
    write(regs.DISP_COMMIT, 1)
    assert last_hash(kms) == 0
    assert kms.counters()["errors"] > 0
    log = guest.run("dmesg").stdout
    assert f"plane 0: no memory at this bus address (error 1, address {address:#x})" in log
    # The next commit of the driver's puts it right.
    fb = kms.number("get", "primary", "FB_ID")
    kms("set", "primary", "FB_ID", fb)
    kms.commit()
    assert last_hash(kms) == picture_hash


def test_refused_register(poke):
    guest, write = poke
    kms = lit(guest)
    write(regs.DISP_PIXEL_CLOCK, 1000)
    kms("vblank", 1)
    assert kms.counters()["errors"] == 1
    assert f"timing refused (error {regs.BATON_DISPLAY_ERR_TIMING}" in guest.run("dmesg").stdout
