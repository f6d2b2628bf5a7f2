# SPDX-License-Identifier: GPL-2.0-or-later
"""`make test-full`: the tests on all kernels, and the mutants; out/full/ tells what ran."""

import json
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import cli
from .paths import BUILD, OUT, ROOT

FULL = OUT / "full"
_IN_GUESTS = "tests/boot tests/drivers tests/pipeline"
_REASONS = "tests/unit/test_contract.py"  # are lines of the kernel's source


@dataclass
class Part:
    """One make, and what came of it."""

    name: str
    arguments: tuple[str, ...]  # of make
    leaves: str  # its folder below out/
    kernel: str = ""
    status: int = -1  # of make: -1 has not run
    seconds: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def parts() -> list[Part]:
    return [
        Part("release", ("test",), "test"),
        Part("debug", ("test", "KERNEL_CONFIG=debug", f"T={_IN_GUESTS} tests/contract"), "test"),
        Part("static", ("contract", "KERNEL_CONFIG=static"), "contract"),
        Part("release-7.2", ("test", "KERNEL=7.2", f"T={_IN_GUESTS} {_REASONS}"), "test"),
        Part("contract-7.2", ("contract", "KERNEL=7.2"), "contract"),
        Part("mutants", ("mutants",), "mutants"),
    ]


def of_junit(junit: Path) -> dict[str, int]:
    """Tests, failures, errors and skipped of a JUnit file."""
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert suite is not None, f"{junit} has no test suite"
    return {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}


def of_contract(document: Path) -> dict[str, int]:
    """Clauses and exporters by what came of them."""
    return Counter(result["status"] for result in json.loads(document.read_text())["clauses"])


def run(part: Part) -> None:
    print(f"== {part.name}: make {' '.join(part.arguments)}", flush=True)
    start = time.monotonic()
    # What a user gave for all parts is in the environment; make's own flags are not for them.
    environment = {**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "0"}
    part.status = subprocess.run(["make", *part.arguments], cwd=ROOT, env=environment).returncode
    part.seconds = round(time.monotonic() - start)
    part.kernel = (BUILD / "linux").resolve().name.rpartition("-")[0]
    for name, counts in (("junit.xml", of_junit), ("contract.json", of_contract)):
        if (path := OUT / part.leaves / name).exists():
            part.counts = counts(path)
    if (OUT / part.leaves).exists():
        shutil.move(OUT / part.leaves, FULL / part.name)


def main() -> int:
    shutil.rmtree(FULL, ignore_errors=True)
    FULL.mkdir(parents=True)
    done = parts()
    try:
        for part in done:
            run(part)
    finally:
        (FULL / "full.json").write_text(json.dumps([asdict(p) for p in done], indent=1) + "\n")
    for part in done:
        said = ", ".join(f"{count} {what}" for what, count in part.counts.items())
        print(f"  {part.name:<12} {'ok' if part.status == 0 else 'FAILED':<7} {part.kernel:<18} "
              f"{part.seconds // 60:3} min  {said}")
    print(f"  {(FULL / 'full.json').relative_to(ROOT)}")
    return int(any(part.status for part in done))


if __name__ == "__main__":
    cli.run(main)
