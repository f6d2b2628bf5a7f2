# SPDX-License-Identifier: GPL-2.0-or-later
"""trace.json, for Perfetto: the engines, the CPUs' touches and the guest's ftrace events.

One clock: the monitor's, which is guest time. Its format is the JSON trace event
format, with times in us.
"""

import re

from harness.buslog import MARK, VBLANK

from .frames import PAGE
from .guestrun import Evidence

_ENGINES, _CPUS, _TOUCHES, _MOVES = 1, 2, 3, 4
_MARKS = 255  # a thread of the engines
_LINE = re.compile(
    r"\s*(?P<task>.*)-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+"
    r"(?P<seconds>\d+)\.(?P<micros>\d{6}): (?P<event>[\w.]+): (?P<text>.*)"
)
_BUFFER = re.compile(r"\bbuffer=(\d+)")


def _us(ns: int) -> float:
    return round(ns / 1000, 3)


def _name(pid: int, name: str, tid: int | None = None) -> dict:
    kind = "process_name" if tid is None else "thread_name"
    return {"ph": "M", "pid": pid, "tid": tid or 0, "name": kind, "args": {"name": name}}


def _span(pid: int, tid: int, name: str, start: int, end: int, **args) -> dict:
    return {
        "ph": "X", "pid": pid, "tid": tid, "name": name,
        "ts": _us(start), "dur": _us(end - start), "args": args,
    }  # fmt: skip


def _instant(pid: int, tid: int, name: str, time: int, **args) -> dict:
    return {
        "ph": "i", "s": "t", "pid": pid, "tid": tid, "name": name, "ts": _us(time), "args": args,
    }  # fmt: skip


def _engines(evidence: Evidence) -> list[dict]:
    tracker = evidence.tracker
    tids = {name: tid for tid, name in enumerate(tracker.log.masters, 1)}
    events = [_name(_ENGINES, "engines"), _name(_ENGINES, "marks", _MARKS)]
    events += [_name(_ENGINES, name, tid) for name, tid in tids.items()]
    for frame in tracker.cameras + tracker.displays:
        what = "writes" if frame.master.startswith("camera") else f"plane {frame.plane} reads"
        events.append(
            _span(
                _ENGINES,
                tids[frame.master],
                f"{what} frame {frame.number}",
                frame.start_ns,
                frame.done_ns,
                bytes=sum(size for _, size in frame.transfers),
                address=f"{frame.ranges[0][0]:#x}" if frame.ranges else "",
                hash=f"{frame.hash or 0:#018x}",
            )
        )
    for record in tracker.log.records:
        if record.kind == VBLANK:
            events.append(_instant(_ENGINES, record.master + 1, "vblank", record.time))
        elif record.kind == MARK:
            events.append(_instant(_ENGINES, _MARKS, f"mark {record.a:#x}", record.time))
    return events


def _track(match: re.Match) -> tuple[int, int]:
    """An interrupt stays on its CPU; a move is the buffer's: its task may change CPUs."""
    buffer = _BUFFER.search(match["text"])
    if match["event"].startswith("baton_buf_move_") and buffer:
        return _MOVES, int(buffer[1])
    return _CPUS, int(match["cpu"]) + 1


def _names(tracks: set[tuple[int, int]]) -> list[dict]:
    events = [_name(_CPUS, "CPUs (ftrace)"), _name(_MOVES, "buffer moves (ftrace)")]
    for pid, tid in sorted(tracks):
        name = f"CPU {tid - 1}" if pid == _CPUS else f"buffer {tid}"
        events.append(_name(pid, name, tid))
    return events


def _ftrace(evidence: Evidence) -> list[dict]:
    if evidence.clock_offset is None:
        return []
    events, open_spans, tracks = [], {}, set()
    for match in filter(None, map(_LINE.match, evidence.trace.splitlines())):
        event, task, track = match["event"], match["task"], _track(match)
        time = int(match["seconds"] + match["micros"]) * 1000 - evidence.clock_offset
        tracks.add(track)
        base = event.rsplit("_", 1)[0]
        if event.endswith(("_entry", "_begin")):
            open_spans[track, base] = time, match["text"]
        elif event.endswith(("_exit", "_end")) and (track, base) in open_spans:
            began, text = open_spans.pop((track, base))
            events.append(_span(*track, base, began, time, task=task, text=text))
        else:
            events.append(_instant(*track, event, time, task=task, text=match["text"]))
    return events + _names(tracks)


def _touches(evidence: Evidence) -> list[dict]:
    """What CPUs did to pages of pictures; a touch is known to its interval."""
    tracker = evidence.tracker
    pages = {
        page
        for frame in tracker.cameras + tracker.displays
        for start, size in frame.ranges
        for page in range(start & -PAGE, start + size, PAGE)
    }
    begins = {}
    for record in tracker.log.records:
        begins.setdefault(record.interval, record.time)
    sums: dict[tuple[int, int, str], list[int]] = {}
    for page in pages:
        for touch in evidence.touches.between(page, 1, 1 << 32):
            code = touch.storer if touch.stored else touch.loader
            key = touch.interval, touch.cpu, evidence.symbols.describe(code)
            total = sums.setdefault(key, [0, 0, 0])
            total[0] += touch.loaded
            total[1] += touch.stored
            total[2] += 1
    events = [_name(_TOUCHES, "CPU touches of picture memory")]
    events += [_name(_TOUCHES, f"CPU {cpu}", cpu + 1) for cpu in sorted({key[1] for key in sums})]
    for (interval, cpu, who), (loaded, stored, count) in sorted(sums.items()):
        start = begins.get(interval, 0)
        end = begins.get(interval + 1, start)
        events.append(
            _span(_TOUCHES, cpu + 1, who, start, end, loaded=loaded, stored=stored, pages=count)
        )
    return events


def trace(evidence: Evidence) -> dict:
    return {
        "displayTimeUnit": "ns",
        "traceEvents": _engines(evidence) + _ftrace(evidence) + _touches(evidence),
    }
