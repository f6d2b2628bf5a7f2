# SPDX-License-Identifier: GPL-2.0-or-later
"""What a frame costs the guest's CPUs does not depend on its size, unless they copy it."""

from pathlib import Path

import pytest

from bench.instructions import FRAMES, LIMIT, SIZES, SPREAD, per_frame, stream

COPIED_FRAMES = 10      # each costs hundreds of thousands of instructions more


@pytest.mark.parametrize("scattered", [False, True], ids=["contiguous", "scattered"])
def test_cost_of_a_frame_is_small_at_any_size(artifacts: Path, scattered: bool):
    small, large = (
        per_frame(stream(artifacts / size, size, FRAMES, scattered=scattered), FRAMES)
        for size in (SIZES[0], SIZES[-1]))
    assert max(small, large) <= LIMIT
    # The benchmark's goal and as much again: timer ticks fall elsewhere in another build.
    assert abs(large / small - 1) * 100 <= 2 * SPREAD


def test_a_copied_frame_costs_its_pixels(artifacts: Path):
    """At most 16 bytes an instruction: the limit would have shown a copy."""
    plain, copied = (
        per_frame(stream(artifacts / name, SIZES[0], COPIED_FRAMES, options=options), COPIED_FRAMES)
        for name, options in (("plain", ()), ("copied", ("--copy",))))
    assert copied > LIMIT
    assert copied > plain + 640 * 480 * 4 / 16
