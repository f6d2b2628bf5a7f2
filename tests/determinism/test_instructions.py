# SPDX-License-Identifier: GPL-2.0-or-later
"""What a frame costs the guest's CPUs does not depend on its size, unless they copy it."""

from pathlib import Path

from bench.instructions import SIZES, SPREAD, per_frame, stream

FRAMES = 60


def cost(directory: Path, size: str, **options) -> float:
    return per_frame(stream(directory / size, size, FRAMES, **options), FRAMES)


def test_cost_of_a_frame_is_that_of_any_size(artifacts: Path):
    small, large = (cost(artifacts, size) for size in (SIZES[0], SIZES[-1]))
    assert abs(large / small - 1) * 100 <= SPREAD


def test_cost_of_a_scattered_frame_is_that_of_any_size(artifacts: Path):
    small, large = (cost(artifacts, size, scattered=True) for size in (SIZES[0], SIZES[-1]))
    assert abs(large / small - 1) * 100 <= SPREAD


def test_a_copied_frame_costs_its_pixels(artifacts: Path):
    """8 bytes an instruction would be 150 000 already: so the others would have shown."""
    plain, copied = (cost(artifacts / name, SIZES[0], options=options)
                     for name, options in (("plain", ()), ("copied", ("--copy",))))
    assert copied > plain + 640 * 480 * 4 / 16
