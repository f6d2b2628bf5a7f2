# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on frames, from made-up logs: what must be seen, and who is named."""

import struct

import pytest

from harness import buslog
from harness.errors import QemuError
from harness.witness import UNKNOWN_PAGE, Code, Touch
from proof.frames import Tracker, merge, pages
from proof.receipt import (
    FAILURE,
    MOVED,
    NOT_PROVEN,
    ZERO_COPY,
    Claim,
    CpuTouches,
    Entry,
    Judge,
    Move,
    verdict,
)
from proof.symbols import Symbols

CAMERA0, CAMERA1, DISPLAY0, DISPLAY1 = range(4)
NAMES = ["camera0", "camera1", "display0", "display1"]
SIZE = 0x3000
KERNEL = 0xFFFF_FFC0_8000_0000
MOVER = "baton_storage_copy [baton_buf]"
FUNCTIONS = "T memcpy", "t peek [nosy]", f"t {MOVER}", "T clear"
SYMBOLS = Symbols(
    "\n".join(f"{KERNEL + at * 4096:x} {name}" for at, name in enumerate(FUNCTIONS)), {57: "spy"}
)


class Bus:
    """Writes a log as the monitor would."""

    def __init__(self):
        self.data = b""
        self.seq = self.time = self.interval = 0
        for index, name in enumerate(["baton-monitor", *NAMES]):
            master = index - 1 if index else buslog.NO_MASTER
            self.data += struct.pack("<QQIBBBB32sQ", 0, 0, 0, 0, master, 0, 0, name.encode(), 1)

    def record(self, kind, master=buslog.NO_MASTER, plane=0, status=0, a=0, b=0, c=0, d=0):
        self.time += 1000
        self.interval += kind not in (buslog.READ, buslog.WRITE)
        self.data += struct.pack(
            "<QQIBBBB5Q",
            self.seq, self.time, self.interval, kind, master, plane, status, a, b, c, d, 0,
        )  # fmt: skip
        self.seq += 1

    def capture(self, number, address, hash_=None, master=CAMERA0, size=SIZE, status=0):
        self.record(buslog.FRAME_START, master, a=number)
        for offset in range(0, size, 4096):
            self.record(buslog.WRITE, master, a=address + offset, b=address + offset, c=4096)
        hash_ = 0x1000 + number if hash_ is None else hash_
        self.record(buslog.FRAME_DONE, master, status=status, a=number, b=hash_, d=int(hash_ != 0))

    def start_scan(self, number, address):
        self.record(buslog.FRAME_START, DISPLAY0, a=number, b=address)

    def scan(self, number, address, hash_, size=SIZE):
        self.start_scan(number, address)
        self.record(buslog.READ, DISPLAY0, a=address - 0x8000_0000, b=address, c=size)
        self.record(buslog.FRAME_DONE, DISPLAY0, a=number, b=hash_, d=int(hash_ != 0))
        self.record(buslog.VBLANK, DISPLAY0, a=number + 1)

    def elsewhere(self):
        """What a CPU does all the time, in memory without pictures."""
        return [touch(0x8000_0000, interval, loaded=8) for interval in range(self.interval + 1)]

    def judge(self, claims, touches=(), moves=(), witness=True):
        """CLAIMS: camera frame and display frame. WITNESS: it works."""
        touches = [*touches, *(self.elsewhere() if witness else [])]
        claims = [Claim(sequence, shown) for sequence, shown in claims]
        touches = sorted(touches, key=lambda touch: touch.interval)
        tracker = Tracker(buslog.parse_log(self.data))
        return Judge(tracker, CpuTouches(touches), SYMBOLS, moves).entries(
            claims, 0, self.interval + 1
        )


A, B, C = 0xA000_0000, 0xA010_0000, 0xA020_0000
NOBODY = Code(0, 0, 0)


def touch(page, interval, loaded=0, stored=0, code=NOBODY):
    return Touch(page, interval, 0, loaded, stored, code, code)


def one(entries):
    [entry] = entries
    return entry


def test_the_same_memory_with_the_same_hash_is_zero_copy():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    entry = one(bus.judge([(0, 10)]))
    assert (entry.verdict, entry.reasons) == (ZERO_COPY, [])
    assert entry.camera.ranges == entry.display.ranges == ((A, SIZE),)


def test_cpus_may_touch_a_page_before_the_frame_and_after_the_scanout():
    bus = Bus()
    bus.record(buslog.MARK, a=1)
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    # Intervals: mark 1, camera 2 and 3, display 4 and 5, vblank 6.
    touches = [touch(A, 1, stored=4096), touch(A, 5, loaded=64)]
    assert one(bus.judge([(0, 10)], touches)).verdict == ZERO_COPY


