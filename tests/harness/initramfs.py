# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' initramfs with further files in it (Documentation/driver-api/early-userspace)."""

import itertools
from collections.abc import Mapping
from pathlib import Path

from .paths import INITRAMFS, built

_FILE = 0o100000


def _entry(inode: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    entry = header + name.encode() + b"\0"
    entry += bytes(-len(entry) % 4) + data
    return entry + bytes(-len(entry) % 4)


def extend(files: Mapping[str, bytes], target: Path) -> Path:
    """Write it with executable FILES to TARGET."""
    inodes = itertools.count(1)
    archive = b"".join(
        _entry(next(inodes), name, _FILE | 0o755, data) for name, data in files.items()
    )
    base = built(INITRAMFS, "rootfs").read_bytes()
    target.write_bytes(base + archive + _entry(0, "TRAILER!!!", 0, b""))
    return target
