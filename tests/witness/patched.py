# SPDX-License-Identifier: GPL-2.0-or-later
"""The drivers with a fault: built from a patch in this folder, for one guest."""

import os
import shutil
import subprocess
from pathlib import Path

from harness.paths import BUILD, ROOT

_BUILT = BUILD / "modules"
_PACKED = BUILD / "rootfs" / "modules"


def _take_over_what_is_built(to: Path) -> None:
    """So that make compiles only what the patch changes. Its notes are full of paths."""
    shutil.copytree(_BUILT, to, symlinks=True)
    for file in filter(Path.is_file, to.rglob("*")):
        if file.suffix not in (".o", ".ko"):
            times = file.stat()
            file.write_text(file.read_text().replace(f"{_BUILT}/", f"{to}/"))
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def modules(directory: Path, patch: str, names: tuple[str, ...]) -> dict[str, bytes]:
    """Those that the patch changes (`buf/baton-buf.ko`), by their names in the initramfs."""
    directory.mkdir()
    for name in (".ci", "build", "qemu-devices"):
        (directory / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "kernel-drivers", directory / "kernel-drivers")
    subprocess.run(["patch", "-p1", "-i", Path(__file__).parent / patch], cwd=directory, check=True)
    _take_over_what_is_built(directory / "modules")
    subprocess.run(
        ["kernel-drivers/modules.sh", "modules"],
        cwd=directory,
        env={"BATON_CACHE": str(Path.home() / ".cache" / "baton"), "JOBS": "1", **os.environ},
        check=True,
    )
    [updates] = _PACKED.glob("lib/modules/*/updates")
    built = directory / "modules" / "kernel-drivers"
    base = updates.relative_to(_PACKED)
    return {str(base / name): (built / name).read_bytes() for name in names}
