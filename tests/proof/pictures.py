# SPDX-License-Identifier: GPL-2.0-or-later
"""What the frames of a receipt look like, proven by their hashes.

No picture is taken out of the running guest. The same frames are made of the clip
once more, after the end, and shown only if they hash to what the receipt says.
"""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageMath

from harness.pixels import coefficients, frame_hash

_COLUMNS = 320  # of a thumbnail
_RAW = {"XR24": "BGRX", "RG16": "BGR;16"}

# Width and height, and Y, Cb, Cr, of the camera's frame with a sequence number
Samples = Callable[[int], tuple[tuple[int, int], tuple[bytes, bytes, bytes]]]


class Picture(NamedTuple):
    """TEXT says what it shows, or, if there is no DATA (a JPEG), why it is not there."""

    text: str
    data: bytes = b""


def _channel(planes: dict[str, Image.Image], luma: int, cb: int, cr: int) -> Image.Image:
    def value(of):
        sum_ = (of["y"] - 16) * luma + (of["cb"] - 128) * cb + (of["cr"] - 128) * cr + 4096
        return of["convert"](sum_ >> 13, "L")

    return ImageMath.lambda_eval(value, **planes)


def _to_rgb(size: tuple[int, int], y: bytes, cb: bytes, cr: bytes) -> Image.Image:
    """As the camera does it, of limited range, with the nearest sample of chroma."""
    half = size[0] // 2, size[1] // 2
    encoding = "ITU-R BT.709 YCbCr" if size[1] >= 720 else "ITU-R BT.601 YCbCr"
    luma, red_cr, green_cb, green_cr, blue_cb = coefficients(encoding, full=False)
    planes = {
        name: Image.frombytes("L", half, data).resize(size, Image.Resampling.NEAREST)
        for name, data in (("cb", cb), ("cr", cr))
    }
    planes["y"] = Image.frombytes("L", size, y)
    factors = ((0, red_cr), (green_cb, green_cr), (blue_cb, 0))
    return Image.merge("RGB", [_channel(planes, luma, *factor) for factor in factors])


def _rgb565(rgb: Image.Image) -> bytes:
    def value(of):
        pixel = (of["r"] >> 3) * 2048 + (of["g"] >> 2) * 32 + (of["b"] >> 3)
        return of["convert"](pixel, "I")

    wide = ImageMath.lambda_eval(value, **dict(zip("rgb", rgb.split(), strict=True))).tobytes()
    count = len(wide) // 4
    return struct.pack(f"<{count}H", *struct.unpack(f"={count}I", wide))


def _as_written(
    fourcc: str, size: tuple[int, int], planes: tuple[bytes, bytes, bytes]
) -> tuple[bytes, Image.Image]:
    """The bytes that the camera makes of the samples of a frame, and how they look."""
    rgb = _to_rgb(size, *planes)
    if fourcc == "NV12":
        chroma = bytearray(len(planes[1]) * 2)
        chroma[::2], chroma[1::2] = planes[1:]
        return planes[0] + chroma, rgb
    data = _rgb565(rgb) if fourcc == "RG16" else rgb.convert("RGBA").tobytes("raw", "BGRA")
    return data, Image.frombytes("RGB", size, data, "raw", _RAW[fourcc])


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((_COLUMNS, _COLUMNS))
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=85)
    return file.getvalue()


def _option(pipeline: dict, name: str, default: str) -> str:
    options = pipeline["options"]
    return options[options.index(name) + 1] if name in options else default


def _hex(digest: int) -> str:
    return f"{digest:#018x}"


def _thumbnail(frame: dict, fourcc: str, samples: Samples) -> Picture:
    sequence, wanted = frame["sequence"], frame["display"]["hash"]
    size, planes = samples(sequence)
    data, image = _as_written(fourcc, size, planes)
    digest = _hex(frame_hash(fourcc, *size, data))
    if digest != wanted:
        return Picture(
            f"No picture of frame {sequence}: the display read one with hash {wanted}, "
            f"but what the clip holds has {digest}."
        )
    return Picture(f"Frame {sequence}, hash {digest} at the display", _jpeg(image))


def thumbnails(pipeline: dict, samples: Samples) -> list[Picture]:
    """The first frame that PIPELINE showed, the last, and one between them."""
    shown = list({f["sequence"]: f for f in pipeline["frames"] if f["display"]}.values())
    if not shown:
        return [Picture("No pictures: it showed none.")]
    if "--pattern" in pipeline["options"]:
        return [Picture("No pictures: it showed the camera's test pattern, and no clip.")]
    fourcc = _option(pipeline, "--format", "XR24")
    some = sorted({0, len(shown) // 2, len(shown) - 1})
    return [_thumbnail(shown[at], fourcc, samples) for at in some]


def screenshot(receipt: dict, screen: Path) -> Picture:
    """What the display showed at the end; SCREEN must be the last frame."""
    picture = Image.open(screen).convert("RGBA")
    digest = _hex(frame_hash("XR24", *picture.size, picture.tobytes("raw", "BGRA")))
    pipeline = receipt["pipelines"][-1]
    shown = [frame for frame in pipeline["frames"] if frame["display"]]
    if not shown:
        return Picture(f"No screenshot: {pipeline['name']} showed no picture.")
    last = shown[-1]
    if last["display"]["hash"] != digest:
        return Picture(
            f"No screenshot: it has hash {digest}, but frame {last['sequence']}, the last "
            f"of {pipeline['name']}, {last['display']['hash']}."
        )
    return Picture(
        f"Screenshot: frame {last['sequence']}, hash {digest} at the display", _jpeg(picture)
    )
