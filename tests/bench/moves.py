# SPDX-License-Identifier: GPL-2.0-or-later
"""What it takes to move a buffer: the display imports one that it does not reach."""

import json
from pathlib import Path

from harness import pipeline
from harness.buffers import HIGH, POOL, buffers
from harness.guest import Guest, GuestConfig
from harness.kms import Kms

from .results import Results

_SIZES = {"8.3 MB": 1920 * 1080 * 4, "33 MB": 3840 * 2160 * 4}
_RUNS = 5
_FRAMES = 30
_ALONE = (10, 30)  # frames before the first move
_COUNTS = range(3, 7)
_STREAMS = (("1080p60", "1920x1080", "XR24", "<= 4"), ("2160p60 NV12", "3840x2160", "NV12", ""),
            ("2160p60", "3840x2160", "XR24", ""))
_EXACT_TIME = {"qemu_args": ("-icount", "shift=3,sleep=off")}


def moves(results: Results, out: Path) -> None:
    with Guest(GuestConfig(), out / "moves") as guest:
        kms = Kms(guest)
        copies = {size: _memcpy_seconds(guest, size) for size in _SIZES.values()}
        for name, size in _SIZES.items():
            times = [_move(kms, size) for _ in range(_RUNS)]
            results.add(f"Move of {name}", [t * 1e3 for t in times], "ms")
            ratios = [t / copies[size] for t in times]
            results.add(f"Move of {name} / guest memcpy", ratios, "", "<= 1.5")
        results.add("Attach without a move", [t * 1e6 for t in _attach(kms)], "us")
        _fill_pool(guest)
        for name, size in _SIZES.items():
            times = [_move(kms, size) for _ in range(_RUNS)]
            name = f"Move of {name}, pool full of page cache"
            results.add(name, [t * 1e3 for t in times], "ms")
            results.add(f"{name} / guest memcpy", [t / copies[size] for t in times], "", "<= 1.5")


def _memcpy_seconds(guest: Guest, size: int) -> float:
    report = json.loads(guest.run(f"baton-memcpy {round(size / (1 << 20))}").stdout)
    return size / (report["median_mb_per_s"] * 1e6)


def _filled(kms: Kms, size: int) -> int:
    """A buffer of the heap that the CPU has written, scattered in the upper bank."""
    fd = kms.number("heap", "baton", size)
    kms.guest.run(f"head -c {size} /dev/zero >/tmp/zeroes")
    kms("load_fd", fd, size, "/tmp/zeroes")
    assert buffers(kms.guest)[-1].start in HIGH
    return fd


def _timed_import(kms: Kms, fd: int) -> float:
    """Seconds; the display then lets go of it."""
    handle, ns = kms("import", fd)
    assert buffers(kms.guest)[-1].start in POOL
    kms("free", handle)
    return int(ns) / 1e9


def _move(kms: Kms, size: int) -> float:
    fd = _filled(kms, size)
    seconds = _timed_import(kms, fd)
    assert buffers(kms.guest)[-1].generation == 2
    kms("close", fd)
    return seconds


def _attach(kms: Kms) -> list[float]:
    fd = _filled(kms, min(_SIZES.values()))
    _timed_import(kms, fd)
    times = [_timed_import(kms, fd) for _ in range(4 * _RUNS)]
    assert buffers(kms.guest)[-1].generation == 2
    kms("close", fd)
    return times


_FILL = """
mkdir /tmp/full && mount -t tmpfs -o size=100% full /tmp/full && cd /tmp/full || exit 1
dd if=/dev/zero of=spare bs=1M count=256
while [ $(awk '/CmaFree/ { print $2 }' /proc/meminfo) -gt 16384 ]; do
    dd if=/dev/zero bs=1M count=16 >>zeroes || exit 1
done
rm spare
"""


def _fill_pool(guest: Guest) -> None:
    """Files take all contiguous memory; there is room elsewhere to which they can go."""
    guest.run(_FILL)


def moves_while_streaming(results: Results, out: Path) -> None:
    """With how few buffers a camera goes on undisturbed while the display attaches to them."""
    for name, size, pixels, goal in _STREAMS:
        for count in _COUNTS:
            runs = [_disturbed(out / f"moves-{name}-{count}-{alone}", size, pixels, count, alone)
                    for alone in _ALONE]
            if not any(map(any, runs)):
                break
        else:
            count = 0
        late, lost = map(list, zip(*runs, strict=True))
        results.add(f"{name}: frames delayed by moves", late, "frames", goal and "= 0")
        results.add(f"{name}: frames lost by moves", lost, "frames", goal and "= 0")
        results.add(f"{name}: fewest buffers for none", count, "buffers", goal,
                    "" if count else f"not with {_COUNTS[0]} to {_COUNTS[-1]}")


def _disturbed(out: Path, size: str, pixels: str, count: int, alone: int) -> tuple[int, int]:
    """Frames that came late, and lost ones. Guest time is exact here: the moves did it."""
    with Guest(GuestConfig(**_EXACT_TIME), out) as guest:
        report = pipeline.run(guest, "--pattern", "--size", size, "--fps", "60", "--format", pixels,
                              "--buffers", str(count), "--attach-after", str(alone),
                              "--frames", str(_FRAMES), "--hash")
    assert all(len(buffer["places"]) == 2 for buffer in report["buffers"])
    times = [frame["timestamp_ns"] for frame in report["frames"]]
    late = sum(after - before > 1.01e9 / 60
               for before, after in zip(times, times[1:], strict=False))
    return late, report["summary"]["dropped_by_camera"]
