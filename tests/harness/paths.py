# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the build puts what a run needs."""

from pathlib import Path

from .errors import InfrastructureError

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
OUT = ROOT / "out"
REGS = ROOT / "qemu-devices" / "regs"
QEMU = BUILD / "qemu" / "qemu-system-aarch64"
KERNEL = BUILD / "linux" / "arch" / "arm64" / "boot" / "Image"
INITRAMFS = BUILD / "rootfs" / "initramfs.cpio"


def built(path: Path, target: str) -> Path:
    """Return PATH, or say which make target makes it."""
    if not path.exists():
        raise InfrastructureError(f"{path.relative_to(ROOT)} is missing: run 'make {target}'")
    return path


def dtb(name: str) -> Path:
    """The compiled device tree of dts/NAME.dts."""
    return built(BUILD / "dts" / f"{name}.dtb", "dtbs")
