# SPDX-License-Identifier: GPL-2.0-or-later
"""Back to the frame in which an address was last written: by an engine, by a CPU."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from determinism.machine import ICOUNT, Machine
from harness import paths
from harness.buslog import FRAME_DONE, FRAME_START, WRITE, BusLog, Record
from harness.image import create_image
from harness.lastwrite import last_frame
from harness.pixels import frame_hash

STREAM = 3000           # records of the stream that is recorded
FRAMES = 3              # to find; the pipeline has more buffers
TIMEOUT = 300           # of the way from the snapshot at the beginning


class Recording:
    """Of a machine that can go back to its snapshot from before the first instruction."""

    def __init__(self, directory: Path):
        self._file = directory / "recording"
        self._image = create_image(directory / "snapshots")
        with self._machine(directory, "record") as machine:
            machine.wait_for_stream()
            machine.run_until(machine.log.records[-1].seq + STREAM)
            machine.qmp.cmd("quit")
            machine.process.wait()
            self.log = machine.log

    def _machine(self, directory: Path, mode: str, *args: str) -> Machine:
        icount = f"{ICOUNT},rr={mode},rrfile={self._file},rrsnapshot=start"
        drive = ("-drive", f"if=none,file={self._image}")
        return Machine(directory, mode, icount, (*drive, *args), heard=mode == "record")

    def replay(self, directory: Path, *args: str) -> Machine:
        return self._machine(directory, "replay", "-S", *args)


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Recording:
    return Recording(tmp_path_factory.mktemp("recording"))


def seek(machine: Machine, insns: int) -> BusLog:
    """Go to where INSNS instructions have retired, forwards or backwards; the log."""
    machine.qmp.events()
    machine.qmp.cmd("replay-seek", icount=insns)
    machine.qmp.wait_event("RESUME")
    machine.qmp.wait_event("STOP", TIMEOUT)
    assert machine.qmp.cmd("query-replay")["icount"] == insns
    return machine.log


def last_insns(log: BusLog) -> int:
    return next(r.insns for r in reversed(log.records) if not r.is_transfer)


def frame_records(log: BusLog, start: Record) -> list[Record]:
    """From a camera frame's START to its FRAME_DONE."""
    done = next(at for at, r in enumerate(log.records)
                if (r.kind, r.master, r.a) == (FRAME_DONE, start.master, start.a))
    return log.records[start.seq:done + 1]


def hash_in_memory(machine: Machine, records: Sequence[Record]) -> int:
    """Of the picture that lies where the frame of RECORDS is written."""
    file = machine.log_path.with_name("memory")
    pixels = b""
    for record in records:
        if record.kind == WRITE and record.is_pixels and record.master == records[0].master:
            machine.qmp.cmd("pmemsave", val=record.cpu, size=record.bytes, filename=str(file))
            pixels += file.read_bytes()
    return frame_hash("XR24", 320, 240, pixels)


def is_beginning(part: BusLog, whole: BusLog) -> bool:
    return part.records == whole.records[:len(part.records)]


def test_frame_in_which_the_camera_last_wrote_an_address(recording: Recording, artifacts: Path):
    log = recording.log
    end = last_insns(log)  # the machine stops there before the first of what happens
    done = max(r.a for r in log.of("camera0", FRAME_DONE) if r.insns < end)
    starts = [r for r in log.of("camera0", FRAME_START) if done - FRAMES < r.a <= done]
    with recording.replay(artifacts) as machine:
        for start in starts:
            frame = frame_records(log, start)
            address = next(r.cpu for r in frame if r.kind == WRITE) + 100
            found, _ = last_frame(seek(machine, end), address)
            assert found == start
            assert hash_in_memory(machine, frame) == frame[-1].b

            before = seek(machine, found.insns)
            assert is_beginning(before, log)
            assert {r.insns for r in log.records[len(before.records):start.seq + 1]
                    if not r.is_transfer} == {start.insns}
            former = frame_records(log, last_frame(before, address)[0])
            assert former[-1].b != frame[-1].b
            assert hash_in_memory(machine, frame) == former[-1].b

            after = seek(machine, frame[-1].insns + 1)
            assert is_beginning(after, log) and frame[-1] in after.records
            assert hash_in_memory(machine, frame) == frame[-1].b


SHOW = r'printf "value %lu\n", *(unsigned long *)&jiffies_64'
# reverse-continue stops behind the instruction that a watchpoint watches for.
GDB = f"""
set pagination off
target remote {{socket}}
{SHOW}
watch *(unsigned long *)&jiffies_64
reverse-continue
{SHOW}
delete
reverse-stepi
info symbol $pc
{SHOW}
stepi
{SHOW}
disconnect
"""


def gdb(script: Path) -> str:
    command = ["gdb-multiarch", "-batch", "-nx", "-x", script, paths.BUILD / "linux" / "vmlinux"]
    return subprocess.run(command, cwd=paths.ROOT, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=3 * TIMEOUT).stdout


def test_instruction_with_which_a_cpu_last_wrote_an_address(recording: Recording, artifacts: Path):
    log = recording.log
    socket = os.path.relpath(artifacts / "gdb", paths.ROOT)
    script = artifacts / "script.gdb"
    script.write_text(GDB.format(socket=socket))
    with recording.replay(artifacts, "-gdb", f"unix:{socket},server=on,wait=off") as machine:
        seek(machine, last_insns(log))
        said = gdb(script)
        there = machine.log
    last, *values = map(int, re.findall(r"^value (\d+)$", said, re.M))
    stopped, before, again = values
    assert stopped == again == last > before  # by several ticks if the CPUs were idle
    assert re.search(r"^tick_do_update_jiffies64 \+ ", said, re.M)
    # The log tells the frame.
    assert is_beginning(there, log)
    assert there.of("camera0", FRAME_START)
