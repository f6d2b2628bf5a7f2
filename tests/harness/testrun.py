# SPDX-License-Identifier: GPL-2.0-or-later
"""`make test`: run pytest on all processors, end with "N passed, N failed"."""

import os
import shlex
import shutil
import sys

import pytest

from . import cli
from .paths import OUT, ROOT

# A test counts once, with the worst that was reported for it.
_WORSE = ["passed", "xfailed", "skipped", "failed", "error"]


class Counter:
    def __init__(self):
        self._outcomes: dict[str, str] = {}

    def _note(self, nodeid: str, outcome: str) -> None:
        known = self._outcomes.get(nodeid, outcome)
        self._outcomes[nodeid] = max(known, outcome, key=_WORSE.index)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._note(report.nodeid, "failed" if report.when == "call" else "error")
        elif report.skipped:
            expected = hasattr(report, "wasxfail")  # pytest's own summary tells of these
            self._note(report.nodeid, "xfailed" if expected else "skipped")
        elif report.when == "call":
            self._note(report.nodeid, "passed")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._note(report.nodeid, "error")

    def count(self, outcome: str) -> int:
        return list(self._outcomes.values()).count(outcome)

    def closing_line(self) -> str:
        line = f"{self.count('passed')} passed, {self.count('failed')} failed"
        for outcome, plural in (("skipped", "skipped"), ("error", "errors")):
            if count := self.count(outcome):
                line += f", {count} {plural}"
        return line


def main() -> int:
    selection = shlex.split(cli.setting("T"))
    jobs = cli.number("JOBS") or os.cpu_count()
    shutil.rmtree(OUT / "test", ignore_errors=True)
    (OUT / "test").mkdir(parents=True)
    os.chdir(ROOT)
    arguments = ["--junitxml=out/test/junit.xml", "-o", "junit_family=xunit2"]
    single = any("::" in word for word in selection)
    if not single:
        arguments += ["-n", str(jobs), "--dist", "worksteal"]
    counter = Counter()
    status = pytest.main([*arguments, *selection], plugins=[counter])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        print("no test matches: " + " ".join(selection), file=sys.stderr)
    print(counter.closing_line())
    # A test that did not run proves nothing.
    return int(status) or int(counter.count("skipped") > 0)


if __name__ == "__main__":
    cli.run(main)
