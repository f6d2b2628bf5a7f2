# SPDX-License-Identifier: GPL-2.0-or-later
"""With -icount a stream repeats: from a snapshot in another process, and from a recording.

What the bus monitor logs is compared: transfers and events with their addresses, hashes,
guest times and numbers of retired instructions.
"""

from collections.abc import Iterator
from pathlib import Path

from determinism.machine import ICOUNT, Machine, captured_hashes
from harness.buslog import FRAME_DONE, FRAME_START, Record, first_difference, read_log

POINTS = 20
RECORDS = 400           # to compare behind each point: several frames
STREAM = 3000           # records of the stream that is replayed
REPLAYED_FRAMES = 10    # of these, at least


def snapshots(source: Machine, state: Path) -> Iterator[int]:
    """Save the machine between and in frames by turns; each time the next record's number."""
    for number in range(POINTS):
        go_on(source)
        while in_frame(source.recent(RECORDS)) != bool(number % 2):
            go_on(source)
        state.unlink(missing_ok=True)
        source.qmp.migrate(f"file:{state}")
        yield source.recent(1)[0].seq + 1


def go_on(machine: Machine) -> None:
    machine.go_on(machine.recent(1)[0].seq + 1)


def in_frame(records: list[Record]) -> bool:
    """Is a camera frame under way?"""
    kinds = [r.kind for r in records if r.master == 0]
    return kinds[::-1].index(FRAME_START) < kinds[::-1].index(FRAME_DONE)


def test_twenty_snapshots_continue_alike(artifacts: Path):
    """As in a machine that was never stopped, let alone saved."""
    state = artifacts / "state"
    resumed: list[list[Record]] = []
    with Machine(artifacts, "source") as source:
        source.wait_for_stream()
        for number, first in enumerate(snapshots(source, state)):
            with Machine(artifacts, f"resumed{number}",
                         args=("-incoming", "defer", "-S")) as machine:
                machine.qmp.migrate_incoming(f"file:{state}")
                resumed.append(machine.run_until(first + RECORDS + 1))
            machine.log_path.unlink()
        saved = source.run_until(resumed[-1][0].seq + 2 * RECORDS)
        state.unlink()
    with Machine(artifacts, "undisturbed") as machine:
        reference = machine.run_undisturbed(saved[-1].seq)
    assert first_difference(saved, reference[:len(saved)]) == ""
    points = [records[0].seq for records in resumed]
    assert sorted(set(points)) == points
    for first, records in zip(points, resumed, strict=True):
        count = min(len(records), len(reference) - first)
        assert count >= RECORDS
        assert first_difference(records[:count], reference[first:first + count]) == ""
    assert len(captured_hashes(reference)) > POINTS
    assert [in_frame(reference[:first]) for first in points] == [False, True] * (POINTS // 2)


def test_recorded_stream_is_replayed(artifacts: Path):
    """The engines' frames, too: the replay's log is the recording's."""
    file = artifacts / "recording"
    with Machine(artifacts, "record", f"{ICOUNT},rr=record,rrfile={file}") as machine:
        machine.wait_for_stream()
        start = machine.log.records[-1].seq
        recorded = machine.run_until(start + STREAM)
        machine.qmp.cmd("quit")
        machine.process.wait()
    with Machine(artifacts, "replay", f"{ICOUNT},rr=replay,rrfile={file}") as machine:
        machine.process.wait(timeout=300)   # ends where the recording does
    replayed = read_log(machine.log_path).records
    assert first_difference(replayed[:len(recorded)], recorded) == ""
    assert len(captured_hashes(replayed[start:len(recorded)])) >= REPLAYED_FRAMES
