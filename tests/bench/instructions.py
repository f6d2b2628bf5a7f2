# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions that the guest's CPUs retire for each frame, by the bus monitor's log."""

import itertools
import statistics
from pathlib import Path

from harness import pipeline
from harness.buslog import FRAME_START, BusLog, read_log
from harness.guest import Guest, GuestConfig
from proof.guestrun import DETERMINISTIC

from .results import Results

SIZES = ("640x480", "1280x720", "1920x1080", "3840x2160")
WARM_UP = 120  # the kernel still frees what the start needed, in the background
FRAMES = 300
LIMIT = 60_000
SPREAD = 2  # %, the largest size against the smallest
_SCATTER = "/sys/module/baton_buf/parameters/scatter"


def each_frame(log: BusLog, frames: int) -> list[int]:
    """Those that follow the warm-up."""
    starts = log.of("camera0", FRAME_START)[WARM_UP:WARM_UP + frames + 1]
    assert log.icount and len(starts) == frames + 1, f"{len(starts)} frames in the log"
    return [end.insns - start.insns for start, end in itertools.pairwise(starts)]


def per_frame(log: BusLog, frames: int) -> float:
    return statistics.mean(each_frame(log, frames))


def stream(out: Path, size: str, frames: int = FRAMES, scattered: bool = False,
           options: tuple[str, ...] = ()) -> BusLog:
    """Camera to display, or scattered: the camera alone, before the display attaches."""
    count = WARM_UP + frames + 5
    length = ("--attach-after", str(count), "--frames", "1") if scattered else (
        "--frames", str(count))
    path = out / "bus.log"
    out.mkdir(parents=True, exist_ok=True)
    config = GuestConfig(machine=f"monitor0-log={path}", kernel_args="nokaslr",
                         qemu_args=DETERMINISTIC)
    with Guest(config, out) as guest:
        guest.run(f"echo {int(scattered)} >{_SCATTER}")
        pipeline.run(guest, "--pattern", "--size", size, "--format", "XR24", "--fps", "60",
                     "--mode", f"{size}@60", *length, *options)
        guest.qmp.cmd("stop")
        return read_log(path)


def instructions(results: Results, out: Path) -> None:
    for kind, scattered in (("contiguous", False), ("camera alone, scattered", True)):
        counts = {}
        for size in SIZES:
            log = stream(out / "instructions", size, scattered=scattered)
            counts[size] = results.add(f"Instructions per frame, {kind}, {size}",
                                       per_frame(log, FRAMES), "", f"<= {LIMIT}")
        spread = abs(counts[SIZES[-1]] / counts[SIZES[0]] - 1) * 100
        results.add(f"... {SIZES[-1]} against {SIZES[0]}", spread, "%", f"<= {SPREAD}")
