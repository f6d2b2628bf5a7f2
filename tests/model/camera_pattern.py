# SPDX-License-Identifier: GPL-2.0-or-later
"""The camera's pattern and frame hash, from docs/hardware/camera.md."""

from functools import cache

import xxhash

from .camera import NV12, RGB565, XRGB8888

# Digits of 3 x 5 cells, drawn here as they look
_GLYPHS = """
    ### .#. ### ### #.# ### ### ### ### ###
    #.# ##. ..# ..# #.# #.. #.. ..# #.# #.#
    #.# .#. ### ### ### ### ### ..# ### ###
    #.# .#. #.. ..# ..# ..# #.# ..# #.# ..#
    ### ### ### ### ..# ### ### ..# ### ###
"""
_ROWS = [line.split() for line in _GLYPHS.split("\n") if line.strip()]


def is_digit(x: int, y: int, width: int, height: int, frame: int) -> bool:
    scale = min(width, height) // 64 * 2
    left = (width - 32 * scale) // 2 // 2 * 2
    top = (height - 5 * scale) // 2 // 2 * 2
    column, row = (x - left) // scale, (y - top) // scale
    if not (0 <= column < 32 and 0 <= row < 5) or column % 4 == 3:
        return False
    digit = int(f"{frame:08d}"[-8:][column // 4])
    return _ROWS[row][digit][column % 4] == "#"


def rgb(x: int, y: int, width: int, height: int, frame: int) -> tuple[int, int, int]:
    phase = x + y + 3 * frame
    if is_digit(x, y, width, height, frame):
        phase += 128
    phase &= 255
    return phase, 2 * phase & 255, 255 - phase


def _ycc(r: int, g: int, b: int) -> tuple[int, int, int]:
    return (((66 * r + 129 * g + 25 * b + 128) >> 8) + 16,
            ((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128,
            ((112 * r - 94 * g - 18 * b + 128) >> 8) + 128)


@cache
def line(fmt: int, width: int, height: int, frame: int, y: int, plane: int = 0) -> bytes:
    """Line Y of a plane; in plane 1 of NV12 there are half as many."""
    if plane == 1:
        pixels = [rgb(x, 2 * y, width, height, frame) for x in range(0, width, 2)]
        return bytes(c for pixel in pixels for c in _ycc(*pixel)[1:])
    pixels = [rgb(x, y, width, height, frame) for x in range(width)]
    if fmt == XRGB8888:
        return b"".join(bytes((b, g, r, 255)) for r, g, b in pixels)
    if fmt == RGB565:
        return b"".join((r >> 3 << 11 | g >> 2 << 5 | b >> 3).to_bytes(2, "little")
                        for r, g, b in pixels)
    return bytes(_ycc(*pixel)[0] for pixel in pixels)


def lines(fmt: int, width: int, height: int, frame: int) -> list[list[bytes]]:
    """The lines of each plane."""
    planes = [[line(fmt, width, height, frame, y) for y in range(height)]]
    if fmt == NV12:
        planes.append([line(fmt, width, height, frame, y, 1) for y in range(height // 2)])
    return planes


def frame_hash(planes: list[list[bytes]]) -> int:
    state = xxhash.xxh64()
    for y, line in enumerate(planes[0]):
        state.update(line)
        if len(planes) > 1 and y % 2 == 0:
            state.update(planes[1][y // 2])
    return state.intdigest()
