# SPDX-License-Identifier: GPL-2.0-or-later
"""The register tables of a manual in docs/hardware/.

    | Offset | Register | Access | Reset | Function |
    | Register | Field | Bits | Function |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.paths import ROOT


@dataclass
class ManualRegister:
    offset: int
    access: str
    reset: int | None
    fields: dict[str, tuple[int, int]] = field(default_factory=dict)    # name: (shift, length)


def _tables(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Rows with the header of their table."""
    header: list[str] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            header = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not header:
            header = cells
        elif set(cells[0]) != {"-"}:
            yield header, cells


def load(name: str) -> dict[str, ManualRegister]:
    """The registers of docs/hardware/NAME.md by their names."""
    registers: dict[str, ManualRegister] = {}
    for header, cells in _tables((ROOT / "docs" / "hardware" / f"{name}.md").read_text()):
        if header[:4] == ["Offset", "Register", "Access", "Reset"]:
            offset, register, access, reset = cells[:4]
            registers[register] = ManualRegister(
                int(offset, 16), access, None if reset == "-" else int(reset, 16))
        elif header[:3] == ["Register", "Field", "Bits"]:
            register, bits, positions = cells[:3]
            high, _, low = positions.partition(":")
            shift = int(low or high)
            registers[register].fields[bits] = (shift, int(high) - shift + 1)
    return registers
