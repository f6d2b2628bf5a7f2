# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus monitor's driver: perf events and debugfs."""

from dataclasses import dataclass

import pytest

from harness.buslog import VBLANK, read_log
from harness.guest import Guest
from harness.program import Program
from harness.v4l2 import FREE_RUNNING, V4l2

DEBUGFS = "/sys/kernel/debug/baton-monitor"
PMU = "/sys/bus/event_source/devices/baton_monitor"
COUNTERS = ("read_bytes", "write_bytes", "reads", "writes", "errors")
MASTERS = ("camera0", "display0")
WIDTH, HEIGHT = 320, 240
FRAME = WIDTH * HEIGHT * 4
DESC, WRITTEN_BACK = 64, 32
EXACT_TIME = {"dtb": "baton-uni", "qemu_args": ("-icount", "shift=3,sleep=off")}


@dataclass
class Monitor:
    guest: Guest

    def set(self, name: str, value: int) -> None:
        self.guest.run(f"echo {value} >{DEBUGFS}/{name}")

    def get(self, name: str) -> str:
        return self.guest.run(f"cat {DEBUGFS}/{name}").stdout

    @property
    def cpu(self) -> int:
        """Which takes care of the perf events."""
        return int(self.guest.run(f"cat {PMU}/cpumask").stdout)

    @property
    def masters(self) -> dict[str, dict[str, int]]:
        found = {}
        for line in self.get("masters").splitlines():
            name, *words = line.split()
            found[name] = {key: int(value) for key, value in (word.split("=") for word in words)}
        return found

    @property
    def log(self) -> list[dict[str, str]]:
        return [dict(word.split("=") for word in line.split())
                for line in self.get("log").splitlines()]


@pytest.fixture
def monitor(guest: Guest) -> Monitor:
    guest.run("modprobe baton-monitor")
    yield Monitor(guest)
    guest.run("rmmod baton-monitor")


def capture(guest: Guest, frames: int) -> None:
    camera = V4l2(guest)
    camera.set_format("XR24", WIDTH, HEIGHT)
    camera.start(buffers=frames)
    for _ in range(frames):
        camera.capture()
    camera.stop()
    camera.close()


def test_perf_events(monitor: Monitor):
    guest = monitor.guest
    for master, name in enumerate(MASTERS):
        for event, counter in enumerate(COUNTERS):
            text = guest.run(f"cat {PMU}/events/{name}_{counter}").stdout
            assert text == f"event=0x{event:02x},master=0x{master:02x}\n"
    assert guest.run(f"cat {PMU}/format/event {PMU}/format/master").stdout == \
        "config:0-7\nconfig:8-15\n"
    assert monitor.cpu in (0, 1)


def test_perf_counts(monitor: Monitor):
    perf = Program(monitor.guest, "perf", "baton_monitor")
    events = [perf.number("open", config, 0) for config in range(len(COUNTERS))]
    capture(monitor.guest, 3)
    read_bytes, write_bytes, reads, writes, errors = (perf.number("count", e) for e in events)
    frames = write_bytes // FRAME
    assert frames >= 3
    assert errors == 0
    assert reads >= 2 * frames
    assert writes >= (HEIGHT // 16 + 2) * frames
    assert read_bytes > DESC * frames
    for event in events:
        perf("close", event)
    # Nobody counts: the counters stand still.
    before = monitor.masters["camera0"]
    assert before["write_bytes"] == write_bytes
    capture(monitor.guest, 1)
    assert monitor.masters["camera0"] == before
    perf.close()


def test_perf_refusals(monitor: Monitor):
    perf = Program(monitor.guest, "perf", "baton_monitor")
    assert perf.refused("open", len(COUNTERS), 0) == "EINVAL"
    assert perf.refused("open", len(MASTERS) << 8, 0) == "EINVAL"
    assert perf.refused("open", 1 << 16, 0) == "EINVAL"
    assert perf.refused("open", 0, 0, 1) == "ENOTSUP"
    assert perf.refused("open", 0, 0, -1, 1000) == "ENOTSUP"
    perf.close()


def test_events_follow_the_cpus(monitor: Monitor):
    guest = monitor.guest
    perf = Program(guest, "perf", "baton_monitor")
    event = perf.number("open", 1, 0)
    capture(guest, 1)
    counted = perf.number("count", event)
    cpu = monitor.cpu
    guest.run(f"echo 0 >/sys/devices/system/cpu/cpu{cpu}/online")
    assert monitor.cpu == 1 - cpu
    capture(guest, 1)
    assert perf.number("count", event) >= counted + FRAME
    guest.run(f"echo 1 >/sys/devices/system/cpu/cpu{cpu}/online")
    perf.close()


def test_log(monitor: Monitor):
    """Of one frame, and nothing else: else a host that is late would find the ring overrun."""
    monitor.guest.run("echo 31000000.display >/sys/bus/platform/drivers/baton-display/unbind")
    camera = V4l2(monitor.guest)
    camera.set_format("XR24", WIDTH, HEIGHT)
    camera("control", FREE_RUNNING, 1)
    monitor.set("transfers", 1)
    monitor.set("events", 1)
    monitor.set("mark", 11)
    camera.start(buffers=1)
    camera.dequeue()
    monitor.set("mark", 12)
    log = monitor.log
    camera.close()
    marks = [n for n, r in enumerate(log) if r["kind"] == "MARK"]
    assert [int(log[n]["a"], 16) for n in marks] == [11, 12]
    begin, end = (next(n for n, r in enumerate(log) if r["master"] == "camera0" and
                       r["kind"] == kind) for kind in ("FRAME_START", "FRAME_DONE"))
    assert marks[0] < begin < end < marks[1]
    written = [int(r["c"], 16) for r in log[begin:end]
               if (r["kind"], r["master"], r["plane"]) == ("WRITE", "camera0", "0")]
    assert sum(written) == FRAME
    assert [int(r["seq"]) for r in log] == list(range(int(log[0]["seq"]), int(log[-1]["seq"]) + 1))
    assert monitor.get("mark") == "12\n"


def test_switches(monitor: Monitor):
    for name in ("count", "transfers", "events"):
        assert monitor.get(name) == "0\n"
        monitor.set(name, 1)
        monitor.set(name, 1)
        assert monitor.get(name) == "1\n"
    capture(monitor.guest, 1)
    assert monitor.masters["camera0"]["write_bytes"] >= FRAME
    monitor.set("count", 0)
    assert monitor.guest.run(f"echo {1 << 32} >{DEBUGFS}/mark", check=False).status != 0


def test_instructions_at_vblank(boot, artifacts):
    """Under icount; as the log has them."""
    path = artifacts / "bus.log"
    guest = boot(machine=f"monitor0-log={path}", **EXACT_TIME)
    guest.run("modprobe baton-monitor")
    guest.run("sleep 0.1")
    monitor = Monitor(guest)
    first = monitor.masters["display0"]
    guest.run("sleep 1")
    last = monitor.masters["display0"]
    assert last["vblank_frame"] > first["vblank_frame"]
    assert last["vblank_insns"] > first["vblank_insns"] > 0
    guest.qmp.cmd("stop")
    log = read_log(path)
    guest.qmp.cmd("cont")
    assert log.icount
    vblanks = {(r.a, r.time, r.insns) for r in log.records if r.kind == VBLANK}
    for line in (first, last):
        assert (line["vblank_frame"], line["vblank_time"], line["vblank_insns"]) in vblanks
