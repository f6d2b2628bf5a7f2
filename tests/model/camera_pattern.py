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


_PHASES = bytes(range(256))
_RAMP = _PHASES * 17
_OPPOSITE = _PHASES[128:] + _PHASES[:128]  # where the digits are


def _digits(width: int, height: int, frame: int, y: int) -> list[slice]:
    """The pixels of line Y that belong to a digit."""
    scale = min(width, height) // 64 * 2
    left = (width - 32 * scale) // 2 // 2 * 2
    top = (height - 5 * scale) // 2 // 2 * 2
    row = (y - top) // scale
    if not 0 <= row < 5:
        return []
    cells = ".".join(_ROWS[row][int(digit)] for digit in f"{frame:08d}"[-8:])
    return [slice(left + column * scale, left + (column + 1) * scale)
            for column, cell in enumerate(cells) if cell == "#"]


def is_digit(x: int, y: int, width: int, height: int, frame: int) -> bool:
    return any(cell.start <= x < cell.stop for cell in _digits(width, height, frame, y))


def _phases(width: int, height: int, frame: int, y: int) -> bytes:
    start = (y + 3 * frame) % 256
    phases = bytearray(_RAMP[start:start + width])
    for cell in _digits(width, height, frame, y):
        phases[cell] = phases[cell].translate(_OPPOSITE)
    return bytes(phases)


def _ycc(r: int, g: int, b: int) -> tuple[int, int, int]:
    return (((66 * r + 129 * g + 25 * b + 128) >> 8) + 16,
            ((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128,
            ((112 * r - 94 * g - 18 * b + 128) >> 8) + 128)


def _sample(fmt: int, plane: int, phase: int) -> bytes:
    r, g, b = phase, 2 * phase & 255, 255 - phase
    if fmt == XRGB8888:
        return bytes((b, g, r, 255))
    if fmt == RGB565:
        return (r >> 3 << 11 | g >> 2 << 5 | b >> 3).to_bytes(2, "little")
    y, *chroma = _ycc(r, g, b)
    return bytes(chroma if plane else [y])


@cache
def _samples(fmt: int, plane: int) -> list[bytes]:
    """That of each phase."""
    return [_sample(fmt, plane, phase) for phase in _PHASES]


@cache
def line(fmt: int, width: int, height: int, frame: int, y: int, plane: int = 0) -> bytes:
    """Line Y of a plane; in plane 1 of NV12 there are half as many."""
    step = 2 if plane else 1
    phases = _phases(width, height, frame, step * y)[::step]
    return b"".join(map(_samples(fmt, plane).__getitem__, phases))


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
