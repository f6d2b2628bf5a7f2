# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers with a fault: built from a patch in this folder, for one guest."""

import os
import shutil
import subprocess
from pathlib import Path

from harness.paths import BUILD, ROOT

_MODULES = BUILD / "rootfs" / "modules"


def modules(directory: Path, patch: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Those that the patch changes (`buf/baton-buf.ko`), by their names in the initramfs."""
    directory.mkdir()
    for name in (".ci", "build", "qemu-devices"):
        (directory / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "kernel-drivers", directory / "kernel-drivers")
    subprocess.run(["patch", "-p1", "-i", Path(__file__).parent / patch], cwd=directory, check=True)
    subprocess.run(
        ["kernel-drivers/modules.sh", "modules"],
        cwd=directory,
        env={"BATON_CACHE": str(Path.home() / ".cache" / "baton"), "JOBS": "1", **os.environ},
        check=True,
    )
    [updates] = _MODULES.glob("lib/modules/*/updates")
    built = directory / "modules" / "kernel-drivers"
    base = updates.relative_to(_MODULES)
    return {str(base / name): (built / name).read_bytes() for name in names}
