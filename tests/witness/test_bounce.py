# SPDX-License-Identifier: GPL-2.0-or-later
"""A display driver that lets the DMA API copy is caught, and SWIOTLB named.

bounce.patch makes such a driver of ours. What it shows is what the camera took:
nothing but the receipt tells.
"""

import re
from pathlib import Path

import pytest

import harness.guest
from proof import document, guestrun
from proof.guestrun import Pipeline
from proof.receipt import FAILURE, ZERO_COPY
from witness import patched

# The largest that SWIOTLB takes is one block of 256 KiB.
SIZE = 256
FRAMES = 12
OPTIONS = ("--hash", "--pattern", "--size", f"{SIZE}x{SIZE}", "--fps", "60",
           "--frames", str(FRAMES))  # fmt: skip
ONE_BLOCK = "baton_buf.max_order=6"
# One function by two names.
CULPRITS = [f"{name} called by swiotlb_bounce" for name in ("memcpy", "memmove")]
PATCHED = ("buf/baton-buf.ko", "display/baton-display.ko")


def _judged(directory: Path, files: dict[str, bytes]) -> dict:
    pipeline = Pipeline("bounce", OPTIONS)
    evidence = guestrun.run(directory, [pipeline], files=files, kernel_args=ONE_BLOCK)
    [judged] = document.receipt(evidence, "baton", icount=True)["pipelines"]
    assert len({entry["sequence"] for entry in judged["frames"]}) == FRAMES
    return judged


@pytest.fixture
def bounce_buffers(monkeypatch):
    """The guests may have some."""
    arguments = harness.guest.KERNEL_ARGS.replace("swiotlb=noforce", "")
    monkeypatch.setattr("harness.guest.KERNEL_ARGS", arguments)


def test_a_driver_that_bounces_is_caught_and_swiotlb_named(tmp_path, bounce_buffers):
    files = patched.modules(tmp_path / "sources", "bounce.patch", PATCHED)
    judged = _judged(tmp_path, files)
    assert judged["verdict"] == FAILURE
    for entry in judged["frames"]:
        assert entry["verdict"] == FAILURE
        assert entry["camera"]["addresses"] != entry["display"]["addresses"]
        assert entry["camera"]["hash"] == entry["display"]["hash"]
        [copied] = [reason for reason in entry["reasons"] if reason.startswith("copied: ")]
        said = re.match(r"copied: (\d+) bytes .* were stored by kernel, (.*), in ", copied)
        assert said[2] in CULPRITS
        # The kernel's copy stores a few bytes at its end twice.
        assert 0 <= int(said[1]) - SIZE * SIZE * 4 < 64


def test_our_driver_does_not_bounce_though_it_could(tmp_path, bounce_buffers):
    judged = _judged(tmp_path, {})
    assert judged["reasons"] == []
    assert judged["verdict"] == ZERO_COPY
