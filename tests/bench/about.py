# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, and on what: a number without it says nothing."""

import os
import platform
import re
import subprocess

from harness import cli, paths


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def kernel_config() -> str:
    """The configuration of which build/linux was made, from the folder's name in the cache."""
    found = re.search(r"-([a-z]\w*)-[0-9a-f]{16}$", str((paths.BUILD / "linux").resolve()))
    return found[1] if found else "unknown"


def about() -> dict:
    release = paths.BUILD / "linux/include/config/kernel.release"
    return {
        "host": {"machine": platform.machine(), "cpus": os.cpu_count()},
        "commit": _output("git", "rev-parse", "HEAD"),
        "dirty": bool(_output("git", "status", "--porcelain", "--untracked-files=no")),
        "qemu": _output(str(paths.built(paths.QEMU, "qemu")), "--version").splitlines()[0],
        "kernel": paths.built(release, "kernel").read_text().strip(),
        "kernel_config": kernel_config(),
    }


def release_kernel() -> None:
    """Numbers of a kernel with checks in it would be taken for the others."""
    if (config := kernel_config()) != "release":
        raise cli.UserError(f"make bench measures the release kernel, build/linux is {config}; "
                            "run it without KERNEL_CONFIG")
