# SPDX-License-Identifier: GPL-2.0-or-later
"""Camera to display: latency to the first frame, real time, and as fast as it goes."""

import ctypes
import re
import time
from pathlib import Path

from harness import pipeline
from harness.guest import Guest, GuestConfig

from .results import Results

WIDTH, HEIGHT = 1920, 1080
FRAME_BYTES = WIDTH * HEIGHT * 4
SIZE = ("--size", f"{WIDTH}x{HEIGHT}", "--format", "XR24")
PICTURE = ("--pattern", *SIZE)
FREE = (*PICTURE, "--free-running")
_REAL_TIME_FRAMES = 600
_REAL_TIME_RUNS = 3
_FREE_FRAMES = 600
_COPY_FRAMES = 120
_RUNS = 5


def first_frame(results: Results, out: Path) -> None:
    """QEMU's start to the first flip of a camera picture, with three buffers and as it is."""
    for name, options, goal in (("3 buffers", ("--buffers", "3"), "<= 1.5"), ("default", (), "")):
        times = [_first_frame(out / f"first-frame-{name[0]}{run}", options) for run in range(_RUNS)]
        results.add(f"QEMU start to first camera frame on the display ({name})", times, "s", goal)


def _first_frame(directory: Path, options: tuple[str, ...]) -> float:
    start = time.monotonic()
    with Guest(GuestConfig(), directory) as guest:
        report = pipeline.run(guest, *PICTURE, "--frames", "2", *options)
        return pipeline.host_time(guest, report["summary"]["first_frame_boot_ns"]) - start


def _clocks(guest: Guest) -> tuple[float, float]:
    """Host and guest time, taken together."""
    before = time.monotonic()
    uptime = float(guest.run("cat /proc/uptime").stdout.split()[0])
    return (before + time.monotonic()) / 2, uptime


def real_time(results: Results, out: Path) -> None:
    """600 frames at 60 Hz; elapsed time by the host's clock, not the guest's."""
    nominal = _REAL_TIME_FRAMES / 60
    runs = [_real_time(out / f"real-time{run}") for run in range(_REAL_TIME_RUNS)]
    dropped, underruns, elapsed, memory = map(list, zip(*runs, strict=True))
    name = "1080p60 XRGB, 600 frames"
    # Each run counts: the sum, for a median hides the bad one.
    results.add(f"{name}: dropped in {len(runs)} runs", sum(dropped), "frames", "= 0")
    results.add(f"{name}: underruns in {len(runs)} runs", sum(underruns), "frames", "= 0")
    results.add(f"{name}: host time", elapsed, "s", note=f"nominal {nominal:.3f} s")
    deviation = [abs(seconds / nominal - 1) * 100 for seconds in elapsed]
    results.add(f"{name}: worst deviation", max(deviation), "%", "<= 1")
    results.add("Peak memory of QEMU", memory, "MB")


def _real_time(directory: Path) -> tuple[int, int, float, float]:
    """Frames dropped, underruns, elapsed seconds of the host, peak memory."""
    timing = ("--fps", "60", "--mode", "1920x1080@60", "--frames", str(_REAL_TIME_FRAMES))
    with Guest(GuestConfig(), directory) as guest:
        host0, guest0 = _clocks(guest)
        summary = pipeline.run(guest, *PICTURE, *timing)["summary"]
        host1, guest1 = _clocks(guest)
        memory = _peak_memory(guest.process.pid)
    elapsed = summary["elapsed_ns"] / 1e9 * (host1 - host0) / (guest1 - guest0)
    return summary["dropped"], summary["underruns"], elapsed, memory