@pytest.mark.parametrize("interval", [1, 2, 3])
def test_four_bytes_loaded_in_between_are_a_failure_and_name_the_function(interval):
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    code = Code(KERNEL + 4096 + 16, KERNEL + 8, 57)
    entry = one(bus.judge([(0, 10)], [touch(A + 0x2000, interval, loaded=4, code=code)]))
    assert (entry.verdict, entry.cpus.loaded, entry.cpus.stored) == (FAILURE, 4, 0)
    assert "peek [nosy] called by memcpy, in spy (process 57): 4 bytes loaded" in entry.reasons[0]


def test_a_program_is_named_by_process_and_pc():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    code = Code(0x40_0720, 0x40_0BE0, 57)
    entry = one(bus.judge([(0, 10)], [touch(A, 2, stored=64, code=code)]))
    assert "spy (process 57) at 0x400720: 0 bytes loaded, 64 stored" in entry.reasons[0]


def test_a_copy_by_the_cpu_names_who_stored():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, B, 0x1000)
    code = Code(KERNEL + 8, 0, 0)
    touches = [touch(page, 2, stored=4096, code=code) for page in pages([(B, SIZE)])]
    entry = one(bus.judge([(0, 10)], touches))
    assert entry.verdict == FAILURE
    assert entry.reasons == [
        f"copied: {SIZE} bytes that the display read were stored by kernel, memcpy"
    ]


def test_a_copy_by_another_engine_names_it():
    bus = Bus()
    bus.capture(0, A)
    bus.capture(0, B, master=CAMERA1)
    bus.scan(10, B, 0x1000)
    entry = one(bus.judge([(0, 10)]))
    assert entry.reasons == ["copied: the display read what camera1 wrote"]


def test_a_copy_that_neither_monitor_nor_witness_saw_names_those_not_watched():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, B, 0x1000)
    entry = one(bus.judge([(0, 10)]))
    assert entry.verdict == FAILURE
    assert "virtio" in entry.reasons[0]


def test_another_hash_is_a_failure():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0xBAD)
    entry = one(bus.judge([(0, 10)], [touch(A, 2, stored=4, code=Code(KERNEL, 0, 0))]))
    assert entry.verdict == FAILURE
    assert entry.reasons[:2] == [
        "the display read other pixels than the camera wrote",
        "changed since: 4 bytes that the display read were stored by kernel, memcpy",
    ]


@pytest.mark.parametrize("claimed", [0, 1])
def test_a_change_that_no_cpu_made_names_those_not_watched(claimed):
    """Over the picture itself, and over an earlier one."""
    bus = Bus()
    bus.capture(0, A)
    bus.capture(1, B)
    bus.scan(10, A, 0xBAD)
    entry = one(bus.judge([(claimed, 10)]))
    assert entry.verdict == FAILURE
    [reason] = [reason for reason in entry.reasons if reason.startswith("changed since: ")]
    assert "(virtio)" in reason


def test_a_stale_buffer_is_told_with_the_frame_that_was_shown():
    bus = Bus()
    bus.capture(0, A)
    bus.capture(1, B)
    bus.scan(10, A, 0x1000)
    entry = one(bus.judge([(1, 10)]))
    assert "stale: the display read frame 0 instead of 1" in entry.reasons
    assert not any(reason.startswith("changed") for reason in entry.reasons)


def test_every_scanout_up_to_the_next_claim_is_judged():
    bus = Bus()
    bus.capture(0, A)
    bus.capture(1, B)
    bus.scan(10, A, 0x1000)
    bus.scan(11, B, 0x1001)
    bus.scan(12, B, 0x1001)
    entries = bus.judge([(0, 10), (1, 12)])
    assert [entry.verdict for entry in entries] == [ZERO_COPY, FAILURE, ZERO_COPY]
    assert "stale" in entries[1].reasons[0]


def test_a_frame_overwritten_while_it_is_scanned_is_a_failure():
    bus = Bus()
    bus.capture(0, A)
    bus.start_scan(10, A)
    bus.record(buslog.READ, DISPLAY0, b=A, c=0x1000)
    bus.capture(1, A)
    bus.record(buslog.READ, DISPLAY0, b=A + 0x1000, c=SIZE - 0x1000)
    bus.record(buslog.FRAME_DONE, DISPLAY0, a=10, b=0x1000, d=1)
    entry = one(bus.judge([(0, 10)]))
    assert entry.reasons == ["stale: the display read frame 0, 1 instead of 0"]


