# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict: what camera and display did to each frame, and the CPUs in between.

A pipeline claims which camera frame each of its pictures is. For each scanout
from the first claim to the last the claim must be borne out by the bus:

* the display read the addresses that the camera wrote that frame to;
* both hashed the same pixels, which no earlier frame of the camera had;
* no CPU loaded from these pages, or stored to them, from the start of the frame
  to the end of the scanout.

If the drivers moved the buffer meanwhile, the frame lay in two places one after the
other, and the only CPU there was the one that copied it for the move.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from harness.witness import LOADED, PAGE, STORED, UNKNOWN_PAGE, Code, Touch

from .frames import Frame, Range, Tracker, pages
from .symbols import Symbols

ZERO_COPY = "zero-copy"
MOVED = "moved"
NOT_PROVEN = "not proven"
FAILURE = "not zero-copy"
_WORSE = [ZERO_COPY, MOVED, NOT_PROVEN, FAILURE]

# Of the drivers, which copies for a move
_MOVER = "baton_storage_copy [baton_buf]"
# Times of moves are the guest's, to 1 us, and so is the difference between the clocks.
_CLOCK_ERROR_NS = 2000


class Claim(NamedTuple):
    """The pipeline says that from that frame on the display shows this one of the camera."""

    sequence: int
    shown: int


class Move(NamedTuple):
    """The drivers moved a buffer; addresses are those of its first piece."""

    begin: int
    end: int
    buffer: int
    source: int
    start: int
    bytes: int


class Stay(NamedTuple):
    """Where a frame lay in the intervals FIRST to END - 1."""

    ranges: tuple[Range, ...]
    first: int
    end: int
    is_copy: bool = False  # a move had brought it there


@dataclass
class Cpus:
    """What CPUs did to a frame's pages."""

    loaded: int = 0
    stored: int = 0
    touches: list[str] = field(default_factory=list)

    def add(self, who: str, loaded: int, stored: int) -> str:
        self.loaded += loaded
        self.stored += stored
        self.touches.append(f"{who}: {loaded} bytes loaded, {stored} stored")
        return self.touches[-1]


@dataclass
class Entry:
    """A scanout of a claimed frame."""

    sequence: int
    camera: Frame | None
    display: Frame | None
    cpus: Cpus = field(default_factory=Cpus)
    movers: Cpus = field(default_factory=Cpus)  # of these, what was done to move it
    moves: list[Move] = field(default_factory=list)
    verdict: str = ZERO_COPY
    reasons: list[str] = field(default_factory=list)

    def fail(self, reason: str, verdict: str = FAILURE) -> None:
        self.verdict = max(self.verdict, verdict, key=_WORSE.index)
        self.reasons.append(reason)


class CpuTouches:
    """The witness's records, by page and interval."""

    def __init__(self, touches: Iterable[Touch]):
        self._by_page: dict[int, list[Touch]] = defaultdict(list)
        self._intervals: list[int] = []
        for touch in touches:
            self._by_page[touch.page].append(touch)
            self._intervals.append(touch.interval)

    def between(self, page: int, first: int, end: int) -> list[Touch]:
        """Of the intervals FIRST to END - 1."""
        touches = self._by_page.get(page, [])
        low = bisect_left(touches, first, key=lambda touch: touch.interval)
        high = bisect_left(touches, end, key=lambda touch: touch.interval)
        return touches[low:high]

    def witnessed(self, first: int, end: int) -> bool:
        """Did the witness see anything at all in the intervals FIRST to END - 1?"""
        at = bisect_left(self._intervals, first)
        return at < len(self._intervals) and self._intervals[at] < end


