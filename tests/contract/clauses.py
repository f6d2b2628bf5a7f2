# SPDX-License-Identifier: GPL-2.0-or-later
"""The clauses of the contract: clauses.toml, read and validated."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .kernel import KERNELS, is_one_of

PATH = Path(__file__).with_name("clauses.toml")
COUNT = 120
SEEDS = 28
PROJECT = ("baton", "camera", "display")
MAINLINE = ("system", "cma", "udmabuf", "vivid", "vkms")
EXPORTERS = PROJECT + MAINLINE


@dataclass(frozen=True)
class Exemption:
    """Why a clause does not bind some exporters, or which are known to break it."""

    exporters: tuple[str, ...]  # "kernel": whatever the exporter
    reason: str
    file: str  # of the kernel's source
    line: str  # which it contains
    kernels: tuple[str, ...] = ()  # on which this is so; none are named: on all

    def on(self, kernel: str) -> bool:
        return not self.kernels or is_one_of(kernel, self.kernels)


@dataclass(frozen=True)
class Clause:
    id: str
    text: str
    expected: str
    source: str = ""
    since: str = ""
    mainline: str = ""  # why no code of the project's can break it
    seed: tuple[int, ...] = ()
    kernels: dict[str, str] = field(default_factory=dict)  # that do not do what is expected
    not_applicable: tuple[Exemption, ...] = ()
    defect: tuple[Exemption, ...] = ()

    @property
    def group(self) -> str:
        return self.id[:3]

    @property
    def named_kernels(self) -> set[str]:
        exemptions = self.not_applicable + self.defect
        return {*self.kernels, *(name for each in exemptions for name in each.kernels)}

    def exemption(self, kind: str, exporter: str, kernel: str) -> Exemption | None:
        """KIND is "not_applicable" or "defect"."""
        return next((exemption for exemption in getattr(self, kind)
                     if exporter in exemption.exporters and exemption.on(kernel)), None)


@dataclass(frozen=True)
class Contract:
    groups: dict[str, str]  # titles
    seed: dict[str, str]
    clauses: dict[str, Clause] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Clause]:
        return iter(self.clauses.values())


def _exemptions(tables: list[dict]) -> tuple[Exemption, ...]:
    return tuple(Exemption(**{**table, "exporters": tuple(table["exporters"]),
                              "kernels": tuple(table.get("kernels", ()))})
                 for table in tables)


def _clause(table: dict, not_applicable: list[dict]) -> Clause:
    special = {"seed": tuple(table.get("seed", ())),
               "not_applicable": _exemptions(table.get("not_applicable", []) + not_applicable),
               "defect": _exemptions(table.get("defect", []))}
    return Clause(**{**table, **special})


def _by_clause(tables: list[dict]) -> dict[str, list[dict]]:
    """The exemptions of several clauses, for each of them."""
    found: dict[str, list[dict]] = {}
    for table in tables:
        exemption = dict(table)
        for id_ in exemption.pop("clauses"):
            found.setdefault(id_, []).append(exemption)
    return found


def load(path: Path = PATH) -> Contract:
    """Read the clauses; a ValueError says what is wrong with the file."""
    with path.open("rb") as file:
        document = tomllib.load(file)
    shared = _by_clause(document["not_applicable"])
    clauses = [_clause(table, shared.get(table["id"], [])) for table in document["clause"]]
    contract = Contract(document["groups"], document["seed"], {c.id: c for c in clauses})
    if len(contract.clauses) != COUNT or len(clauses) != COUNT:
        raise ValueError(f"{path.name}: {len(clauses)} clauses, {len(contract.clauses)} ids; "
                         f"there are {COUNT}")
    if len(contract.seed) != SEEDS:
        raise ValueError(f"{path.name}: {len(contract.seed)} seed statements, not {SEEDS}")
    if unknown := shared.keys() - contract.clauses.keys():
        raise ValueError(f"{path.name}: exemptions without a clause: {', '.join(unknown)}")
    _check(contract)
    return contract


def _check(contract: Contract) -> None:
    stated = set()
    for clause in contract:
        if clause.group not in contract.groups:
            raise ValueError(f"{clause.id}: no group of that name")
        stated |= {f"S{number}" for number in clause.seed}
        if unknown := clause.named_kernels - set(KERNELS):
            raise ValueError(f"{clause.id}: no kernel {', '.join(sorted(unknown))}")
        for exemption in clause.not_applicable + clause.defect:
            if unknown := set(exemption.exporters) - {*EXPORTERS, "kernel"}:
                raise ValueError(f"{clause.id}: no exporter {', '.join(sorted(unknown))}")
    if stated != set(contract.seed):
        raise ValueError(f"seed statements without a clause, or unknown: "
                         f"{', '.join(sorted(stated ^ set(contract.seed)))}")


CONTRACT = load()
