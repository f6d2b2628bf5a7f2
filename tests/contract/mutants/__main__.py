# SPDX-License-Identifier: GPL-2.0-or-later
"""`make mutants`: each mutant must be killed by the clause that it names; out/mutants/."""

import json
import os
import queue
import shlex
import shutil
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import cli, paths

from ..kernel import kernel_name
from .mutant import Mutant, read_all
from .sandbox import BuildError, Sandbox

OUT = paths.OUT / "mutants"
KILLED = "killed"


@dataclass
class Verdict:
    name: str
    title: str
    clause: str
    status: str
    test: str = ""  # that killed it
    message: str = ""

    def line(self) -> str:
        label = "ok" if self.status == KILLED else self.status.upper()
        return f"\t{label}: {self.name}: {self.clause}: {self.test} {self.message}".rstrip()


def judge(mutant: Mutant, records: Iterable[dict]) -> Verdict:
    """A boot that fails, or a host in trouble, kills nothing."""
    failures = [record for record in records if record["outcome"] == "failed"]
    for record in failures:
        if record["phase"] == "call" and not record["host"] and mutant.clause in record["clauses"]:
            return Verdict(mutant.name, mutant.title, mutant.clause, KILLED,
                           record["test"].rpartition("/")[2], " ".join(record["message"]))
    status = "failed otherwise" if failures else "survived"
    message = failures[0]["at"] if failures else ""
    return Verdict(mutant.name, mutant.title, mutant.clause, status, message=message)


def test(mutant: Mutant, sandbox: Sandbox, log: Path) -> Verdict:
    try:
        sandbox.patch(mutant.patch, log)
        try:
            sandbox.build(log)
            return judge(mutant, sandbox.test(mutant.tests, log))
        finally:
            sandbox.patch(mutant.patch, log, reverse=True)
    except BuildError as err:
        return Verdict(mutant.name, mutant.title, mutant.clause, "not built", message=str(err))


def check_tests(mutants: list[Mutant], sandbox: Sandbox, log: Path) -> None:
    """Without a mutant all tests must pass."""
    sandbox.build(log)
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    for record in sandbox.test(tests, log):
        if record["outcome"] == "failed":
            raise AssertionError(f"fails without any mutant: {record['test']}: {record['at']}")


class Run:
    """Workers with a sandbox each, as many as processors."""

    def __init__(self, mutants: list[Mutant]):
        self.verdicts: list[Verdict] = []
        self.error: BaseException | None = None
        self._all = mutants
        self._left: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in mutants:
            self._left.put(mutant)

    def work(self, number: int) -> None:
        try:
            sandbox = Sandbox(paths.BUILD / "mutants" / str(number))
            log = OUT / f"tests-{number}.log"
            if number == 0:
                check_tests(self._all, sandbox, log)
            else:
                sandbox.build(log)
            while not self.error:
                self._test(self._left.get_nowait(), sandbox)
        except queue.Empty:
            return
        except BaseException as err:
            self.error = self.error or err

    def _test(self, mutant: Mutant, sandbox: Sandbox) -> None:
        log = OUT / f"{mutant.name}.log"
        verdict = test(mutant, sandbox, log)
        if verdict.status == KILLED:
            log.unlink()
        self.verdicts.append(verdict)
        print(verdict.line(), flush=True)

    def run(self, jobs: int) -> None:
        threads = [threading.Thread(target=self.work, args=(n,), daemon=True)
                   for n in range(min(jobs, len(self._all)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.error:
            raise self.error


def main() -> int:
    names = shlex.split(cli.setting("T"))
    mutants = [mutant for mutant in read_all() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in mutants}:
        raise cli.UserError(f"no mutant is called {', '.join(sorted(unknown))}")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    run = Run(mutants)
    run.run(cli.number("JOBS") or os.cpu_count() or 1)
    verdicts = sorted(run.verdicts, key=lambda verdict: verdict.name)
    (OUT / "mutants.json").write_text(json.dumps(
        {"kernel": kernel_name(), "mutants": [asdict(v) for v in verdicts]}, indent=1) + "\n")
    killed = sum(verdict.status == KILLED for verdict in verdicts)
    print(f"Total for {kernel_name()}: {len(verdicts)}, Killed: {killed}, "
          f"Left: {len(verdicts) - killed}; {len({v.clause for v in verdicts})} clauses")
    return int(killed < len(mutants))


if __name__ == "__main__":
    cli.run(main)
