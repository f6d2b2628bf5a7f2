# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as they crossed the bus: which addresses, when, with which hash."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.buslog import FRAME_DONE, FRAME_START, LATCH, MARK, VBLANK, WRITE, BusLog, Record

PAGE = 4096

Range = tuple[int, int]  # address, bytes


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sorted, without overlaps, neighbours joined."""
    merged: list[list[int]] = []
    for start, size in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], start + size)
        else:
            merged.append([start, start + size])
    return tuple((start, end - start) for start, end in merged)


def pages(ranges: Iterable[Range]) -> Iterator[int]:
    """Each page once, though several of the RANGES, which ascend, may lie in it."""
    end = 0
    for start, size in ranges:
        yield from range(max(start & -PAGE, end), start + size, PAGE)
        end = max(end, -(-(start + size) // PAGE) * PAGE)


@dataclass(eq=False)
class Frame:
    """A picture that a camera wrote, or that a plane of a display read."""

    master: str
    plane: int
    number: int
    first_interval: int
    start_ns: int
    transfers: list[Range] = field(default_factory=list)
    done_interval: int | None = None
    done_ns: int | None = None
    hash: int | None = None
    status: int = 0
    last_ns: int = 0  # of its transfers
    # Displays: the frames whose pixels were there when they were read; None: no engine's.
    sources: list["Frame | None"] = field(default_factory=list)
    ranges: tuple[Range, ...] = ()

    @property
    def complete(self) -> bool:
        return self.done_interval is not None and not self.status

    def finish(self, record: Record) -> None:
        self.done_interval = record.interval
        self.done_ns = record.time
        self.status = record.status
        self.hash = record.b if record.d else None
        self.ranges = merge(self.transfers)

    def __str__(self) -> str:
        return f"{self.master} frame {self.number}"


class Tracker:
    """Follows the log, and remembers for each page which frame was written there last."""

    def __init__(self, log: BusLog):
        self.log = log
        self.cameras: list[Frame] = []
        self.displays: list[Frame] = []
        self.marks: list[Record] = []
        self.latches: list[Record] = []
        self._events = [record for record in log.records if not record.is_transfer]
        self._open: dict[tuple[int, int], Frame] = {}
        self._number: dict[int, tuple[int, int, int]] = {}
        self._writer: dict[int, Frame] = {}
        for record in log.records:
            self._take(record)

    def interval_at(self, time: int) -> int:
        """The one that the last event up to then began."""
        at = bisect_right(self._events, time, key=lambda event: event.time)
        return self._events[at - 1].interval if at else 0

    def _is_camera(self, record: Record) -> bool:
        return self.log.master(record).startswith("camera")

    def _take(self, record: Record) -> None:
        if record.kind == MARK:
            self.marks.append(record)
        elif record.kind == LATCH:
            self.latches.append(record)
        elif record.kind == FRAME_START:
            self._number[record.master] = record.a, record.interval, record.time
            if self._is_camera(record):
                self._begin(record, 0)
        elif record.kind == VBLANK:
            self._number.pop(record.master, None)
        elif record.is_pixels and not record.status:
            self._transfer(record)
        elif record.kind == FRAME_DONE:
            self._end(record)

    def _begin(self, record: Record, plane: int) -> Frame:
        number, interval, time = self._number[record.master]
        frame = Frame(self.log.master(record), plane, number, interval, time)
        self._open[record.master, plane] = frame
        return frame

    def _transfer(self, record: Record) -> None:
        plane = 0 if record.kind == WRITE else record.plane
        frame = self._open.get((record.master, plane))
        if frame is None:
            if record.master not in self._number:
                return
            frame = self._begin(record, plane)
        frame.transfers.append((record.cpu, record.bytes))
        frame.last_ns = record.time
        for page in pages([frame.transfers[-1]]):
            if record.kind == WRITE:
                self._writer[page] = frame
            elif (writer := self._writer.get(page)) not in frame.sources:
                frame.sources.append(writer)

    def _end(self, record: Record) -> None:
        frame = self._open.pop((record.master, record.plane), None)
        if frame is None or frame.number != record.a:
            return
        frame.finish(record)
        (self.cameras if self._is_camera(record) else self.displays).append(frame)
