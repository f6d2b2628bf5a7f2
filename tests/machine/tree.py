# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiled device trees with something changed."""

from pathlib import Path

from libfdt import QUIET_NOTFOUND, Fdt

from harness.paths import dtb

CAMERA_BUS = "/soc/camera-bus@30000000"
DISPLAY_BUS = "/soc/display-bus@31000000"
CAMERA = f"{CAMERA_BUS}/camera@30000000"
DISPLAY = f"{DISPLAY_BUS}/display@31000000"
GIC = "/soc/interrupt-controller@2f000000"
GPIO = "/soc/gpio@1c1d0000"
RTC = "/soc/rtc@1c170000"
UART = "/soc/serial@1c090000"

_ROOM = 4096


def cells(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "big") for value in values)


def strings(*values: str) -> bytes:
    return b"".join(value.encode() + b"\0" for value in values)


class Tree:
    """A copy of a tree in dts/, or of a file; its methods return it, so that changes chain."""

    def __init__(self, name: str | Path = "baton"):
        self.fdt = Fdt((name if isinstance(name, Path) else dtb(name)).read_bytes())
        self.fdt.resize(self.fdt.totalsize() + _ROOM)

    def get(self, path: str, name: str) -> bytes:
        return bytes(self.fdt.getprop(self.fdt.path_offset(path), name))

    def nodes(self) -> list[int]:
        """Offsets of all nodes but the root."""
        found = []
        node, depth = self.fdt.next_node(0, 0, QUIET_NOTFOUND)
        while node >= 0 and depth >= 0:
            found.append(node)
            node, depth = self.fdt.next_node(node, depth, QUIET_NOTFOUND)
        return found

    def properties(self, node: int | str) -> dict[str, bytes]:
        """All properties of a node, given by its path or offset."""
        offset = self.fdt.path_offset(node) if isinstance(node, str) else node
        found = {}
        at = self.fdt.first_property_offset(offset, QUIET_NOTFOUND)
        while at >= 0:
            prop = self.fdt.get_property_by_offset(at)
            found[prop.name] = bytes(prop)
            at = self.fdt.next_property_offset(at, QUIET_NOTFOUND)
        return found

    def phandle(self, path: str) -> int:
        return int.from_bytes(self.get(path, "phandle"), "big")

    def set(self, path: str, name: str, *values: int | str) -> "Tree":
        data = strings(*values) if values and isinstance(values[0], str) else cells(*values)
        return self.set_bytes(path, name, data)

    def set_bytes(self, path: str, name: str, data: bytes) -> "Tree":
        self.fdt.setprop(self.fdt.path_offset(path), name, data)
        return self

    def delete(self, path: str, name: str | None = None) -> "Tree":
        node = self.fdt.path_offset(path)
        if name:
            self.fdt.delprop(node, name)
        else:
            self.fdt.del_node(node)
        return self

    def add(self, path: str, **properties) -> "Tree":
        """Add a node. PROPERTIES are tuples of cells or of strings."""
        parent, _, name = path.rpartition("/")
        self.fdt.add_subnode(self.fdt.path_offset(parent or "/"), name)
        for key, values in properties.items():
            self.set(path, key, *values)
        return self

    def save(self, path: Path) -> Path:
        self.fdt.pack()
        path.write_bytes(self.fdt.as_bytearray())
        return path
