# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs pipelines under the bus monitor and the CPU witness.

The guest starts them by itself, from a script in its initramfs: nothing that the
host does reaches it before the last one has ended, so that a run under icount
repeats bit for bit. Then the host asks for the reports.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import paths
from harness.buslog import Record, read_log
from harness.guest import Guest, GuestConfig
from harness.initramfs import extend
from harness.witness import Witness

from .frames import Tracker
from .receipt import Claim, CpuTouches, Move
from .symbols import Symbols

DEBUGFS = "/sys/kernel/debug"
TRACING = "/sys/kernel/tracing"
# Marks: a pipeline's number << 8, plus
BEGIN, END = 1, 2

DETERMINISTIC = (
    "-icount", "shift=2,sleep=off",
    "-rtc", "base=2026-01-01T00:00:00,clock=vm",
    "-seed", "1",
    "-global", "virtio-mmio.ioeventfd=off",
)  # fmt: skip
KERNEL_ARGS = "nokaslr norandmaps"
EVENTS = ("baton_buf", "irq/irq_handler_entry", "irq/irq_handler_exit", "drm/drm_vblank_event")

_SCRIPT = """#!/bin/sh
[ -e {tracing}/trace ] || mount -t tracefs tracefs {tracing}
cd {tracing}
echo mono >trace_clock
echo 8192 >buffer_size_kb
for event in {events}; do
	[ ! -e events/$event/enable ] || echo 1 >events/$event/enable
done
mark() {{ echo $1 >{debugfs}/baton-monitor/mark; }}
run() {{
	number=$1 companion=$2
	shift 2
	mark $(((number << 8) + {begin}))
	baton-pipeline --json /run/$number.json "$@" 2>/run/$number.err &
	pipeline=$!
	[ -z "$companion" ] || eval "$companion" &
	wait $pipeline
	echo $? >/run/$number.status
	wait
	mark $(((number << 8) + {end}))
}}
# Leaves the last picture on the screen.
hold() {{
	number=$1
	mark $(((number << 8) + {begin}))
	run_held "$@" &
	until grep -qs holding /run/$number.err || [ -e /run/$number.status ]; do
		usleep 10000
	done
	mark $(((number << 8) + {end}))
}}
run_held() {{
	shift 2
	baton-pipeline --hold --json /run/$number.json "$@" >/run/$number.err 2>&1
	echo $? >/run/$number.status
}}
modprobe baton-monitor
{commands}
echo 0 >tracing_on
"""


@dataclass(frozen=True)
class Pipeline:
    name: str
    options: tuple[str, ...]
    claims_zero_copy: bool = True
    camera: str = "camera0"
    display: str = "display0"
    plane: int = 0
    companion: str = ""  # a command to run meanwhile
    hold: bool = False  # the last one may leave its last picture on the screen

    @property
    def frames(self) -> int:
        """How many it is to show."""
        return int(self.options[self.options.index("--frames") + 1])


@dataclass
class Outcome:
    """What the guest told of a pipeline."""

    pipeline: Pipeline
    report: dict | None
    message: str
    first_interval: int
    end_interval: int
    status: int | None  # with which it ended

    def claims(self, tracker: Tracker, clock_offset: int | None) -> list[Claim]:
        """By the display's own numbers of the frames: DRM counts from elsewhere."""
        latches = self._latches(tracker)
        if clock_offset is None or not latches:
            return []
        frames = self.report["frames"] if self.report else []
        shown = [frame for frame in frames if frame["shown_frame"] is not None]
        ahead = Counter(
            frame["shown_frame"] - _nearest(latches, frame["flip_ns"] - clock_offset).a
            for frame in shown
        )
        [(difference, _)] = ahead.most_common(1) or [(0, 0)]
        return [Claim(frame["sequence"], frame["shown_frame"] - difference) for frame in shown]

    def _latches(self, tracker: Tracker) -> list[Record]:
        """Of its display, while it ran."""
        return [
            latch
            for latch in tracker.latches
            if self.first_interval <= latch.interval < self.end_interval
            and tracker.log.master(latch) == self.pipeline.display
        ]

    def doubts(self, claims: int) -> list[str]:
        """Why its CLAIMS are not the whole story, even if each of them is true."""
        doubts = []
        if self.status != 0:
            doubts.append(f"the pipeline ended with status {self.status}: {self.message}")
        if claims < self.pipeline.frames:
            doubts.append(f"it showed {claims} frames instead of {self.pipeline.frames}")
        return doubts


