# SPDX-License-Identifier: GPL-2.0-or-later
"""What bus monitor and CPU witness cost: the boot, and a pipeline that streams."""

import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.guest import Guest
from proof import guestrun

from .results import Results

_PICTURE = ("--pattern", "--hash", "--size", "1920x1080", "--format", "XR24")
_FRAMES = 120
_RUNS = 3
_BEGINS = "measured: the pipeline begins"


class Seconds(NamedTuple):
    """CPU time of QEMU: with icount it has one thread at work, whatever else the host does."""

    boot: float
    streaming: float
    total: float  # with what the witness writes at the end


def _until_now(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(out: Path, options: tuple[str, ...], watched: bool) -> Seconds:
    pipeline = guestrun.Pipeline(
        "measured", (*_PICTURE, "--frames", str(_FRAMES), *options), companion=f"echo '{_BEGINS}'"
    )
    config, _ = guestrun.config(out, [pipeline])
    if not watched:
        config = replace(config, machine="", qemu_args=guestrun.DETERMINISTIC)
    before = _of_children()
    guest = Guest(config, out)
    try:
        guest.start()
        guest.console.wait(_BEGINS, stall=None)
        boot = _until_now(guest.process.pid)
        guestrun.wait_for_pipelines(guest)
        end = _until_now(guest.process.pid)
        status = guest.run("cat /run/1.status").stdout.strip()
        if status != "0":
            raise RuntimeError(f"the pipeline ended with status {status}")
        guest.qmp.cmd("quit")
        guest.process.wait()
    finally:
        guest.close()
    return Seconds(boot, end - boot, _of_children() - before)


def cost(results: Results, out: Path) -> None:
    """In turn with nothing: zero-copy, and with a CPU that copies."""
    for name, options, goals in (
        ("zero-copy", (), {"boot": "", "streaming": "<= 3", "total": "<= 3"}),
        ("--copy", ("--copy",), {"streaming": ""}),
    ):
        plain, watched = [], []
        for _ in range(_RUNS):
            plain.append(cpu_seconds(out / "witness", options, watched=False))
            watched.append(cpu_seconds(out / "witness", options, watched=True))
        for part, goal in goals.items():
            off, on = ([getattr(run, part) for run in runs] for runs in (plain, watched))
            what = f"{_FRAMES} frames 1080p {name}, host CPU time, {part}"
            results.add(what, off, "s")
            results.add(f"{what}, watched", on, "s")
            ratios = [b / a for a, b in zip(off, on, strict=True)]
            results.add(f"Cost of monitor and witness, {name}, {part}", ratios, "times", goal)