def _peak_memory(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError("no VmHWM")


def _host_memcpy() -> float:
    """Frames/s of the host copying a frame twice, as camera and display must."""
    frames = [ctypes.create_string_buffer(FRAME_BYTES) for _ in range(8)]
    count = 0
    start = time.monotonic()
    while time.monotonic() - start < 1:
        for i in range(0, len(frames), 2):
            ctypes.memmove(frames[i], frames[i + 1], FRAME_BYTES)
        count += len(frames) // 2
    return count / 2 / (time.monotonic() - start)


def free_running(results: Results, out: Path) -> None:
    """As fast as it goes, in turn with what it is compared to."""
    memcpy, free, hashed, copy, vivid = [], [], [], [], []
    with Guest(GuestConfig(), out / "free-running") as guest:
        guest.run("modprobe vivid multiplanar=2 && modprobe vkms")
        foreign = _foreign_devices(guest)
        for _ in range(3):
            memcpy.append(_host_memcpy())
            free.append(fps(guest, *FREE, "--frames", str(_FREE_FRAMES)))
            hashed.append(fps(guest, *FREE, "--hash", "--frames", str(_FREE_FRAMES)))
            copy.append(fps(guest, *FREE, "--copy", "--frames", str(_COPY_FRAMES)))
            vivid.append(fps(guest, *SIZE, *foreign, "--frames", str(_COPY_FRAMES)))
        _bus_bytes(results, guest)
    name = "1080p XRGB free running"
    results.add("Host memcpy, two passes", memcpy, "frames/s")
    results.add(name, free, "frames/s")
    results.add("... with --hash", hashed, "frames/s")
    results.add("... with --copy", copy, "frames/s")
    results.add("... vivid to vkms, same kernel", vivid, "frames/s")

    def ratio(other: list[float]) -> list[float]:
        return [a / b for a, b in zip(free, other, strict=True)]

    results.add(f"{name} / host memcpy", ratio(memcpy), "", ">= 0.5")
    cost = [(1 - b / a) * 100 for a, b in zip(free, hashed, strict=True)]
    results.add("Cost of hashing every frame at both engines", cost, "%")
    results.add(f"{name} / --copy", ratio(copy), "")
    results.add(f"{name} / vivid to vkms", ratio(vivid), "")


def fps(guest: Guest, *options: str) -> float:
    return pipeline.run(guest, *options)["summary"]["fps"]


def _foreign_devices(guest: Guest) -> tuple[str, ...]:
    node = guest.run(
        "grep -l vivid-.*-vid-cap /sys/class/video4linux/*/name | head -n 1 | cut -d/ -f5"
    ).stdout.strip()
    card = guest.run(
        "for c in /sys/class/drm/card?; do"
        " case $(readlink $c/device) in *vkms*) echo ${c##*/};; esac; done"
    ).stdout.strip()
    return "--camera", f"/dev/{node}", "--card", f"/dev/dri/{card}"


# Folder of the driver in debugfs, and the counter of what its engine has transferred.
_ENGINES = {
    "camera": ("/sys/kernel/debug/baton-camera.0", "frames"),
    "display": ("/sys/kernel/debug/dri/*.display", "vblanks"),
}


def _counters(guest: Guest, engine: str) -> dict[str, int]:
    text = guest.run(f"cat {_ENGINES[engine][0]}/counters").stdout
    return {name: int(value) for name, value in re.findall(r"(\w+)[ =](\d+)", text)}


def _bus_bytes(results: Results, guest: Guest) -> None:
    """The camera moves every pixel of every frame, the display no more than its pictures'.

    The counters stop in mid-frame, and are read one after the other: a frame more or
    less at either end.
    """
    before = {engine: _counters(guest, engine) for engine in _ENGINES}
    summary = pipeline.run(guest, *FREE, "--frames", str(_FREE_FRAMES))["summary"]
    for engine, (_, counter) in _ENGINES.items():
        after = _counters(guest, engine)
        moved = (after["bytes"] - before[engine]["bytes"]) / FRAME_BYTES
        frames = after[counter] - before[engine][counter]
        name = f"{engine}: bytes on the bus / size"
        results.add(name, moved, "frames", f">= {summary['shown']}", f"{frames} {counter}")
        # A display also counts pictures without a plane, before and after the stream.
        other = max(moved - frames, 0) if engine == "display" else abs(moved - frames)
        results.add(f"{name}, other than {counter}", other, "frames", "<= 1")
