# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs baton-pipeline in a guest; its report, with host times."""

import json
import time
from collections.abc import Sequence

from .agent import Command
from .cli import UserError
from .guest import Guest

REPORT = "/tmp/pipeline.json"


def start(guest: Guest, options: Sequence[str]) -> Command:
    return guest.spawn(["baton-pipeline", "--json", REPORT, *options])


def report(guest: Guest, command: Command) -> dict:
    """Wait for the end; the report of a pipeline that did not fail."""
    result = command.wait()
    if result.status:
        raise UserError(
            (result.stderr or result.stdout).strip()
            or f"baton-pipeline failed with status {result.status}"
        )
    return json.loads(guest.get(REPORT))


def run(guest: Guest, *options: str) -> dict:
    return report(guest, start(guest, options))


def host_time(guest: Guest, boot_ns: int) -> float:
    """The host's time.monotonic() at a guest's CLOCK_BOOTTIME, to about 10 ms."""
    uptime = float(guest.run("cat /proc/uptime").stdout.split()[0])
    return time.monotonic() - (uptime - boot_ns / 1e9)
