# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions that the guest's CPUs retire for each frame, by the bus monitor's log."""

import itertools
import shlex
import statistics
from pathlib import Path

from harness.buslog import FRAME_START, BusLog, read_log
from harness.guest import Guest, GuestConfig
from harness.initramfs import extend
from proof.guestrun import DETERMINISTIC, KERNEL_ARGS, run_pipelines

from .results import Results

SIZES = ("640x480", "1280x720", "1920x1080", "3840x2160")
WARM_UP = 120
FRAMES = 300
LIMIT = 60_000
SPREAD = 2  # %, the largest size against the smallest
_MESSAGE = "/run/message"
_SCATTER = "/sys/module/baton_buf/parameters/scatter"
# Once a second the kernel takes an eighth of the free pages that the start left with each
# processor: more of them after 4K. During the warm-up, it takes them all.
_SETTLE = "(sleep 1; for i in $(seq 60); do cat /proc/sys/vm/stat_refresh; done) &"


def each_frame(log: BusLog, frames: int) -> list[int]:
    """Those that follow the warm-up."""
    starts = log.of("camera0", FRAME_START)[WARM_UP:WARM_UP + frames + 1]
    assert log.icount and len(starts) == frames + 1, f"{len(starts)} frames in the log"
    return [end.insns - start.insns for start, end in itertools.pairwise(starts)]


def per_frame(log: BusLog, frames: int) -> float:
    return statistics.mean(each_frame(log, frames))


def stream(out: Path, size: str, frames: int = FRAMES, scattered: bool = False,
           options: tuple[str, ...] = ()) -> BusLog:
    """Camera to display, or scattered: the camera alone, before the display attaches.

    The guest does it by itself, without a word from the host, whose time would not repeat, and
    on the processor that has no interrupts of the engines: waking one up costs a tenth of it.
    """
    count = WARM_UP + frames + 5
    length = ("--attach-after", str(count), "--frames", "1") if scattered else (
        "--frames", str(count))
    command = shlex.join(["baton-pipeline", "--pattern", "--size", size, "--format", "XR24",
                          "--fps", "60", "--mode", f"{size}@60", *length, *options])
    script = f"""#!/bin/sh
echo {int(scattered)} >{_SCATTER}
{_SETTLE}
taskset 2 {command} 2>{_MESSAGE} && rm {_MESSAGE}
"""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "bus.log"
    initramfs = extend({"etc/autorun": script.encode()}, out / "initramfs")
    config = GuestConfig(machine=f"monitor0-log={path}", kernel_args=KERNEL_ARGS,
                         qemu_args=DETERMINISTIC, initramfs=initramfs)
    guest = Guest(config, out)
    try:
        run_pipelines(guest)
        failure = guest.run(f"cat {_MESSAGE}", check=False)
        assert failure.status, failure.stdout
        guest.qmp.cmd("stop")
        return read_log(path)
    finally:
        guest.close()
        initramfs.unlink()


def instructions(results: Results, out: Path) -> None:
    for kind, scattered in (("contiguous", False), ("camera alone, scattered", True)):
        counts = {}
        for size in SIZES:
            log = stream(out / "instructions", size, scattered=scattered)
            counts[size] = results.add(f"Instructions per frame, {kind}, {size}",
                                       per_frame(log, FRAMES), "", f"<= {LIMIT}")
        spread = abs(counts[SIZES[-1]] / counts[SIZES[0]] - 1) * 100
        results.add(f"... {SIZES[-1]} against {SIZES[0]}", spread, "%", f"<= {SPREAD}")
