# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m harness.lastwrite LOG ADDRESS: the frame in which an engine last wrote there.

LOG is the bus monitor's, of a recorded run; ADDRESS a physical one, as CPUs see it.
"""

import sys
from pathlib import Path

from . import cli
from .buslog import FRAME_START, WRITE, BusLog, Record, read_log


def last_frame(log: BusLog, address: int) -> tuple[Record, Record] | None:
    """The start of the frame in which the byte at ADDRESS was last written, and that write."""
    for at in range(len(log.records) - 1, -1, -1):
        record = log.records[at]
        if (record.kind == WRITE and not record.status
                and record.cpu <= address < record.cpu + record.bytes):
            return _frame_start(log.records[:at], record.master), record
    return None


def _frame_start(before: list[Record], master: int) -> Record:
    return next(r for r in reversed(before) if r.master == master and r.kind == FRAME_START)


def main() -> int:
    try:
        path, address = Path(sys.argv[1]), int(sys.argv[2], 0)
    except (IndexError, ValueError):
        raise cli.UserError("usage: python -m harness.lastwrite LOG ADDRESS") from None
    log = read_log(path)
    found = last_frame(log, address)
    if not found:
        raise cli.UserError(f"{path}: no engine wrote to {address:#x}")
    start, write = found
    print(f"{log.master(start)} frame {start.a}, begun at {start.time} ns, "
          f"wrote to {address:#x} at {write.time} ns\nreplay_seek {start.insns}")
    return 0


if __name__ == "__main__":
    cli.run(main)
