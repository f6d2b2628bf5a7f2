# SPDX-License-Identifier: GPL-2.0-or-later
"""The bus monitor as the host sees it: log, clock, QOM; saved and loaded in mid-frame."""

import struct
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.buslog import FRAME_DONE, FRAME_START, MARK, BusLog, Record, first_difference, read_log
from harness.image import create_image
from harness.qtest import QtestMachine
from harness.regs import monitor as regs
from model.camera import XRGB8888, Camera
from model.display import PRIMARY, Buffer, Display, Mode
from model.display import regs as display_regs
from model.monitor import COUNT, EVENTS, TRANSFERS, Monitor

INTERVAL = 10_000_000
FRAME_BYTES = 64 * 64 * 4


def start(m: QtestMachine) -> tuple[Monitor, Camera, Display]:
    """Both engines at work on the same picture size, with other frame rates."""
    camera, display = Camera(m), Display(m)
    camera.setup(64, 64, XRGB8888, interval=INTERVAL)
    for number in range(7):
        camera.queue(camera.buffer(number))
    display.set_mode(Mode())
    display.show(PRIMARY, Buffer.noise("XR24", 64, 64, 1))
    display.commit()
    camera.enable()
    display.enable(display_regs.DISP_CTRL.HASH)
    return Monitor(m), camera, display


def marks(m: QtestMachine, path: Path) -> list[int]:
    return [r.a for r in finished_log(m, path).records if r.kind == MARK]


def finished_log(m: QtestMachine, path: Path) -> BusLog:
    m.qmp.cmd("stop")
    return read_log(path)


def options(directory: Path, *names: str) -> str:
    return ",".join(f"monitor0-{name}={directory / name}" for name in names)


def test_log_needs_nobody_to_enable_it(qtest, artifacts):
    m = qtest(machine=options(artifacts, "log"))
    monitor, camera, _ = start(m)
    m.clock_step(3 * INTERVAL)
    monitor.reset()
    monitor.mark(77)
    camera.disable()
    log = finished_log(m, artifacts / "log")
    assert log.masters == ["camera0", "display0"]
    assert not log.icount
    assert sum(r.bytes for r in log.of("camera0") if r.is_pixels) == 3 * FRAME_BYTES
    assert len(log.of("camera0", FRAME_START)) == 4
    done = log.of("display0", FRAME_DONE)
    assert sum(r.bytes for r in log.of("display0") if r.is_pixels) // FRAME_BYTES == len(done)
    assert len(done) > 200
    assert [r.a for r in log.records if r.kind == MARK] == [77]
    assert monitor.log_count == 0


def test_log_has_the_records_of_the_ring(qtest, artifacts):
    m = qtest(machine=options(artifacts, "log"))
    Monitor(m).enable(TRANSFERS, EVENTS)
    monitor, _, _ = start(m)
    m.clock_step(INTERVAL)
    ring = monitor.records
    assert len(ring) > 500
    assert finished_log(m, artifacts / "log").records[:len(ring)] == ring