def _nearest(records: Sequence[Record], time: int) -> Record:
    return min(records, key=lambda record: abs(record.time - time))


class Window(NamedTuple):
    """What a bus master reaches."""

    bus: int
    address: int
    bytes: int


@dataclass
class Evidence:
    """All that is known of a run."""

    outcomes: list[Outcome]
    tracker: Tracker
    touches: CpuTouches
    symbols: Symbols
    moves: list[Move]
    trace: str
    clock_offset: int | None  # guest's CLOCK_MONOTONIC - the monitor's time
    virtio: list[str]
    windows: dict[str, list[Window]]


def script(pipelines: Sequence[Pipeline]) -> str:
    commands = [
        shlex.join(
            ["hold" if pipeline.hold else "run", str(number), pipeline.companion, *pipeline.options]
        )
        for number, pipeline in enumerate(pipelines, 1)
    ]
    return _SCRIPT.format(
        tracing=TRACING,
        debugfs=DEBUGFS,
        events=" ".join(EVENTS),
        begin=BEGIN,
        end=END,
        commands="\n".join(commands),
    )


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")


def config(
    directory: Path,
    pipelines: Sequence[Pipeline],
    machine: str = "",
    dtb: str = "baton",
    icount: bool = True,
    files: dict[str, bytes] | None = None,
    kernel_args: str = "",
    qemu_args: Sequence[str] = (),
) -> tuple[GuestConfig, Witness]:
    directory.mkdir(parents=True, exist_ok=True)
    witness = Witness(directory, paths.dtb(dtb))
    monitor = (
        f"monitor0-log={_quoted(directory / 'bus.log')},monitor0-clock={_quoted(witness.clock)}"
    )
    initramfs = extend(
        {"etc/autorun": script(pipelines).encode(), **(files or {})},
        directory / "initramfs.cpio",
    )
    return GuestConfig(
        dtb=dtb,
        machine=",".join(filter(None, [machine, monitor])),
        kernel_args=f"{KERNEL_ARGS} {kernel_args}".rstrip(),
        qemu_args=(
            *witness.qemu_args(),
            *("-trace", "baton_window"),
            *(DETERMINISTIC if icount else ()),
            *qemu_args,
        ),
        initramfs=initramfs,
    ), witness


def _marks(tracker: Tracker) -> dict[int, int]:
    """The interval that each mark began."""
    return {record.a: record.interval for record in tracker.marks}


class Told(NamedTuple):
    """What a pipeline left in the guest."""

    report: dict | None
    message: str
    status: int | None


def _fetch(guest: Guest, number: int) -> Told:
    def content(kind: str) -> str:
        return guest.run(f"cat /run/{number}.{kind}", check=False).stdout.strip()

    report, message, status = map(content, ("json", "err", "status"))
    return Told(json.loads(report) if report else None, message, int(status) if status else None)


def _end_held(guest: Guest, number: int) -> None:
    status = f"/run/{number}.status"
    guest.run(f"killall -INT baton-pipeline; until [ -e {status} ]; do sleep 0.1; done")


def _processes(guest: Guest) -> dict[int, str]:
    lines = guest.run(f"cat {TRACING}/saved_cmdlines", check=False).stdout.splitlines()
    known = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return {int(pid): name for pid, name in known.items()}


_MOVE = re.compile(
    r"(\d+)\.(\d{6}): baton_buf_move_(begin|end): "
    r".*buffer=(\d+) (?:bytes|copied)=(\d+) at=(0x[0-9a-f]+)"
)


