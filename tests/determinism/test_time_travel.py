# SPDX-License-Identifier: GPL-2.0-or-later
"""With -icount a stream repeats: from a snapshot in another process, and from a recording.

What the bus monitor logs is compared: transfers and events with their addresses, hashes,
guest times and numbers of retired instructions.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from harness.buslog import (
    FRAME_DONE,
    FRAME_START,
    HEAD_SIZE,
    RECORD_SIZE,
    BusLog,
    Record,
    first_difference,
    read_log,
)
from harness.errors import QemuError
from harness.guest import GuestConfig
from harness.initramfs import extend
from harness.process import QemuProcess

ICOUNT = "shift=3,sleep=off"
DETERMINISTIC = ("-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1")
# What the shell of the serial line starts with: nothing has to be typed, which would not repeat.
PROFILE = b"""
baton-pipeline --pattern --size 320x240 --format XR24 --frames 0 --hash >/dev/null 2>&1 &
sleep 1
echo streaming
"""
POINTS = 20
RECORDS = 400           # to compare behind each point: several frames
STREAM = 3000           # records of the stream that is replayed
REPLAYED_FRAMES = 10    # of these, at least


class Machine:
    """A guest with one CPU and nothing but its serial line, so that nothing else disturbs it."""

    def __init__(self, directory: Path, name: str, icount: str = ICOUNT,
                 args: tuple[str, ...] = ()):
        self.log_path = directory / f"{name}.bus"
        profile = extend({"etc/profile": PROFILE}, directory / "initramfs")
        config = GuestConfig("baton-uni", f"monitor0-log={self.log_path}", "nokaslr",
                             ("-icount", icount, *DETERMINISTIC, "-display", "none", *args),
                             accel="tcg", initramfs=profile)
        self.process = QemuProcess(config.boot_args(), directory / f"{name}.log")
        self._serial, chardev = self.process.channel("serial")
        self.process.args += [*chardev, "-serial", "chardev:serial"]
        self._serial.settimeout(self.process.timeout)

    def __enter__(self) -> "Machine":
        self.process.__enter__()
        self.qmp = self.process.qmp
        return self

    def __exit__(self, *exc) -> None:
        self.process.close()
        self._serial.close()

    def wait_for(self, text: str) -> None:
        seen = ""
        while text not in seen:
            data = self._serial.recv(4096)
            if not data:
                raise self.process.died(f"ended before '{text}'")
            seen = seen[-len(text):] + data.decode(errors="replace")

    def wait_for_stream(self) -> None:
        """Then stop."""
        self.wait_for("streaming")
        self.stop()

    def stop(self) -> None:
        self.qmp.cmd("stop")

    def cont(self) -> None:
        self.qmp.cmd("cont")

    def run(self) -> None:
        """Let a stopped machine go on for a little while."""
        self.cont()
        time.sleep(0.05)
        self.stop()

    @property
    def log(self) -> BusLog:
        """The machine is stopped."""
        return read_log(self.log_path)

    def run_undisturbed(self, seq: int) -> list[Record]:
        """Let a new machine run, without a stop, until its log has record SEQ; the log."""
        while self.log_path.stat().st_size < (seq + 1) * RECORD_SIZE + HEAD_SIZE:
            if not self.process.alive():
                raise self.process.died(f"ended before record {seq}")
            time.sleep(0.05)
        self.stop()
        return self.log.records

    def run_until(self, seq: int) -> list[Record]:
        """Let a stopped machine go on until its log has record SEQ; the log."""
        for _ in range(1000):
            self.run()
            records = self.log.records
            if records and records[-1].seq >= seq:
                return records
        raise QemuError(f"record {seq} does not come")


def snapshots(source: Machine, state: Path) -> Iterator[int]:
    """Save the machine between and in frames by turns; each time the next record's number."""
    records = source.log.records
    for number in range(POINTS):
        records = source.run_until(records[-1].seq + 1)
        while in_frame(records) != bool(number % 2):
            records = source.run_until(records[-1].seq + 1)
        state.unlink(missing_ok=True)
        source.qmp.migrate(f"file:{state}")
        yield records[-1].seq + 1


def in_frame(records: list[Record]) -> bool:
    """Is a camera frame under way?"""
    kinds = [r.kind for r in records if r.master == 0]
    return kinds[::-1].index(FRAME_START) < kinds[::-1].index(FRAME_DONE)


def captured_hashes(records: list[Record]) -> list[int]:
    """Of whole and distinct camera frames."""
    done = [r for r in records if r.kind == FRAME_DONE and r.master == 0]
    assert not any(r.status for r in done)
    hashes = [r.b for r in done]
    assert all(hashes) and len(set(hashes)) == len(hashes)
    return hashes


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
