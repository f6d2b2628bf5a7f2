# SPDX-License-Identifier: GPL-2.0-or-later
"""A copy of the checkout in which a mutant is built and tested.

What mutants do not change (QEMU, kernel, device trees) is that of the checkout itself.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from harness import paths
from harness.errors import InfrastructureError

_LINKS = ("qemu", "dts", "venv", ".packages")
_MUTABLE = ("kernel-drivers", "tests")
_STALL = "20"  # seconds: a mutant may hang a guest


class BuildError(Exception):
    """The mutant does not compile; the text is the end of the log."""


class Sandbox:
    def __init__(self, directory: Path):
        self.dir = directory
        build = directory / "build"
        build.mkdir(parents=True, exist_ok=True)
        skip = [f"--exclude=/{name}" for name in ("build", "out", ".git", *_MUTABLE)]
        self._copy("-a", *skip, f"{paths.ROOT}/", f"{directory}/")
        # Without the times: make must notice a file that an interrupted run left patched.
        for name in _MUTABLE:
            self._copy("-rlp", "--checksum", f"{paths.ROOT / name}/", f"{directory / name}/")
        for name in _LINKS:
            link = build / name
            link.unlink(missing_ok=True)
            link.symlink_to(paths.built(paths.BUILD / name, "guest"))

    @staticmethod
    def _copy(*arguments: str) -> None:
        subprocess.run(["rsync", "--delete", "--exclude=__pycache__", *arguments], check=True)

    def _run(self, *command: str, log: Path, **env: str) -> int:
        outermost = {"MAKEFLAGS": "", "MAKELEVEL": "0"}  # as make in a terminal
        with log.open("a") as file:
            return subprocess.run(command, cwd=self.dir, env={**os.environ, **outermost, **env},
                                  stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=subprocess.STDOUT).returncode

    def patch(self, patch: Path, log: Path, reverse: bool = False) -> None:
        if self._run("patch", "-p1", "--no-backup-if-mismatch", *(["-R"] if reverse else []),
                     "-i", str(patch), log=log):
            raise BuildError(f"{patch.name} does not apply")

    def build(self, log: Path) -> None:
        if self._run("make", "rootfs", "test-programs", "JOBS=1", log=log):
            lines = log.read_text(errors="replace").splitlines()
            raise BuildError(next((line for line in lines if "error" in line), "does not build"))

    def test(self, tests: Iterable[str], log: Path) -> list[dict]:
        """Run tests to their end; what recorder.py writes of each."""
        record = self.dir / "build" / "record.json"
        record.unlink(missing_ok=True)
        shutil.rmtree(self.dir / "out", ignore_errors=True)
        self._run(sys.executable, "-m", "pytest", "-p", "contract.mutants.recorder", "-p",
                  "no:cacheprovider", "-q", "--tb=short", *tests, log=log, PYTHONPATH="tests",
                  BATON_STALL=_STALL, BATON_RECORD=str(record))
        if not record.exists():
            raise InfrastructureError(f"no test ran; see {log}")
        return [json.loads(line) for line in record.read_text().splitlines()]
