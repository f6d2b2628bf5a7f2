# SPDX-License-Identifier: GPL-2.0-or-later
"""The buffers of the core as /sys/kernel/debug/baton-buf/buffers shows them."""

import re
from dataclasses import dataclass

from .guest import Guest

# Where scattered buffers are, and the pool of contiguous memory of most device trees
HIGH = range(0x8_8000_0000, 0x8_c000_0000)
POOL = range(0xa000_0000, 0xb000_0000)
DISPLAY = "baton-display"  # the exporter of dumb buffers and of the console's


@dataclass(frozen=True)
class Buffer:
    number: int
    exporter: str
    size: int
    generation: int
    pieces: int
    pins: int
    start: int
    attached: tuple[str, ...]  # devices


def buffers(guest: Guest) -> list[Buffer]:
    """All but those of the display, of which the console has one."""
    return [buffer for buffer in all_buffers(guest) if buffer.exporter != DISPLAY]


def all_buffers(guest: Guest) -> list[Buffer]:
    text = guest.run("cat /sys/kernel/debug/baton-buf/buffers").stdout
    return [_parse(block) for block in re.split(r"^(?=buffer=)", text, flags=re.MULTILINE)[1:]]


def _parse(block: str) -> Buffer:
    fields = dict(word.split("=") for word in block.splitlines()[0].split())
    start = re.search(r"piece start=(\S+)", block)
    return Buffer(int(fields["buffer"]), fields["exporter"], int(fields["bytes"]),
                  int(fields["generation"]), int(fields["pieces"]), int(fields["pins"]),
                  int(start[1], 16) if start else 0,
                  tuple(sorted(re.findall(r"attachment dev=(\S+)", block))))
