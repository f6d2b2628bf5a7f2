# SPDX-License-Identifier: GPL-2.0-or-later
"""Collects measurements: median of several, a goal, JSON and a table."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Measurement:
    """VALUE is the median of RUNS; GOAL reads like "<= 1.5"."""

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    runs: list[float] = field(default_factory=list)
    note: str = ""


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "=": lambda value, bound: value == bound,
}


class Results:
    def __init__(self):
        self._measurements: list[Measurement] = []

    def add(
        self, name: str, runs: float | Sequence[float], unit: str, goal: str = "", note: str = ""
    ) -> float:
        """Record the median of RUNS, show it, and return it."""
        values = [float(v) for v in (runs if isinstance(runs, Sequence) else [runs])]
        value = statistics.median(values)
        met = None
        if goal:
            operator, bound = goal.split()
            met = _COMPARE[operator](value, float(bound))
        entry = Measurement(name, value, unit, goal, met, values, note)
        self._measurements.append(entry)
        print(self._line(entry), flush=True)
        return value

    @staticmethod
    def _line(entry: Measurement) -> str:
        verdict = {None: "", True: "ok", False: "MISSED"}[entry.met]
        goal = f"goal {entry.goal} {verdict}" if entry.goal else ""
        return f"  {entry.name:<52} {entry.value:>10.4g} {entry.unit:<9} {goal:<22} {entry.note}"

    def write(self, path: Path, about: dict) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = [asdict(entry) for entry in self._measurements]
        path.write_text(json.dumps({**about, "measurements": entries}, indent=1) + "\n")
