# SPDX-License-Identifier: GPL-2.0-or-later
"""`make contract`: test the clauses, a line each, out/contract/."""

import os
import shlex
import shutil

import pytest

from harness import cli, paths

from .report import OUT, Results


def main() -> int:
    selection = shlex.split(cli.setting("T")) or ["tests/contract"]
    jobs = cli.number("JOBS") or os.cpu_count()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    os.chdir(paths.ROOT)
    results = Results()
    status = pytest.main(["-q", "--tb=short", "-n", str(jobs), "--dist", "worksteal", *selection],
                         plugins=[results])
    results.write_json(OUT / "contract.json")
    results.write_html(OUT / "contract.html")
    print(*results.lines(untested=not cli.setting("T")), results.total(), sep="\n")
    print(f"  {(OUT / 'contract.html').relative_to(paths.ROOT)}")
    return int(status) or int(not cli.setting("T") and not results.complete)


cli.run(main)
