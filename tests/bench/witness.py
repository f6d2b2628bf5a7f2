# SPDX-License-Identifier: GPL-2.0-or-later
"""What bus monitor and CPU witness cost the run of a pipeline, from boot to end."""

import resource
from dataclasses import replace
from pathlib import Path

from harness.guest import Guest
from proof import guestrun

from .results import Results

_PICTURE = ("--pattern", "--hash", "--size", "1920x1080", "--format", "XR24")
_FRAMES = 120
_RUNS = 3


def _cpu_seconds(out: Path, options: tuple[str, ...], watched: bool) -> float:
    """Of QEMU: with icount it has one thread at work, whatever else the host does."""
    pipeline = guestrun.Pipeline("measured", (*_PICTURE, "--frames", str(_FRAMES), *options))
    config, _ = guestrun.config(out, [pipeline])
    if not watched:
        config = replace(config, machine="", qemu_args=guestrun.DETERMINISTIC)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    guest = Guest(config, out)
    try:
        guestrun.run_pipelines(guest)
        status = guest.run("cat /run/1.status").stdout.strip()
        if status != "0":
            raise RuntimeError(f"the pipeline ended with status {status}")
        guest.qmp.cmd("quit")
        guest.process.wait()
    finally:
        guest.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost(results: Results, out: Path) -> None:
    """In turn with nothing: zero-copy, and with a CPU that copies."""
    for name, options, goal in (("zero-copy", (), "<= 3"), ("--copy", ("--copy",), "")):
        plain, watched = [], []
        for _ in range(_RUNS):
            plain.append(_cpu_seconds(out / "witness", options, watched=False))
            watched.append(_cpu_seconds(out / "witness", options, watched=True))
        results.add(f"Boot and {_FRAMES} frames 1080p {name}, host CPU time", plain, "s")
        results.add("... under monitor and witness", watched, "s")
        ratios = [on / off for off, on in zip(plain, watched, strict=True)]
        results.add(f"Cost of the CPU witness, {name}", ratios, "times", goal)
