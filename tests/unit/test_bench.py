# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmarks' results, and their code with counts too small to measure anything."""

import json
from functools import partial

import pytest

from bench import about, monitor, moves, streams, witness
from bench.results import Results
from harness.buslog import FRAME_DONE, read_log
from harness.cli import UserError
from harness.guest import GuestConfig


@pytest.mark.parametrize(("runs", "goal", "value", "met"), [
    ([3, 1, 2], "<= 2", 2, True),
    ([3, 1, 2], "<= 1.5", 2, False),
    ([1, 9], ">= 5", 5, True),
    (0, "= 0", 0, True),
    (1, "= 0", 1, False),
    (7.5, "", 7.5, None),
])
def test_median_and_goal(tmp_path, capsys, runs, goal, value, met):
    results = Results()
    assert results.add("what", runs, "s", goal) == value
    results.write(tmp_path / "new" / "bench.json", {"commit": "c0ffee"})
    document = json.loads((tmp_path / "new" / "bench.json").read_text())
    (entry,) = document["measurements"]
    assert document["commit"] == "c0ffee"
    assert (entry["value"], entry["goal"], entry["met"]) == (value, goal, met)
    assert ("MISSED" in capsys.readouterr().out) == (met is False)


def test_a_kernel_with_checks_is_not_measured(tmp_path, monkeypatch):
    for config in ("debug", "release"):
        (tmp_path / f"6.12.1-{config}-0123456789abcdef").mkdir()
    monkeypatch.setattr(about.paths, "BUILD", tmp_path)
    link = tmp_path / "linux"
    link.symlink_to("6.12.1-release-0123456789abcdef")
    about.release_kernel()
    link.unlink()
    link.symlink_to("6.12.1-debug-0123456789abcdef")
    with pytest.raises(UserError, match="is debug"):
        about.release_kernel()


def test_what_was_measured_is_told():
    told = about.about()
    assert len(told["commit"]) == 40
    assert "QEMU emulator version 10." in told["qemu"]
    assert told["kernel"].split(".")[0] in ("6", "7")


@pytest.fixture
def measured(artifacts, monkeypatch):
    """Run a benchmark with tiny counts; its measurements by name."""
    for module, name, value in (
        (streams, "_RUNS", 1), (streams, "_REAL_TIME_RUNS", 1), (streams, "_REAL_TIME_FRAMES", 6),
        (streams, "_FREE_FRAMES", 6), (streams, "_COPY_FRAMES", 3), (moves, "_RUNS", 1),
        (moves, "_SIZES", {"small": 1 << 20, "large": 2 << 20}),
        (moves, "GuestConfig", partial(GuestConfig, kernel_args="mem=1280M")),  # soon full
        (monitor, "_RUNS", 1), (monitor, "_FRAMES", 6),
        (witness, "_RUNS", 1), (witness, "_FRAMES", 3),
    ):
        monkeypatch.setattr(module, name, value)

    def run(benchmark) -> dict:
        results = Results()
        benchmark(results, artifacts)
        results.write(artifacts / "bench.json", {})
        entries = json.loads((artifacts / "bench.json").read_text())["measurements"]
        return {entry["name"]: entry for entry in entries}

    return run


@pytest.mark.parametrize(("benchmark", "count"), [
    (streams.first_frame, 2), (streams.real_time, 5), (moves.moves, 9), (witness.cost, 12),
], ids=["first_frame", "real_time", "moves", "witness"])
def test_benchmark_runs(measured, benchmark, count):
    assert_complete(measured(benchmark), count)


def assert_complete(entries: dict, count: int) -> None:
    assert len(entries) == count
    assert all(entry["runs"] for entry in entries.values())


def test_bytes_on_the_bus_are_those_of_the_frames(measured):
    entries = measured(streams.free_running)
    others = [entry for name, entry in entries.items() if "other than" in name]
    assert len(others) == 2 and all(entry["met"] for entry in others)
    assert "Cost of hashing every frame at both engines" in entries


def _counted(guest) -> int | None:
    """Bytes that the bus monitor counted; None: there is none."""
    if "monitor0" not in [child["name"] for child in guest.qmp.cmd("qom-list", path="/machine")]:
        return None
    masters = guest.qmp.cmd("qom-get", path="/machine/monitor0", property="counters")
    return sum(master["read-bytes"] + master["write-bytes"] for master in masters.values())


def test_the_monitor_is_what_each_case_says(measured, monkeypatch, artifacts):
    found = []

    def fps(guest, *options) -> float:
        rate = streams.fps(guest, *options)
        found.append((_counted(guest), guest.config.machine))
        return rate

    monkeypatch.setattr(monitor, "fps", fps)
    assert_complete(measured(monitor.cost), 7)
    (absent, *_), (off, *_), (on, no_files), (logging, _) = found
    assert (absent, off, no_files) == (None, 0, "")
    assert min(on, logging) >= 6 * 2 * streams.FRAME_BYTES
    assert read_log(artifacts / "bus-monitor" / "bus.log").of("camera0", FRAME_DONE)
