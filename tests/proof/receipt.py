# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict: what camera and display did to each frame, and the CPUs in between.

A pipeline claims which camera frame each of its pictures is. For each scanout
from the first claim to the last the claim must be borne out by the bus:

* the display read the addresses that the camera wrote that frame to;
* both hashed the same pixels, which no earlier frame of the camera had;
* no CPU loaded from these pages, or stored to them, from the start of the frame
  to the end of the scanout.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple

from harness.witness import UNKNOWN_PAGE, Code, Touch

from .frames import Frame, Tracker, pages
from .symbols import Symbols

ZERO_COPY = "zero-copy"
NOT_PROVEN = "not proven"
FAILURE = "not zero-copy"


class Claim(NamedTuple):
    """The pipeline says that from that frame on the display shows this one of the camera."""

    sequence: int
    shown: int


class Move(NamedTuple):
    """The drivers moved a buffer; addresses are those of its first piece."""

    time: int
    buffer: int
    source: int
    start: int
    bytes: int


@dataclass
class Entry:
    """A scanout of a claimed frame."""

    sequence: int
    camera: Frame | None
    display: Frame | None
    loaded: int = 0
    stored: int = 0
    touches: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    verdict: str = ZERO_COPY
    reasons: list[str] = field(default_factory=list)

    def fail(self, reason: str, verdict: str = FAILURE) -> None:
        if self.verdict != FAILURE:
            self.verdict = verdict
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
            self._check_addresses(entry)
            self._check_hash(entry)
            self._check_cpus(entry)
        return entry

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

    def _check_cpus(self, entry: Entry) -> None:
        camera, display = entry.camera, entry.display
        span = camera.first_interval, display.done_interval
        codes: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for page in pages(camera.ranges):
            for touch in self._touches.between(page, *span):
                for way, count, code in (
                    (0, touch.loaded, touch.loader),
                    (1, touch.stored, touch.storer),
                ):
                    if count:
                        codes[self._describe(code)][way] += count
        for who, (loaded, stored) in sorted(codes.items()):
            entry.loaded += loaded
            entry.stored += stored
            entry.touches.append(f"{who}: {loaded} bytes loaded, {stored} stored")
            entry.fail(f"touched by a CPU: {entry.touches[-1]}")
        if not self._touches.witnessed(*span):
            entry.fail("the CPU witness recorded nothing meanwhile", NOT_PROVEN)
        if self._touches.between(UNKNOWN_PAGE, *span):
            entry.fail("a CPU accessed memory at an address that is not known", NOT_PROVEN)
        addresses = set(pages(camera.ranges)) | set(pages(display.ranges))
        entry.moves = [
            move
            for move in self._moves
            if camera.start_ns <= move.time < display.done_ns and move.start in addresses
        ]

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
    verdicts = {entry.verdict for entry in entries}
    if FAILURE in verdicts:
        return FAILURE
    return ZERO_COPY if verdicts == {ZERO_COPY} and not doubts else NOT_PROVEN
