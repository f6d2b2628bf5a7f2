# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bus monitor costs a stream that runs as fast as it goes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.guest import Guest, GuestConfig
from machine.tree import Tree

from .results import Results
from .streams import FREE, fps

_FRAMES = 300
_RUNS = 5
_SWITCHES = ("count", "transfers", "events")
ABSENT, OFF, ON, LOGGING = "absent", "off", "on", "on, with log and clock"


class Case(NamedTuple):
    """A machine, and a command for its guest."""

    name: str
    config: GuestConfig
    prepare: str = "true"
    goal: str = ""


def cases(out: Path) -> Iterator[Case]:
    """It is off after reset."""
    out.mkdir(parents=True, exist_ok=True)
    absent = Tree().set("/soc/bus-monitor@32000000", "status", "disabled").save(out / "absent.dtb")
    load = "modprobe baton-monitor"
    switch = [f"echo 1 >/sys/kernel/debug/baton-monitor/{name}" for name in _SWITCHES]
    on = " && ".join([load, *switch])
    files = f"monitor0-log={out / 'bus.log'},monitor0-clock={out / 'clock'}"
    yield Case(ABSENT, GuestConfig(dtb=absent))
    yield Case(OFF, GuestConfig(), load, "<= 1")
    yield Case(ON, GuestConfig(), on, "<= 3")
    yield Case(LOGGING, GuestConfig(machine=files), on)


def stream(case: Case, out: Path) -> float:
    """In a QEMU of its own each time: two processes are never equally fast."""
    with Guest(case.config, out) as guest:
        guest.run(case.prepare)
        return fps(guest, *FREE, "--frames", str(_FRAMES))


def cost(results: Results, out: Path) -> None:
    """In turn with a machine that has none."""
    out = out / "bus-monitor"
    todo = list(cases(out))
    rates = {case.name: [] for case in todo}
    for _ in range(_RUNS):
        for case in todo:
            rates[case.name].append(stream(case, out))
    for case in todo:
        name = f"1080p XRGB free running, bus monitor {case.name}"
        results.add(name, rates[case.name], "frames/s")
    for case in todo[1:]:
        pairs = zip(rates[ABSENT], rates[case.name], strict=True)
        lost = [(1 - rate / absent) * 100 for absent, rate in pairs]
        results.add(f"Cost of the bus monitor, {case.name}", lost, "%", case.goal)
