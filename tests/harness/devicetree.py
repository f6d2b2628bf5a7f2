# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU's command line must repeat from the device tree: -m and -smp."""

from collections.abc import Callable
from pathlib import Path

from libfdt import QUIET_NOTFOUND, FdtException, FdtRo


def _subnodes(fdt: FdtRo, parent: int):
    node = fdt.first_subnode(parent, QUIET_NOTFOUND)
    while node >= 0:
        yield node
        node = fdt.next_subnode(node, QUIET_NOTFOUND)


def _string(fdt: FdtRo, node: int, name: str) -> str | None:
    prop = fdt.getprop(node, name, QUIET_NOTFOUND)
    return None if isinstance(prop, int) else prop.as_str()


def _is_type(fdt: FdtRo, node: int, device_type: str) -> bool:
    """Whether an enabled node has this device_type."""
    enabled = _string(fdt, node, "status") in (None, "okay", "ok")
    return enabled and _string(fdt, node, "device_type") == device_type


def _read(dtb: Path, what: Callable):
    try:
        return what(FdtRo(dtb.read_bytes()))
    except FdtException as err:
        raise ValueError(f"{dtb}: not a device tree of a machine: {err}") from err


def _banks(fdt: FdtRo) -> list[tuple[int, int]]:
    banks = []
    for node in _subnodes(fdt, 0):
        if _is_type(fdt, node, "memory"):
            cells = fdt.getprop(node, "reg")
            words = [int.from_bytes(cells[i : i + 8], "big") for i in range(0, len(cells), 8)]
            banks += zip(words[::2], words[1::2], strict=True)
    return banks


def _cpus(fdt: FdtRo) -> int:
    return sum(_is_type(fdt, node, "cpu") for node in _subnodes(fdt, fdt.path_offset("/cpus")))


def memory_banks(dtb: Path) -> list[tuple[int, int]]:
    """The banks of DRAM of a compiled device tree: (base, size)."""
    return _read(dtb, _banks)


def machine_size(dtb: Path) -> tuple[int, int]:
    """Return (bytes of DRAM, number of CPUs) of a compiled device tree."""
    return sum(size for _, size in memory_banks(dtb)), _read(dtb, _cpus)
