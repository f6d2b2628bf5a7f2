# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that streams and repeats, and the log of its bus."""

import time
from pathlib import Path

from harness.buslog import FRAME_DONE, HEAD_SIZE, RECORD_SIZE, BusLog, Record, read_log, read_tail
from harness.errors import QemuError
from harness.guest import GuestConfig
from harness.initramfs import extend
from harness.polling import until
from harness.process import QemuProcess

ICOUNT = "shift=3,sleep=off"
DETERMINISTIC = ("-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1")
# What the shell of the serial line starts with: nothing has to be typed, which would not repeat.
PROFILE = b"""
baton-pipeline --pattern --size 320x240 --format XR24 --frames 0 --hash >/dev/null 2>&1 &
sleep 1
echo streaming
"""


class Machine:
    """A guest with one CPU and nothing but its serial line, so that nothing else disturbs it."""

    def __init__(self, directory: Path, name: str, icount: str = ICOUNT,
                 args: tuple[str, ...] = (), heard: bool = True):
        """HEARD: somebody reads the serial line, which else stops the machine when it is full."""
        self.log_path = directory / f"{name}.bus"
        profile = extend({"etc/profile": PROFILE}, directory / "initramfs")
        config = GuestConfig("baton-uni", f"monitor0-log={self.log_path}", "nokaslr",
                             ("-icount", icount, *DETERMINISTIC, "-display", "none", *args),
                             initramfs=profile)
        self.process = QemuProcess(config.boot_args(), directory / f"{name}.log")
        self._serial, chardev = self.process.channel("serial")
        if not heard:
            chardev = ["-chardev", "null,id=serial"]
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

        def size() -> int:
            if not self.process.alive():
                raise self.process.died(f"ended before record {seq}")
            time.sleep(0.05)
            return self.log_path.stat().st_size

        until(size, lambda size: size >= (seq + 1) * RECORD_SIZE + HEAD_SIZE, f"record {seq}")
        self.stop()
        return self.log.records

    def recent(self, count: int) -> list[Record]:
        """Of the log, the end; the machine is stopped."""
        return read_tail(self.log_path, count)

    def go_on(self, seq: int) -> None:
        """Let a stopped machine run until its log has record SEQ."""
        for _ in range(1000):
            self.run()
            if any(record.seq >= seq for record in self.recent(1)):
                return
        raise QemuError(f"record {seq} does not come")

    def run_until(self, seq: int) -> list[Record]:
        """Let a stopped machine go on until its log has record SEQ; the log."""
        self.go_on(seq)
        return self.log.records


def captured_hashes(records: list[Record]) -> list[int]:
    """Of whole and distinct camera frames."""
    done = [r for r in records if r.kind == FRAME_DONE and r.master == 0]
    assert not any(r.status for r in done)
    hashes = [r.b for r in done]
    assert all(hashes) and len(set(hashes)) == len(hashes)
    return hashes
