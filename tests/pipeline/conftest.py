# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs baton-pipeline in a guest and reads its report."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.guest import Guest
from harness.pixels import frame_hash, noise


@dataclass(frozen=True)
class Run:
    status: int
    stderr: str
    report: dict | None

    @property
    def summary(self) -> dict:
        return self.report["summary"]

    @property
    def shown(self) -> list[dict]:
        return [frame for frame in self.report["frames"] if frame["shown_frame"] is not None]


def assert_hashes_agree(run: Run) -> None:
    """Each picture was read as it was written, and from there."""
    assert run.shown
    for frame in run.shown:
        assert frame["camera_hash"]
        assert frame["camera_hash"] == frame["display_hash"]
        assert frame["camera_address"] == frame["display_address"]


class Pipeline:
    def __call__(self, guest: Guest, options: str = "", status: int = 0) -> Run:
        result = guest.run(f"baton-pipeline --json - {options}", check=False)
        assert result.status == status, f"status {result.status}: {result.stderr}"
        report = json.loads(result.stdout) if result.stdout else None
        return Run(result.status, result.stderr, report)

    def read(self, guest: Guest, path: str) -> Run:
        """The report of a run that wrote it to a file."""
        return Run(0, "", json.loads(guest.get(path)))


@pytest.fixture
def pipeline() -> Pipeline:
    """pipeline(guest, "--frames 8"): run it with a report."""
    return Pipeline()


@dataclass(frozen=True)
class Clip:
    path: Path
    width: int
    height: int
    hashes: list[int]  # of each frame as NV12


@pytest.fixture
def clip(artifacts: Path) -> Clip:
    """A recording of twelve frames, each different."""
    width, height, count = 320, 240, 12
    path = artifacts / "clip.y4m"
    hashes = []
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F60:1 Ip C420jpeg\n".encode())
        for number in range(count):
            nv12 = noise("NV12", width, height, number)
            luma, chroma = nv12[: width * height], nv12[width * height :]
            file.write(b"FRAME\n" + luma + chroma[::2] + chroma[1::2])
            hashes.append(frame_hash("NV12", width, height, nv12))
    return Clip(path, width, height, hashes)
