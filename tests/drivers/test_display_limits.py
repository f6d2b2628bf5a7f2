# SPDX-License-Identifier: GPL-2.0-or-later
"""What the display engine cannot do is refused before it reaches the engine."""

import pytest

from harness import pixels
from harness.kms import Kms, Picture

WIDTH, HEIGHT = 128, 96
PREFERRED = "1920x1080"


def failures(kms: Kms) -> tuple[int, int]:
    counters = kms.counters()
    return counters["underruns"], counters["errors"]


@pytest.fixture
def lit(kms) -> Kms:
    """A display that shows a picture; afterwards still does, without complaints."""
    kms.show(kms.mode(WIDTH, HEIGHT), primary=blank(kms, "XR24", WIDTH, HEIGHT))
    before = failures(kms)
    yield kms
    kms("vblank", 2)
    assert failures(kms) == before


def blank(kms: Kms, fourcc: str, width: int, height: int) -> Picture:
    return kms.picture(fourcc, width, height, bytes(pixels.frame_bytes(fourcc, width, height)))


def refused(kms: Kms, plane: str, picture: Picture, *place, **options) -> str:
    kms.set_plane(plane, picture, *place, **options)
    return kms.refused("commit", "test")


@pytest.mark.parametrize(("plane", "fourcc"),
                         [("primary", "AR24"), ("cursor", "XR24"), ("cursor", "NV12")])
def test_format(lit, plane, fourcc):
    assert refused(lit, plane, blank(lit, fourcc, 64, 64)) == "EINVAL"


@pytest.mark.parametrize(("fourcc", "pitch", "offset"),
                         [("XR24", 416, 0), ("XR24", 512, 32), ("RG16", 264, 0), ("XR24", 65536, 0),
                          ("NV12", 144, 0)])
