# SPDX-License-Identifier: GPL-2.0-or-later
"""What developing costs: an edit, a build from nothing, the size of things."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from harness import paths
from harness.cli import UserError
from harness.guest import Guest, GuestConfig

from .results import Results

_EDITED = paths.ROOT / "kernel-drivers" / "camera" / "baton-camera-ring.c"


def _make(*targets: str, cwd: Path = paths.ROOT, **changes: str) -> None:
    # What the make around this one was told is not for the one within.
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["make", "-s", *targets],
        cwd=cwd,
        env={**env, **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"make {' '.join(targets)} failed: {done.stderr[-500:]}")


def edit_to_running(results: Results, out: Path) -> None:
    """A driver's file changes; rebuild, boot, module loaded."""
    times = []
    for run in range(3):
        _EDITED.touch()
        start = time.monotonic()
        _make("rootfs", CCACHE_RECACHE="1")
        with Guest(GuestConfig(), out / f"edit{run}") as guest:
            guest.run("grep -q ^baton_camera /proc/modules")
            times.append(time.monotonic() - start)
    results.add("Driver edit to running again", times, "s", "<= 10")


def demo_again(results: Results) -> None:
    """`make demo` with everything built: what a user waits for the second time."""
    _make("demo")
    start = time.monotonic()
    _make("demo")
    results.add("make demo, second run", time.monotonic() - start, "s", "<= 15")


def sizes(results: Results) -> None:
    modules = sum(f.stat().st_size for f in (paths.BUILD / "modules").rglob("*.ko"))
    for name, size in (
        ("QEMU", paths.QEMU.stat().st_size),
        ("Kernel image", paths.KERNEL.stat().st_size),
        ("Initramfs", paths.INITRAMFS.stat().st_size),
        ("Drivers", modules),
    ):
        results.add(f"Size: {name}", size / 1e6, "MB")


def from_nothing(results: Results) -> None:
    """Clone, fetch and build with an empty cache."""
    with tempfile.TemporaryDirectory(dir=paths.BUILD, prefix="bench-") as tmp:
        clone = Path(tmp) / "clone"
        subprocess.run(["git", "clone", "-q", str(paths.ROOT), str(clone)], check=True)
        start = time.monotonic()
        _make("qemu", "dtbs", "rootfs", cwd=clone, BATON_CACHE=str(Path(tmp) / "cache"))
        results.add("Build from nothing, fetching included", time.monotonic() - start, "s")
