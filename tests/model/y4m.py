# SPDX-License-Identifier: GPL-2.0-or-later
"""YUV4MPEG2 clips for the camera, and what it must make of them."""

import random
from pathlib import Path

from model.camera import RGB565, XRGB8888

Planes = tuple[bytes, bytes, bytes]

# Kr and Kb of BT.601-7 and BT.709-6
_WEIGHTS = {601: (0.299, 0.114), 709: (0.2126, 0.0722)}


def samples(width: int, height: int, seed: int) -> Planes:
    """A frame of random Y, Cb and Cr samples."""
    rng = random.Random(seed)
    size = width * height
    return rng.randbytes(size), rng.randbytes(size // 4), rng.randbytes(size // 4)


def header(width: int, height: int, params: str = "F30:1 Ip A1:1 C420jpeg") -> bytes:
    return f"YUV4MPEG2 W{width} H{height} {params}\n".encode()


def frame(planes: Planes, params: str = "") -> bytes:
    return f"FRAME{params}\n".encode() + b"".join(planes)


def write_clip(path: Path, width: int, height: int, frames: int,
               params: str = "F30:1 Ip A1:1 C420jpeg") -> list[Planes]:
    clip = [samples(width, height, seed) for seed in range(frames)]
    path.write_bytes(header(width, height, params) + b"".join(map(frame, clip)))
    return clip


def _rgb(y: int, cb: int, cr: int, standard: int, full: bool) -> tuple[int, ...]:
    """The conversion of the standard, by its definition, in floating point."""
    kr, kb = _WEIGHTS[standard]
    luma = y / 255 if full else (y - 16) / 219
    b_y, r_y = ((c - 128) / (255 if full else 224) for c in (cb, cr))
    r = luma + 2 * (1 - kr) * r_y
    b = luma + 2 * (1 - kb) * b_y
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return tuple(min(255, max(0, round(255 * c))) for c in (r, g, b))


def nv12_lines(planes: Planes, width: int) -> list[list[bytes]]:
    luma, cb, cr = planes
    chroma = bytes(c for pair in zip(cb, cr, strict=True) for c in pair)
    return [[data[at:at + width] for at in range(0, len(data), width)] for data in (luma, chroma)]


def rgb_line(planes: Planes, width: int, y: int, standard: int, full: bool) -> list[tuple]:
    luma, cb, cr = planes
    pairs = [y // 2 * (width // 2) + x // 2 for x in range(width)]
    return [_rgb(luma[y * width + x], cb[pair], cr[pair], standard, full)
            for x, pair in enumerate(pairs)]


def unpack_line(fmt: int, line: bytes) -> list[tuple]:
    """Pixels of a line in memory as (R, G, B) in the format's own depth."""
    if fmt == XRGB8888:
        assert set(line[3::4]) == {255}
        return list(zip(line[2::4], line[1::4], line[0::4], strict=True))
    assert fmt == RGB565
    words = [int.from_bytes(line[at:at + 2], "little") for at in range(0, len(line), 2)]
    return [(w >> 11, w >> 5 & 63, w & 31) for w in words]