@pytest.mark.parametrize("shown", [True, False])
def test_a_picture_that_comes_again_proves_nothing(shown):
    """Also if it was not on the display the first time."""
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    bus.capture(1, B, hash_=0x1000)
    bus.scan(11, B, 0x1000)
    *first, second = bus.judge([(0, 10), (1, 11)] if shown else [(1, 11)])
    assert [entry.verdict for entry in first] == [ZERO_COPY] * shown
    assert second.verdict == NOT_PROVEN
    assert second.reasons == ["repeated: the camera delivered the picture of frame 0 again"]


def test_reading_less_than_the_camera_wrote_is_a_failure():
    bus = Bus()
    bus.capture(0, A)
    bus.scan(10, A, 0x1000, size=SIZE - 0x1000)
    assert one(bus.judge([(0, 10)])).verdict == FAILURE


@pytest.mark.parametrize(
    "spoil",
    ["no hash", "unknown address", "no scanout", "no frame", "failed frame", "no witness"],
)
def test_what_cannot_be_known_is_not_proven(spoil):
    bus = Bus()
    if spoil != "no frame":
        bus.capture(0, A, hash_=0 if spoil == "no hash" else None, status=spoil == "failed frame")
    if spoil != "no scanout":
        bus.scan(10, A, 0x1000)
    touches = [touch(UNKNOWN_PAGE, 2, loaded=8)] if spoil == "unknown address" else []
    entry = one(bus.judge([(0, 10)], touches, witness=spoil != "no witness"))
    assert entry.verdict == NOT_PROVEN
    assert entry.reasons


# Of a frame that moves from A to B: mark 1, camera 2 and 3, another mark 4, display 5 and 6.
COPY = Code(KERNEL + 8, KERNEL + 0x2008, 57)
CLEAR = Code(KERNEL + 0x3008, 0, 57)
PAGES = [at for at, _ in enumerate(pages([(A, SIZE)]))]


def moved_frame(spoil="") -> Bus:
    bus = Bus()
    bus.record(buslog.MARK, a=1)
    bus.capture(0, A)
    bus.time += 10_000
    bus.record(buslog.MARK, a=2)
    bus.time += 10_000
    if spoil == "written by an engine":
        bus.capture(0, B, master=CAMERA1)
    bus.scan(10, B, 0xBAD if spoil == "other pixels" else 0x1000)
    return bus


def move(bus: Bus, source=A, start=B) -> Move:
    """In the interval of the mark behind the frame."""
    begin = next(r.time for r in buslog.parse_log(bus.data).records if r.interval == 4) + 3000
    return Move(begin, begin + 2000, 7, source, start, SIZE)


def copies() -> list[Touch]:
    """What the kernel does for a move: it clears the new pages, and copies."""
    loads = [touch(A + at * 4096, 4, loaded=4096, code=COPY) for at in PAGES]
    return loads + [touch(B + at * 4096, 4, stored=8192, code=CLEAR) for at in PAGES]


def test_a_frame_that_moves_on_its_way_is_no_zero_copy_and_the_mover_is_named():
    bus = moved_frame()
    moves = [move(bus)]
    entry = one(bus.judge([(0, 10)], copies(), moves))
    assert (entry.verdict, entry.moves) == (MOVED, moves)
    assert (entry.movers.loaded, entry.movers.stored) == (SIZE, 2 * SIZE)
    assert entry.cpus == entry.movers
    assert f"memcpy called by {MOVER}, in spy (process 57): {SIZE} bytes loaded, 0 stored" in (
        "\n".join(entry.reasons)
    )


@pytest.mark.parametrize("spoil", ["other pixels", "written by an engine"])
def test_a_move_excuses_nothing_but_itself(spoil):
    bus = moved_frame(spoil)
    entry = one(bus.judge([(0, 10)], copies(), [move(bus)]))
    assert entry.verdict == FAILURE


@pytest.mark.parametrize(
    ("page", "interval", "count"),
    [
        pytest.param(A, 3, {"loaded": 4}, id="old, before"),
        pytest.param(A, 3, {"stored": 4}, id="old, stored before"),
        pytest.param(A, 4, {"loaded": 4}, id="old, meanwhile"),
        pytest.param(B, 4, {"loaded": 4}, id="new, meanwhile"),
        pytest.param(B, 5, {"loaded": 4}, id="new, after"),
        pytest.param(B, 5, {"stored": 4}, id="new, stored after"),
    ],
)
def test_others_that_touch_a_frame_that_moves_are_a_failure(page, interval, count):
    bus = moved_frame()
    code = Code(KERNEL + 0x1010, 0, 57)
    entry = one(
        bus.judge([(0, 10)], [*copies(), touch(page, interval, **count, code=code)], [move(bus)])
    )
    assert entry.verdict == FAILURE
    assert any("touched by a CPU: kernel, peek [nosy]" in reason for reason in entry.reasons)


