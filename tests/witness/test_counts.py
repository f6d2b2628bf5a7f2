# SPDX-License-Identifier: GPL-2.0-or-later
"""The CPU witness counts each kind of access to the byte, and names who did it.

One guest does all of it twice: as programs run, and with the access counter
lying over the page, which counts the same accesses in the memory path itself.
"""

from typing import NamedTuple

import pytest

from harness.guest import Guest, GuestConfig
from harness.program import Program
from harness.witness import PAGE, UNKNOWN_PAGE, Clock, Touch, Witness
from machine.tree import Tree
from proof.symbols import Symbols

TIMES = 3
INSTRUCTIONS = 16  # bytes, of a function that does one access

# Of one execution: bytes loaded, bytes stored. An exclusive store and a compare
# and swap are loads, too. The latter store also if they find something else, as
# does the former if the monitor is still set; else (lost) it does nothing.
ACCESSES = {
    "ldrb": (1, 0), "ldrh": (2, 0), "ldrw": (4, 0), "ldrsw": (4, 0), "ldrx": (8, 0),
    "strb": (0, 1), "strh": (0, 2), "strw": (0, 4), "strx": (0, 8),
    "ldpw": (8, 0), "ldpx": (16, 0), "ldnp": (16, 0), "stpw": (0, 8), "stpx": (0, 16),
    "ldrd": (8, 0), "ldrq": (16, 0), "strq": (0, 16), "ldpq": (32, 0), "stpq": (0, 32),
    "ld1": (16, 0), "ld1x4": (64, 0), "ld2": (32, 0), "ld3": (48, 0), "ld4": (64, 0),
    "ld1lane": (4, 0), "ld1r": (2, 0),
    "st1": (0, 16), "st2": (0, 32), "st3": (0, 48), "st4": (0, 64),
    "ldar": (8, 0), "stlr": (0, 8), "ldxr": (4, 0),
    "exclusive_b": (2, 1), "exclusive_w": (8, 4), "exclusive_x": (16, 8),
    "exclusive_p": (32, 16),
    "exclusive_lost": (0, 0), "exclusive_late": (16, 16),
    "ldadd": (4, 4), "stset": (8, 8), "swp": (8, 8), "casp": (16, 16),
    "cas": (16, 8), "cas_differs": (16, 8),
    "zva": (0, 64), "clean": (0, 0), "prefetch": (0, 0),
}  # fmt: skip
UNALIGNED = ["ldrh", "ldrx", "strh", "strx", "ldpx", "stpx", "ldrq", "strq", "ld4", "st4",
             "ldpq", "stpq", "ld1x4"]  # fmt: skip