def test_alignment(lit, fourcc, pitch, offset):
    width, height = (64, 4) if pitch > 4096 else (64, 64)
    handle = lit("dumb", pitch // 4 + 64, height * 2, 32)[0]
    chroma = (handle, pitch, pitch * height) if fourcc == "NV12" else ()
    fb = lit.number("fb", fourcc, width, height, handle, pitch, offset, *chroma)
    assert refused(lit, "primary", Picture(fourcc, width, height, b"", fb, handle, 0)) == "EINVAL"


def test_unaligned_chroma(lit):
    handle = lit("dumb", 128, 256, 8)[0]
    fb = lit.number("fb", "NV12", 64, 64, handle, 128, 0, handle, 128, 64 * 128 + 32)
    assert refused(lit, "primary", Picture("NV12", 64, 64, b"", fb, handle, 0)) == "EINVAL"


def test_dumb_buffers_are_aligned(kms):
    for width in (1, 65, 1366, 3840):
        _, pitch, size = (int(word) for word in kms("dumb", width, 10, 32))
        assert (pitch % 64, pitch >= width * 4, size >= pitch * 10) == (0, True, True)
    assert kms.refused("dumb", 0xffffffff, 0xffffffff, 32) == "EINVAL"
    assert kms.refused("dumb", 0x3ffffff0, 4, 32) == "EINVAL"
    assert kms.refused("dumb", 16384, 16384, 32) == "ENOMEM"


def test_scaling(lit):
    picture = blank(lit, "XR24", 64, 64)
    lit.set_plane("overlay", picture)
    lit("set", "overlay", "CRTC_W", 128)
    assert lit.refused("commit", "test") == "ERANGE"


def test_cursor_size(kms):
    kms.show(kms.mode(512, 384))
    assert refused(kms, "cursor", blank(kms, "AR24", 320, 64)) == "EINVAL"
    assert refused(kms, "cursor", blank(kms, "AR24", 64, 320)) == "EINVAL"
    kms.set_plane("cursor", blank(kms, "AR24", 256, 256))
    kms.commit()
    assert kms.counters()["errors"] == 0


@pytest.mark.parametrize("crop", [(1, 0, 64, 64), (0, 1, 64, 64), (0, 0, 63, 64), (0, 0, 64, 63)])
def test_odd_part_of_nv12(lit, crop):
    assert refused(lit, "overlay", blank(lit, "NV12", 128, 128), crop=crop) == "EINVAL"


def test_fraction_of_a_pixel(lit):
    lit.set_plane("overlay", blank(lit, "XR24", 128, 128), crop=(0, 0, 64, 64))
    lit("set", "overlay", "SRC_X", 0x8000)
    assert lit.refused("commit", "test") == "EINVAL"


def mode_refused(kms: Kms, *mode: int) -> str:
    kms.set_mode(kms.number("mode", *mode))
    return kms.refused("commit", "test", "modeset")


@pytest.mark.parametrize("mode", [
    (30000, 62, 80, 96, 144, 96, 99, 104, 136, 0),       # narrow
    (30000, 128, 144, 176, 208, 62, 99, 104, 136, 0),    # low
    (30000, 129, 144, 176, 208, 96, 99, 104, 136, 0),    # odd width
    (30000, 128, 144, 176, 208, 97, 99, 104, 136, 0),    # odd height
    (999, 128, 144, 176, 208, 96, 99, 104, 136, 0),      # slow clock
    (1200001, 128, 144, 176, 208, 96, 99, 104, 136, 0),  # fast clock
    (30000, 128, 144, 144, 208, 96, 99, 104, 136, 0),    # no horizontal sync
    (30000, 128, 144, 176, 208, 96, 99, 99, 136, 0),     # no vertical sync
    (30000, 128, 144, 176, 208, 96, 99, 104, 136, 0x10),  # interlaced
    (30000, 128, 144, 176, 208, 96, 99, 104, 136, 0x20),  # lines doubled
    (594000, 3842, 4016, 4104, 4400, 2160, 2168, 2178, 2250, 0),
])
def test_mode(kms, mode):
    assert mode_refused(kms, *mode) == "EINVAL"


@pytest.mark.parametrize("mode", [
    (1000, 64, 64, 80, 80, 64, 64, 80, 80, 0),
    (1200000, 128, 144, 176, 208, 96, 99, 104, 136, 0),
    (594000, 3840, 4016, 4104, 4400, 2160, 2168, 2178, 2250, 0),
])
def test_mode_at_the_limit(kms, mode):
    kms.set_mode(kms.number("mode", *mode))
    kms.set_plane("primary", blank(kms, "RG16", *mode[1:6:4]))
    kms.commit("modeset")
    kms("vblank", 2)
    assert kms.counters()["errors"] == 0


def test_edid_modes(kms):
    modes = kms("modes")
    assert modes[0].split("@")[0] == PREFERRED
    assert round(int(modes[0].split("@")[1]) / 1000) == 60
    sizes = {mode.split("@")[0] for mode in modes}
    assert {"640x480", "1920x1080", "3840x2160"} <= sizes
    edid = bytes.fromhex(kms("blob", *kms("get", "connector", "EDID"))[0])
    assert edid[:8] == bytes.fromhex("00ffffffffffff00")
    assert all(sum(edid[at:at + 128]) % 256 == 0 for at in range(0, len(edid), 128))


def test_preferred_mode_is_the_machines(boot):
    kms = Kms(boot(machine="display0-xres=1024,display0-yres=768"))
    assert kms("modes")[0].startswith("1024x768@")


def test_in_formats_are_linear(kms):
    for plane, count in (("primary", 3), ("overlay", 4), ("cursor", 1)):
        blob = bytes.fromhex(kms("blob", *kms("get", plane, "IN_FORMATS"))[0])
        word = [int.from_bytes(blob[at:at + 4], "little") for at in range(0, 24, 4)]
        formats, modifiers, modifiers_at = word[2], word[4], word[5]
        assert (formats, modifiers) == (count, 1)
        modifier = blob[modifiers_at + 16:modifiers_at + 24]
        assert int.from_bytes(modifier, "little") == 0


def test_zpos_is_fixed(kms):
    assert [kms.number("get", plane, "zpos") for plane in ("primary", "overlay", "cursor")] == [
        0, 1, 2]