@pytest.mark.parametrize(
    ("page", "interval"),
    [pytest.param(A, 5, id="old, after"), pytest.param(B, 3, id="new, before")],
)
def test_pages_that_are_not_a_frame_s_yet_or_no_more_may_be_touched(page, interval):
    bus = moved_frame()
    elsewhere = touch(page, interval, stored=4096)
    freed = touch(A, 4, stored=4096)
    entry = one(bus.judge([(0, 10)], [*copies(), elsewhere, freed], [move(bus)]))
    assert entry.verdict == MOVED
    assert entry.cpus.loaded + entry.cpus.stored == 3 * SIZE


@pytest.mark.parametrize("unseen", [0, len(PAGES)])
def test_a_move_that_the_witness_did_not_see_is_not_proven(unseen):
    bus = moved_frame()
    seen = copies()
    del seen[unseen]
    assert one(bus.judge([(0, 10)], seen, [move(bus)])).verdict == NOT_PROVEN


def test_a_program_that_stores_to_the_new_pages_meanwhile_is_no_mover():
    bus = moved_frame()
    scribble = touch(B, 4, stored=4, code=Code(0x40_0720, 0, 57))
    entry = one(bus.judge([(0, 10)], [*copies(), scribble], [move(bus)]))
    assert entry.verdict == FAILURE
    assert any("touched by a CPU: spy (process 57)" in reason for reason in entry.reasons)


@pytest.mark.parametrize("moves", [[], [(B, A)], [(A, C)], [(A, C), (C, B)], [(A, B), (B, C)]])
def test_only_the_one_move_of_the_frame_explains_another_place(moves):
    bus = moved_frame()
    moves = [move(bus, *places) for places in moves]
    assert one(bus.judge([(0, 10)], copies(), moves)).verdict == FAILURE


def test_only_moves_between_start_and_scanout_are_told():
    bus = moved_frame()
    inside = move(bus)
    early, late = (inside._replace(begin=time) for time in (500, bus.time))
    other = move(bus, source=C, start=C + SIZE)
    moves = [early, inside, other, late]
    assert one(bus.judge([(0, 10)], copies(), moves)).moves == [inside]


def test_a_witness_whose_clock_stands_still_proves_nothing():
    bus = Bus()
    bus.record(buslog.MARK, a=1)
    bus.capture(0, A)
    bus.scan(10, A, 0x1000)
    bus.record(buslog.MARK, a=2)
    stuck = [touch(0x8000_0000, interval, loaded=1 << 20) for interval in (0, bus.interval)]
    entry = one(bus.judge([(0, 10)], stuck, witness=False))
    assert (entry.verdict, entry.reasons) == (
        NOT_PROVEN,
        ["the CPU witness recorded nothing meanwhile"],
    )


def test_no_claim_is_not_proven():
    assert verdict([]) == NOT_PROVEN


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([ZERO_COPY, ZERO_COPY], ZERO_COPY),
        ([ZERO_COPY, MOVED], MOVED),
        ([NOT_PROVEN, MOVED], NOT_PROVEN),
        ([NOT_PROVEN, FAILURE, MOVED], FAILURE),
    ],
)
def test_a_pipeline_is_as_good_as_its_worst_frame(verdicts, worst):
    entries = [Entry(0, None, None, verdict=each) for each in verdicts]
    assert verdict(entries) == worst
    assert verdict(entries, ["doubt"]) == (worst if worst == FAILURE else NOT_PROVEN)


def test_bytes_of_a_page_that_lines_share_are_counted_once():
    """Lines with padding between them are ranges of their own."""
    bus = Bus()
    bus.record(buslog.FRAME_START, CAMERA0, a=0)
    for line in range(4):
        bus.record(buslog.WRITE, CAMERA0, b=A + line * 0x200, c=0x100)
    bus.record(buslog.FRAME_DONE, CAMERA0, a=0, b=0x1000, d=1)
    bus.scan(10, A, 0x1000)
    assert one(bus.judge([(0, 10)], [touch(A, 2, loaded=4)])).cpus.loaded == 4


def test_a_log_that_is_cut_off_is_refused():
    bus = Bus()
    with pytest.raises(QemuError, match="no whole records"):
        buslog.parse_log(bus.data[:-1])


def test_ranges_are_joined():
    assert merge([(0x2000, 0x1000), (0x1000, 0x1000), (0x5000, 8)]) == (
        (0x1000, 0x2000),
        (0x5000, 8),
    )
    assert list(pages([(0x1FFF, 2)])) == [0x1000, 0x2000]


def test_pages_come_once():
    assert list(pages([(0x1100, 8), (0x1F00, 0x200), (0x2F00, 8), (0x5000, 0x1000)])) == [
        0x1000, 0x2000, 0x5000,
    ]  # fmt: skip