# What the kernel copies and clears goes by 8 bytes and in order.
KERNEL = {"kernel_out": (PAGE, 0), "kernel_in": (0, PAGE)}
# The C library's functions copy the ends of a block twice, rather than by bytes.
LIBRARY = {"copy_in": (0, PAGE), "copy_out": (PAGE, 0), "clear": (0, PAGE)}
LIBRARY_EXTRA = 128
# So do the kernel's. A hole is half a page, so that the page stays.
KERNEL_LIBRARY = {"memcpy_out": (PAGE, 0), "memcpy_in": (0, PAGE), "punch": (0, PAGE // 2)}


class Case(NamedTuple):
    command: tuple
    expected: tuple[tuple[int, int], tuple[int, int]]  # (loaded, stored) in each of two pages
    extra: int = 0


def _crossing(counts: tuple[int, int], first: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """COUNTS of an access with FIRST bytes before the end of the page."""
    before = tuple(min(count, first) * TIMES for count in counts)
    return before, tuple(count * TIMES - part for count, part in zip(counts, before, strict=True))


def _cases() -> dict[str, Case]:
    whole = {"zva": 64}
    cases = {}
    for name, counts in ACCESSES.items():
        offset = whole.get(name, 192)
        cases[name] = Case(("access", name, offset, TIMES), _crossing(counts, PAGE))
    for name in UNALIGNED:
        size = sum(ACCESSES[name])
        cases[f"{name}-unaligned"] = Case(
            ("access", name, 1025, TIMES), _crossing(ACCESSES[name], PAGE)
        )
        for first in {1, size // 2 + 1, size - 1} - {size}:
            cases[f"{name}-crossing-{first}"] = Case(
                ("access", name, PAGE - first, TIMES), _crossing(ACCESSES[name], first)
            )
    for name, counts in (KERNEL | LIBRARY | KERNEL_LIBRARY).items():
        extra = 0 if name in KERNEL else LIBRARY_EXTRA
        cases[name] = Case((name, 0, sum(counts)), (counts, (0, 0)), extra)
    return cases


CASES = _cases()


class Battery(NamedTuple):
    """What happened, by case: its interval, and what the access counters saw."""

    pages: list[int]
    intervals: dict[str, int]
    seen: dict[str, list[tuple[int, int]]]


class Run(NamedTuple):
    plain: Battery
    counted: Battery
    fresh: tuple[int, int]  # interval and address of a page
    pid: int
    code: int  # of "ldrx"
    kallsyms: str
    touches: list[Touch]

    def counts(self, battery: Battery, name: str) -> tuple[tuple[int, int], ...]:
        return tuple(self._sum(battery.intervals[name], page) for page in battery.pages)

    def _sum(self, interval: int, page: int) -> tuple[int, int]:
        found = [t for t in self.touches if (t.interval, t.page) == (interval, page)]
        return sum(t.loaded for t in found), sum(t.stored for t in found)


def _fresh(program: Program, clock: Clock) -> tuple[int, int]:
    interval = clock.advance()
    page = int(program("fresh")[0], 0)
    clock.advance()
    return interval, page


def _battery(guest: Guest, program: Program, clock: Clock, counters: list[str]) -> Battery:
    pages = [int(page, 0) for page in program("map", 2)]
    assert all(pages)
    for counter, page in zip(counters, pages, strict=False):
        guest.qmp.qom_set(counter, "addr", page)

    def seen() -> list[tuple[int, int]]:
        return [
            (guest.qmp.qom_get(counter, "loaded"), guest.qmp.qom_get(counter, "stored"))
            for counter in counters
        ]

    intervals, differences = {}, {}
    for name, case in CASES.items():
        before = seen()
        intervals[name] = clock.advance()
        program(*case.command)
        clock.advance()
        differences[name] = [
            (new[0] - old[0], new[1] - old[1]) for new, old in zip(seen(), before, strict=True)
        ]
    return Battery(pages, intervals, differences)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """A guest whose CPUs have all kinds of instructions."""
    directory = tmp_path_factory.mktemp("witness")
    tree = Tree()
    for cpu in ("cpu@0", "cpu@1"):
        tree.set(f"/cpus/{cpu}", "compatible", "arm,cortex-a76")
    tree.set("/pmu", "compatible", "arm,cortex-a76-pmu")
    path = tree.save(directory / "a76.dtb")

    witness = Witness(directory, path)
    clock = Clock(witness.clock)
    counters = ["counter0", "counter1"]
    args = [f"baton-access-counter,id={counter}" for counter in counters]
    config = GuestConfig(
        dtb=path, qemu_args=(*witness.qemu_args(), "-device", args[0], "-device", args[1])
    )
    with Guest(config, directory) as guest:
        guest.run("modprobe baton-probe")
        program = Program(guest, "access")
        plain = _battery(guest, program, clock, [])
        counted = _battery(guest, program, clock, [f"/machine/peripheral/{c}" for c in counters])
        fresh = _fresh(program, clock)
        pid, code = program.number("pid"), int(program("code", "ldrx")[0], 0)
        kallsyms = guest.get("/proc/kallsyms").decode()
        guest.check()
        guest.qmp.cmd("quit")
        guest.process.wait()
    return Run(plain, counted, fresh, pid, code, kallsyms, list(witness.touches()))


@pytest.mark.parametrize("name", CASES)
def test_counts_are_exact(run, name):
    expected, extra = CASES[name].expected, CASES[name].extra
    counts = run.counts(run.plain, name)
    for page in range(2):
        for count, want in zip(counts[page], expected[page], strict=True):
            assert want <= count <= want + (extra if want else 0), (counts, expected)


@pytest.mark.parametrize("name", CASES)
def test_the_memory_path_saw_the_same(run, name):
    assert run.counts(run.counted, name) == tuple(run.counted.seen[name])


def test_every_address_was_known(run):
    assert [t for t in run.touches if t.page == UNKNOWN_PAGE] == []


def test_order_is_by_interval_page_and_cpu(run):
    keys = [(t.interval, t.page, t.cpu) for t in run.touches]
    assert keys == sorted(keys)
    assert len(keys) == len(set(keys))


def _touch(run: Run, interval: int, page: int) -> Touch:
    [touch] = [t for t in run.touches if (t.interval, t.page) == (interval, page)]
    return touch


def _function(run: Run, pc: int) -> str:
    return Symbols(run.kallsyms).function(pc)


def test_a_process_is_named_with_its_program_counter(run):
    touch = _touch(run, run.plain.intervals["ldrx"], run.plain.pages[0])
    assert touch.loader.context == run.pid
    assert run.code <= touch.loader.pc < run.code + INSTRUCTIONS


def test_the_kernel_is_named_by_its_function(run):
    touch = _touch(run, run.plain.intervals["kernel_out"], run.plain.pages[0])
    assert "copy_from_user" in _function(run, touch.loader.pc)


@pytest.mark.parametrize(
    ("case", "functions"),
    [("memcpy_in", ("memcpy", "memmove")), ("punch", ("memset",))],
)
def test_the_kernel_s_library_is_named(run, case, functions):
    touch = _touch(run, run.plain.intervals[case], run.plain.pages[0])
    assert _function(run, touch.storer.pc) in functions


def test_a_new_page_is_cleared_by_the_kernel(run):
    touch = _touch(run, *run.fresh)
    assert (touch.loaded, touch.stored) == (0, PAGE)
    assert _function(run, touch.storer.pc) == "clear_page"