def test_log_is_complete_at_the_end(artifacts):
    with QtestMachine(machine=options(artifacts, "log")) as m:
        start(m)
        m.clock_step(INTERVAL // 2)
        Monitor(m).mark(5)
        m.qmp.cmd("quit")
    assert read_log(artifacts / "log").records[-1].kind == MARK


def test_full_disk(artifacts):
    """A log that cannot be written ends with a message, and the machine goes on."""
    with QtestMachine(machine="monitor0-log=/dev/full") as m:
        monitor, camera, _ = start(m)
        m.clock_step(INTERVAL)
        m.qmp.cmd("stop")
        assert "the log '/dev/full' is incomplete: No space left on device" in m.log
        monitor.mark(1)
        assert camera.status(0).status == 1


def test_clock(qtest, artifacts):
    m = qtest(machine=options(artifacts, "log", "clock"))
    monitor, _, _ = start(m)
    clock = artifacts / "clock"
    assert clock.stat().st_size == 4096
    for _ in range(40):
        m.clock_step()
        monitor.mark(0)
        magic, interval = struct.unpack_from("<8sQ", clock.read_bytes())
        assert magic == b"BATONCLK"
        assert interval == monitor.read(regs.MON_INTERVAL)
    events = [r for r in finished_log(m, artifacts / "log").records if not r.is_transfer]
    assert [r.interval for r in events] == list(range(1, interval + 1))


def test_qom_properties(qtest):
    m = qtest()
    Monitor(m).enable(COUNT, TRANSFERS, EVENTS)
    monitor, _, _ = start(m)
    m.clock_step(INTERVAL // 4)
    counters = monitor.qom("counters")
    assert list(counters) == ["camera0", "display0"]
    for number, name in enumerate(counters):
        assert {key.replace("-", "_"): value for key, value in counters[name].items()} == \
            asdict(monitor.counters(number))
        assert counters[name]["read-bytes"]
    records = monitor.qom("records")
    assert [Record(**r) for r in records] == monitor.records
    assert len(records) > 100


def observe(monitor: Monitor) -> dict:
    """Everything a guest can see but the ring."""
    return {
        "registers": {name: monitor.read(reg) for name, reg in regs.registers.items()
                      if not name.startswith("MASTER_")},
        "masters": [(monitor.name(n), monitor.counters(n), monitor.vblank(n)) for n in (0, 1)],
    }


def assert_alike(one: Monitor, other: Monitor) -> None:
    assert observe(one) == observe(other)
    assert first_difference(one.records, other.records) == ""


@pytest.mark.parametrize("when", [0, 1_234_567, 2 * INTERVAL + 4_100_000])
def test_continues_after_migration(qtest, artifacts, when):
    machines = []
    for name in ("reference", "saved"):
        m = qtest(machine=f"monitor0-log={artifacts / name}")
        Monitor(m).enable(COUNT, TRANSFERS, EVENTS)
        monitor, _, _ = start(m)
        monitor.mark(3)
        if when:
            m.clock_step(when)
        machines.append(monitor)
    reference, saved = machines
    snapshot = saved.m.save(artifacts / "state")
    resumed = Monitor(qtest(machine=f"monitor0-log={artifacts / 'resumed'}", incoming=snapshot))
    assert_alike(resumed, reference)
    for monitor in (reference, resumed):
        monitor.m.clock_step(3 * INTERVAL)
        monitor.mark(4)
    assert_alike(resumed, reference)
    # The log goes on where that of the saved machine ended.
    first = read_log(artifacts / "saved")
    rest = finished_log(resumed.m, artifacts / "resumed")
    whole = finished_log(reference.m, artifacts / "reference")
    assert first_difference(first.records + rest.records, whole.records) == ""
    assert first.masters == rest.masters == whole.masters


def test_log_goes_back_with_the_machine(qtest, artifacts):
    """What came after the snapshot is forgotten; SEQ has no gap, which read_log() checks."""
    image, path = create_image(artifacts / "snapshots"), artifacts / "log"
    m = qtest(machine=f"monitor0-log={path}", args=("-drive", f"if=none,file={image}"))
    monitor = Monitor(m)

    def mark(*values: int) -> list[int]:
        m.qmp.cmd("cont")
        for value in values:
            monitor.mark(value)
        return marks(m, path)

    def hmp(line: str) -> None:
        assert m.qmp.hmp(line) == ""

    hmp("savevm none")
    mark(1, 2)
    hmp("savevm two")
    assert mark(3, 4, 5) == [1, 2, 3, 4, 5]
    hmp("savevm five")
    hmp("loadvm two")
    assert marks(m, path) == [1, 2]
    assert mark(6) == [1, 2, 6]
    hmp("loadvm five")      # not from here: a log begins anew
    assert mark(7) == [7]
    assert read_log(path).records[0].seq == 5
    hmp("loadvm two")       # before its beginning
    assert mark(8, 9) == [8, 9]
    hmp("loadvm two")
    assert mark(10) == [10]
    hmp("loadvm none")
    assert mark(11) == [11]
    assert read_log(path).masters == ["camera0", "display0"]
