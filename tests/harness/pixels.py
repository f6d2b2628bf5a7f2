# SPDX-License-Identifier: GPL-2.0-or-later
"""What the display must show, computed independently of the model and slowly."""

import random
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import cache

import xxhash

# Kr and Kb of the YCbCr encodings
ENCODINGS = {"ITU-R BT.601 YCbCr": (0.299, 0.114), "ITU-R BT.709 YCbCr": (0.2126, 0.0722),
             "ITU-R BT.2020 YCbCr": (0.2627, 0.0593)}
RANGES = {"YCbCr limited range": False, "YCbCr full range": True}

_BYTES = {"XR24": 4, "AR24": 4, "RG16": 2, "NV12": 1}


def noise(fourcc: str, width: int, height: int, seed: int) -> bytes:
    """Pixels that differ with each seed; AR24 is premultiplied."""
    generator = random.Random(f"{fourcc}{seed}")
    if fourcc != "AR24":
        return generator.randbytes(frame_bytes(fourcc, width, height))
    pixels = bytearray()
    for _ in range(width * height):
        alpha = generator.choice((0, 255, generator.randrange(256)))
        pixels += bytes([*(generator.randrange(alpha + 1) for _ in range(3)), alpha])
    return bytes(pixels)


def frame_bytes(fourcc: str, width: int, height: int) -> int:
    lines = height * 3 // 2 if fourcc == "NV12" else height
    return width * lines * _BYTES[fourcc]


def frame_hash(fourcc: str, width: int, height: int, pixels: bytes) -> int:
    """The hash that the engines compute of a whole frame."""
    digest = xxhash.xxh64(seed=0)
    line = width * _BYTES[fourcc]
    for y in range(height):
        digest.update(pixels[y * line:(y + 1) * line])
        if fourcc == "NV12" and y % 2 == 0:
            at = line * (height + y // 2)
            digest.update(pixels[at:at + line])
    return digest.intdigest()


def crop(fourcc: str, width: int, pixels: bytes, area: Sequence[int]) -> bytes:
    """The part X, Y, WIDTH, HEIGHT of an RGB picture."""
    x, y, part_width, part_height = area
    size = _BYTES[fourcc]
    return b"".join(pixels[(row * width + x) * size:(row * width + x + part_width) * size]
                    for row in range(y, y + part_height))


@cache
def coefficients(encoding: str, full: bool) -> tuple[int, int, int, int, int]:
    """Luma, Cr in red, Cb and Cr in green, Cb in blue, in 1/8192: the hardware manual's."""
    kr, kb = ENCODINGS[encoding]
    kg = 1 - kr - kb
    chroma = 8192 * 2 * (1 if full else 255 / 224)
    red, blue = chroma * (1 - kr), chroma * (1 - kb)
    green = -blue * kb / kg, -red * kr / kg
    return tuple(map(round, (8192 * (1 if full else 255 / 219), red, *green, blue)))


def _ycbcr(y: int, cb: int, cr: int, encoding: str, full: bool) -> int:
    """To the nearest."""
    luma, red_cr, green_cb, green_cr, blue_cb = coefficients(encoding, full)
    base = luma * (y if full else y - 16) + 4096
    cb, cr = cb - 128, cr - 128
    channels = base + red_cr * cr, base + green_cb * cb + green_cr * cr, base + blue_cb * cb
    r, g, b = (min(255, max(0, value >> 13)) for value in channels)
    return r << 16 | g << 8 | b


def to_rgb(fourcc: str, width: int, height: int, pixels: bytes,
           encoding: str = "ITU-R BT.601 YCbCr", full: bool = False) -> list[int]:
    """Pixels as integers, XRGB or ARGB."""
    if fourcc == "NV12":
        chroma = width * height

        def pixel(x: int, y: int) -> int:
            at = chroma + y // 2 * width + x // 2 * 2
            return _ycbcr(pixels[y * width + x], pixels[at], pixels[at + 1], encoding, full)

        return [pixel(x, y) for y in range(height) for x in range(width)]
    if fourcc == "RG16":
        values = struct.unpack(f"<{width * height}H", pixels)
        channels = ((v >> 11, v >> 5 & 63, v & 31) for v in values)
        return [(r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | b << 3 | b >> 2
                for r, g, b in channels]
    values = struct.unpack(f"<{width * height}I", pixels)
    return list(values) if fourcc == "AR24" else [value & 0xffffff for value in values]


def paste(screen: list[int], screen_width: int, pixels: Iterable[int], area: Sequence[int],
          blend: bool = False) -> None:
    """Put pixels at X, Y, WIDTH, HEIGHT of a screen of XRGB integers."""
    x, y, width, height = area
    source = iter(pixels)
    for row in range(y, y + height):
        for at in range(row * screen_width + x, row * screen_width + x + width):
            pixel = next(source)
            screen[at] = _over(pixel, screen[at]) if blend else pixel


def _over(pixel: int, below: int) -> int:
    rest = 255 - (pixel >> 24)
    result = 0
    for shift in (0, 8, 16):
        scaled = (2 * (below >> shift & 255) * rest + 255) // 510  # to the nearest
        result |= min(255, (pixel >> shift & 255) + scaled) << shift
    return result


def screen_crc(screen: Sequence[int]) -> int:
    """The display's CRC of a composed picture."""
    return zlib.crc32(struct.pack(f"<{len(screen)}I", *screen))