class Judge:
    """Judges the claims of a pipeline that says it shows CAMERA on DISPLAY."""

    def __init__(
        self,
        tracker: Tracker,
        touches: CpuTouches,
        symbols: Symbols,
        moves: Iterable[Move] = (),
        camera: str = "camera0",
        display: str = "display0",
        plane: int = 0,
    ):
        self._touches = touches
        self._symbols = symbols
        self._moves = list(moves)
        self._camera = camera
        self._interval_at = tracker.interval_at
        self._first = 0
        self._cameras = [frame for frame in tracker.cameras if frame.master == camera]
        self._displays = [
            frame for frame in tracker.displays if (frame.master, frame.plane) == (display, plane)
        ]

    def entries(self, claims: list[Claim], first: int, end: int) -> list[Entry]:
        """The claims of the intervals FIRST to END - 1 (a pipeline's run)."""
        cameras = {
            frame.number: frame for frame in self._cameras if first <= frame.first_interval < end
        }
        displays = [frame for frame in self._displays if first <= frame.first_interval < end]
        self._first = first
        claims = sorted(claims, key=lambda claim: claim.shown)
        entries = []
        for claim, following in zip_longest(claims, claims[1:]):
            shown = [frame for frame in displays if claim.shown <= frame.number]
            if following:
                shown = [frame for frame in shown if frame.number < following.shown]
            else:
                shown = shown[:1]
            for display in shown or [None]:
                entries.append(self._judge(claim, cameras.get(claim.sequence), display))
        self._check_repeats(entries, cameras.values())
        return entries

    def _judge(self, claim: Claim, camera: Frame | None, display: Frame | None) -> Entry:
        entry = Entry(claim.sequence, camera, display)
        if camera is None or not camera.complete:
            entry.fail(f"{self._camera} completed no frame {claim.sequence}", NOT_PROVEN)
        if display is None or not display.complete:
            entry.fail(f"no complete scanout of frame {claim.sequence}", NOT_PROVEN)
        if entry.verdict == ZERO_COPY:
            entry.moves = self._moves_of(camera, display)
            moving = self._moving(entry)
            if not moving:
                self._check_addresses(entry)
            self._check_hash(entry)
            self._check_cpus(entry, moving)
        return entry

    def _moves_of(self, camera: Frame, display: Frame) -> list[Move]:
        """Those that took the frame along, from where the camera wrote it."""
        place, _ = camera.transfers[0]
        moves = []
        for move in self._moves:
            if camera.start_ns <= move.begin < display.done_ns and move.source == place:
                moves.append(move)
                place = move.start
        return moves

    def _moving(self, entry: Entry) -> range:
        """The intervals of the move that brought the frame to where the display read it, if any."""
        camera, display = entry.camera, entry.display
        if len(entry.moves) != 1 or entry.moves[0].start != display.transfers[0][0]:
            return range(0)
        [move] = entry.moves
        if any(frame and frame.last_ns >= move.begin for frame in display.sources):
            return range(0)
        first = self._interval_at(move.begin - _CLOCK_ERROR_NS)
        last = self._interval_at(move.end + _CLOCK_ERROR_NS)
        return range(max(first, camera.first_interval), min(last + 1, display.done_interval))

    def _check_addresses(self, entry: Entry) -> None:
        camera, display = entry.camera, entry.display
        if display.sources == [camera] and display.ranges == camera.ranges:
            return
        # What an engine wrote before this run is as good as anybody's.
        frames = [
            frame for frame in display.sources if frame and frame.first_interval >= self._first
        ]
        others = sorted({frame.master for frame in frames if frame.master != self._camera})
        if others:
            entry.fail(f"copied: the display read what {', '.join(others)} wrote")
        elif any(frame.number != entry.sequence for frame in frames):
            numbers = ", ".join(str(frame.number) for frame in frames)
            entry.fail(f"stale: the display read frame {numbers} instead of {entry.sequence}")
            if len(display.sources) == 1 and display.hash != frames[0].hash:
                entry.fail(f"changed since: {self._writer_of(entry)}")
        elif frames:
            entry.fail("the display did not read exactly what the camera wrote")
        if len(frames) < len(display.sources):
            entry.fail(f"copied: {self._writer_of(entry)}")

    def _writer_of(self, entry: Entry) -> str:
        """Who stored what the display read, when no engine did."""
        display = entry.display
        stored, code = 0, None
        for page in pages(display.ranges):
            for touch in self._touches.between(
                page, entry.camera.first_interval, display.done_interval
            ):
                if touch.stored:
                    stored += touch.stored
                    code = code or touch.storer
        if code is None:
            return (
                "what the display read was written by no engine and no CPU, so by a device "
                "that the bus monitor does not watch (virtio)"
            )
        return f"{stored} bytes that the display read were stored by {self._describe(code)}"

    def _check_hash(self, entry: Entry) -> None:
        camera, display = entry.camera, entry.display
        if camera.hash is None or display.hash is None:
            entry.fail("an engine did not hash its pixels", NOT_PROVEN)
        elif camera.hash != display.hash:
            entry.fail("the display read other pixels than the camera wrote")
            if display.sources == [camera] and display.ranges == camera.ranges:
                entry.fail(f"changed since: {self._writer_of(entry)}")

    def _check_cpus(self, entry: Entry, moving: range) -> None:
        camera, display = entry.camera, entry.display
        span = camera.first_interval, display.done_interval
        counts: dict[tuple[str, bool], list[int]] = defaultdict(lambda: [0, 0])
        moved = [self._count(stay, moving, counts) for stay in self._stays(entry, moving)]
        for (who, is_mover), (loaded, stored) in sorted(counts.items()):
            touch = entry.cpus.add(who, loaded, stored)
            if is_mover:
                entry.movers.add(who, loaded, stored)
                entry.fail(f"moved on its way: {touch}", MOVED)
            else:
                entry.fail(f"touched by a CPU: {touch}")
        size = sum(1 for _ in pages(camera.ranges))
        if moving and moved != [size, size]:
            entry.fail(
                f"of {size} pages that moved the CPU witness saw {moved[0]} loaded and "
                f"{moved[1]} stored",
                NOT_PROVEN,
            )
        if not self._touches.witnessed(*span):
            entry.fail("the CPU witness recorded nothing meanwhile", NOT_PROVEN)
        if self._touches.between(UNKNOWN_PAGE, *span):
            entry.fail("a CPU accessed memory at an address that is not known", NOT_PROVEN)

    @staticmethod
    def _stays(entry: Entry, moving: range) -> list[Stay]:
        """Where the frame lay from its start at the camera to the end of the scanout."""
        camera, display = entry.camera, entry.display
        if not moving:
            return [Stay(camera.ranges, camera.first_interval, display.done_interval)]
        return [
            Stay(camera.ranges, camera.first_interval, moving.stop),
            Stay(display.ranges, moving.start, display.done_interval, is_copy=True),
        ]

    def _count(self, stay: Stay, moving: range, counts: dict[tuple[str, bool], list[int]]) -> int:
        """Bytes loaded and stored there, by who did it and whether that was to move the frame.

        Returns how many pages were moved before the eyes of the witness.
        """
        moved = 0
        for page in pages(stay.ranges):
            copied = 0
            for touch in self._touches.between(page, stay.first, stay.end):
                is_moving = touch.interval in moving
                for way, count, code in touch.ways():
                    # Who has the old pages after the move may store there. (What was
                    # stored before shows in the hash.)
                    if is_moving and way == STORED and not stay.is_copy:
                        continue
                    is_mover = is_moving and self._is_mover(way, code)
                    counts[self._describe(code), is_mover][way] += count
                    if is_mover and way == (STORED if stay.is_copy else LOADED):
                        copied += count
            moved += copied >= PAGE
        return moved

    def _is_mover(self, way: int, code: Code) -> bool:
        """New pages are cleared before they are copied to, often in the same interval."""
        return code.is_kernel if way == STORED else self._symbols.function(code.lr) == _MOVER

    @staticmethod
    def _check_repeats(entries: list[Entry], cameras: Iterable[Frame]) -> None:
        """A picture that comes twice, shown or not, proves nothing about the second time."""
        first_with: dict[int, int] = {}
        for frame in sorted(cameras, key=lambda frame: frame.number):
            if frame.hash is not None:
                first_with.setdefault(frame.hash, frame.number)
        for entry in entries:
            first = entry.camera and first_with.get(entry.camera.hash)
            if first is not None and first < entry.sequence:
                entry.fail(
                    f"repeated: the camera delivered the picture of frame {first} again",
                    NOT_PROVEN,
                )

    def _describe(self, code: Code) -> str:
        return self._symbols.describe(code)


def verdict(entries: list[Entry], doubts: Iterable[str] = ()) -> str:
    """Of a pipeline: the worst of its frames; with DOUBTS it is not proven at best."""
    verdicts = [entry.verdict for entry in entries] or [NOT_PROVEN]
    if doubts:
        verdicts.append(NOT_PROVEN)
    return max(verdicts, key=_WORSE.index)