def parse_moves(trace: str, offset: int | None) -> list[Move]:
    """OFFSET: of the trace's clock to the monitor's."""
    moves, begun = [], {}
    if offset is None:
        return moves
    for seconds, micros, what, buffer, size, address in _MOVE.findall(trace):
        time = int(seconds + micros) * 1000 - offset
        if what == "begin":
            begun[buffer] = time, int(address, 16), int(size)
        elif buffer in begun:
            begin, source, size_then = begun.pop(buffer)
            moves.append(Move(begin, time, int(buffer), source, int(address, 16), size_then))
    return moves


_ENTRIES = re.compile(r"^# entries-in-buffer/entries-written: (\d+)/(\d+)", re.MULTILINE)


def lost_events(trace: str) -> int | None:
    """How many events the ring of the guest's trace lost; None: it does not tell."""
    match = _ENTRIES.search(trace)
    return int(match[2]) - int(match[1]) if match else None


def _clock_offset(tracker: Tracker, outcomes: Sequence[Outcome]) -> int | None:
    """By a frame whose start both the camera and its driver tell, to 1 us."""
    for outcome in outcomes:
        starts = {
            frame.number: frame.start_ns
            for frame in tracker.cameras
            if outcome.first_interval <= frame.first_interval < outcome.end_interval
        }
        for frame in outcome.report["frames"] if outcome.report else []:
            if frame["sequence"] in starts:
                return frame["timestamp_ns"] - starts[frame["sequence"]]
    return None


def _virtio(guest: Guest) -> list[str]:
    """Devices that reach memory without the bus monitor's knowledge."""
    return sorted(device["name"] for device in guest.qmp.cmd("x-query-virtio"))


_WINDOW = re.compile(
    r"baton_window (\w+): bus (0x[0-9a-f]+) = CPU (0x[0-9a-f]+), (0x[0-9a-f]+) bytes"
)


def _windows(qemu_log: Path) -> dict[str, list[Window]]:
    """What the machine said when it built the masters' views of memory."""
    windows: dict[str, list[Window]] = {}
    for name, *numbers in _WINDOW.findall(qemu_log.read_text()):
        windows.setdefault(name, []).append(Window(*(int(number, 16) for number in numbers)))
    return windows


def wait_for_pipelines(guest: Guest) -> None:
    guest.console.wait("baton: ready after", stall=None)
    guest.wait_ready()


def run_pipelines(guest: Guest) -> None:
    """Start the guest; nothing reaches it until the last pipeline has ended."""
    guest.start()
    wait_for_pipelines(guest)


def run(
    directory: Path, pipelines: Sequence[Pipeline], screen: Path | None = None, **options
) -> Evidence:
    """OPTIONS as of config(). SCREEN: a screenshot of what the display shows at the end."""
    guest_config, witness = config(directory, pipelines, **options)
    guest = Guest(guest_config, directory)
    try:
        run_pipelines(guest)
        if screen:
            guest.screendump(screen)
        if pipelines[-1].hold:
            _end_held(guest, len(pipelines))
        told = [_fetch(guest, number) for number in range(1, len(pipelines) + 1)]
        trace = guest.get(f"{TRACING}/trace").decode()
        kallsyms = guest.get("/proc/kallsyms").decode()
        processes = _processes(guest)
        virtio = _virtio(guest)
        guest.check()
        guest.qmp.cmd("quit")
        guest.process.wait()
    except BaseException:
        guest.collect_evidence()
        raise
    finally:
        guest.close()
        guest_config.initramfs.unlink(missing_ok=True)

    tracker = Tracker(read_log(directory / "bus.log"))
    marks = _marks(tracker)
    outcomes = [
        Outcome(
            pipeline,
            report,
            message,
            marks[number << 8 | BEGIN],
            marks[number << 8 | END],
            status,
        )
        for number, (pipeline, (report, message, status)) in enumerate(
            zip(pipelines, told, strict=True), 1
        )
    ]
    offset = _clock_offset(tracker, outcomes)
    return Evidence(
        outcomes,
        tracker,
        CpuTouches(witness.touches()),
        Symbols(kallsyms, processes),
        parse_moves(trace, offset),
        trace,
        offset,
        virtio,
        _windows(directory / "qemu.log"),
    )
