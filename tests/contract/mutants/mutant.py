# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: patches that break the project, and the tests that must notice.

NAME.patch begins with what it breaks in a line, then

    Clause: MIG-14
    Test: test_migrate.py::test_no_store_is_lost[baton]

and the patch. There can be several tests, of which one must fail; all are of that clause.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_TESTS = "tests/contract/"


@dataclass(frozen=True)
class Mutant:
    name: str
    title: str
    clause: str
    tests: tuple[str, ...]  # node ids
    patch: Path


def _fields(header: str, key: str) -> list[str]:
    return re.findall(rf"^{key}: (\S.*?)\s*$", header, re.MULTILINE)


def read(path: Path) -> Mutant:
    """Read a patch; a ValueError says what its header lacks."""
    header, separator, _ = path.read_text().partition("\n--- a/")
    clauses, tests = _fields(header, "Clause"), _fields(header, "Test")
    if not separator or len(clauses) != 1 or not tests or not header.splitlines()[0]:
        raise ValueError(f"{path.name}: needs a title, one Clause:, a Test: and a patch")
    return Mutant(path.stem, header.splitlines()[0], clauses[0],
                  tuple(_TESTS + test for test in tests), path)


def read_all() -> list[Mutant]:
    return [read(path) for path in sorted(FOLDER.glob("*.patch"))]
