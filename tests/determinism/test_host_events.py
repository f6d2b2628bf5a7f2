# SPDX-License-Identifier: GPL-2.0-or-later
"""With -icount the guest's time does not depend on what wakes QEMU's main loop."""

from pathlib import Path

from determinism.test_time_travel import Machine, Record
from harness.buslog import RECORD_SIZE
from harness.polling import until

RECORDS = 20000


def stream(directory: Path, name: str, disturb: bool) -> list[Record]:
    """Stream until there are RECORDS, asking QEMU all the time, or hardly ever."""
    with Machine(directory, name) as machine:
        machine.wait_for_stream()
        if not disturb:
            return machine.run_until(RECORDS)
        machine.cont()

        def ask() -> int:
            for _ in range(100):
                machine.qmp.cmd("query-status")
            return machine.log_path.stat().st_size

        until(ask, lambda size: size >= RECORDS * RECORD_SIZE, f"{RECORDS} records")
        machine.stop()
        return machine.log.records


def test_questions_do_not_move_time(artifacts: Path):
    quiet = stream(artifacts, "quiet", disturb=False)
    disturbed = stream(artifacts, "disturbed", disturb=True)
    count = min(len(quiet), len(disturbed))
    assert count >= RECORDS
    first = next((i for i in range(count) if quiet[i] != disturbed[i]), None)
    assert first is None, f"{quiet[first]} != {disturbed[first]}"
