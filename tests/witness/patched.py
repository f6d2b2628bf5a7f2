# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers with a fault: built from a patch in this folder, for one guest.

Each has a place in build/ that stays, for make and ccache go by paths.
"""

import hashlib
import os
import re
import subprocess
from pathlib import Path

from harness.paths import BUILD, ROOT

_MODULES = BUILD / "rootfs" / "modules"
_DRIVERS = ROOT / "kernel-drivers"


def _left_out(names: tuple[str, ...]) -> list[str]:
    """What make is told for drivers that are not wanted."""
    folders = {name.split("/")[0] for name in names}
    options = re.findall(r"^obj-\$\((\w+)\) \+= (\w+)/$", (_DRIVERS / "Kbuild").read_text(), re.M)
    return [f"{option}=" for option, folder in options if folder not in folders]


def modules(patch: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Those that the patch changes (`buf/baton-buf.ko`), by their names in the initramfs."""
    path = Path(__file__).parent / patch
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    directory = BUILD / "tests" / "patched" / f"{path.stem}-{mark}"
    directory.mkdir(parents=True, exist_ok=True)
    for name in (".ci", "build", "qemu-devices"):
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(ROOT / name)
    for command in (
        ["rsync", "-a", "--delete", _DRIVERS, directory],
        ["patch", "-p1", "-i", path],
        ["kernel-drivers/modules.sh", "modules", *_left_out(names)],
    ):
        subprocess.run(
            command,
            cwd=directory,
            env={"BATON_CACHE": str(Path.home() / ".cache" / "baton"), "JOBS": "1", **os.environ},
            check=True,
        )
    [updates] = _MODULES.glob("lib/modules/*/updates")
    built = directory / "modules" / "kernel-drivers"
    base = updates.relative_to(_MODULES)
    return {str(base / name): (built / name).read_bytes() for name in names}
