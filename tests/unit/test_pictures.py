# SPDX-License-Identifier: GPL-2.0-or-later
"""The pictures in report.html: a clip's frames, if their hashes are the receipt's."""

import io
import struct
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from harness import clip
from harness.pixels import frame_hash, to_rgb
from model import y4m
from proof import pictures

WIDTH, HEIGHT, FRAMES = 66, 70, 3
SIZE = WIDTH, HEIGHT
FORMATS = ("XR24", "RG16", "NV12")


def _nv12(planes: y4m.Planes) -> bytes:
    return b"".join(b"".join(lines) for lines in y4m.nv12_lines(planes, WIDTH))


def _hash(fourcc: str, planes: y4m.Planes) -> str:
    """Of what the camera makes of a frame, pixel by pixel."""
    data, count = _nv12(planes), WIDTH * HEIGHT
    rgb = to_rgb("NV12", WIDTH, HEIGHT, data)
    if fourcc == "XR24":
        data = struct.pack(f"<{count}I", *(0xFF << 24 | pixel for pixel in rgb))
    elif fourcc == "RG16":
        words = (p >> 8 & 0xF800 | p >> 5 & 0x7E0 | p >> 3 & 0x1F for p in rgb)
        data = struct.pack(f"<{count}H", *words)
    return f"{frame_hash(fourcc, WIDTH, HEIGHT, data):#018x}"


def _pipeline(*hashes: tuple[int, str | None], options: tuple[str, ...] = ()) -> dict:
    frames = [{"sequence": seq, "display": hash_ and {"hash": hash_}} for seq, hash_ in hashes]
    return {"name": "the camera's", "options": options, "frames": frames}


@pytest.fixture
def noise(tmp_path) -> tuple[Path, list[y4m.Planes]]:
    path = tmp_path / "clip.y4m"
    return path, y4m.write_clip(path, WIDTH, HEIGHT, FRAMES)


def test_frames_of_a_clip_come_again_when_it_has_ended(noise):
    path, frames = noise
    assert [clip.samples(path, n) for n in range(5)] == [(SIZE, frames[n % 3]) for n in range(5)]


def test_a_clip_with_other_frame_headers_is_not_misread(noise):
    path, frames = noise
    path.write_bytes(y4m.header(*SIZE) + y4m.frame(frames[0], " Ip") + y4m.frame(frames[1]))
    with pytest.raises(ValueError, match="frame 0 is not where it must be"):
        clip.samples(path, 0)


@pytest.mark.parametrize("fourcc", FORMATS)
def test_pictures_are_of_the_first_a_middle_and_the_last_frame(noise, fourcc):
    path, frames = noise
    hashes = [(n, _hash(fourcc, frames[n % FRAMES])) for n in range(5)]
    pipeline = _pipeline(*hashes, hashes[4], options=("--format", fourcc))
    found = pictures.thumbnails(pipeline, partial(clip.samples, path))
    assert [p.text for p in found] == [
        f"Frame {n}, hash {hashes[n][1]} at the display" for n in (0, 2, 4)
    ]
    images = {Image.open(io.BytesIO(p.data)).convert("RGB").tobytes() for p in found}
    assert len(images) == 3


@pytest.mark.parametrize("fourcc", FORMATS)
def test_a_picture_whose_hash_is_another_is_not_shown(noise, fourcc):
    """By a single sample."""
    path, frames = noise
    y, *chroma = frames[1]
    other = bytes([y[0] ^ 0x80]) + y[1:], *chroma
    hashes = (0, _hash(fourcc, frames[0])), (1, _hash(fourcc, other))
    pipeline = _pipeline(*hashes, options=("--format", fourcc))
    good, bad = pictures.thumbnails(pipeline, partial(clip.samples, path))
    assert good.data
    assert not bad.data
    assert bad.text == (
        f"No picture of frame 1: the display read one with hash {hashes[1][1]}, "
        f"but what the clip holds has {_hash(fourcc, frames[1])}."
    )


@pytest.mark.parametrize("fourcc", FORMATS)
@pytest.mark.parametrize(
    ("samples", "colour"), [((81, 90, 240), (255, 0, 0)), ((41, 240, 110), (0, 0, 255))]
)
def test_a_picture_has_the_colours_of_its_frame(fourcc, samples, colour):
    y, cb, cr = (bytes([sample]) for sample in samples)
    planes = y * WIDTH * HEIGHT, *(c * (WIDTH * HEIGHT // 4) for c in (cb, cr))
    pipeline = _pipeline((7, _hash(fourcc, planes)), options=("--format", fourcc))
    [found] = pictures.thumbnails(pipeline, lambda sequence: (SIZE, planes))
    image = Image.open(io.BytesIO(found.data)).convert("RGB")
    assert image.size == SIZE
    for pixel in (image.getpixel((0, 0)), image.getpixel((WIDTH - 1, HEIGHT // 2))):
        assert all(abs(a - b) <= 8 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (_pipeline(), "No pictures: it showed none."),
        (_pipeline((0, None)), "No pictures: it showed none."),
        (
            _pipeline((0, "0x1"), options=("--pattern",)),
            "No pictures: it showed the camera's test pattern, and no clip.",
        ),
    ],
)
def test_what_cannot_be_shown_says_why(pipeline, reason):
    [found] = pictures.thumbnails(pipeline, lambda sequence: pytest.fail("read for nothing"))
    assert found == (reason, b"")


@pytest.mark.parametrize(
    ("shown", "colour", "start"),
    [
        (True, "navy", "Screenshot: frame 6, hash 0x"),
        (True, "teal", "No screenshot: it has hash 0x"),
        (False, "navy", "No screenshot: the camera's showed no picture."),
    ],
)
def test_the_screenshot_is_the_last_frame_or_says_why_not(tmp_path, shown, colour, start):
    screen = tmp_path / "screen.png"
    Image.new("RGBA", (64, 48), colour).save(screen)
    navy = f"{frame_hash('XR24', 64, 48, bytes([128, 0, 0, 255]) * 64 * 48):#018x}"
    frames = ((5, "0x1"), (6, navy)) if shown else ()
    found = pictures.screenshot({"pipelines": [_pipeline(*frames)]}, screen)
    assert found.text.startswith(start)
    assert bool(found.data) == start.startswith("Screenshot")
