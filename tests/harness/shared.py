# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that many tests use one after the other, for those that leave nothing behind."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .guest import Guest, GuestConfig
from .paths import OUT
from .plugin import failed, watch


class SharedGuest:
    """One for each process of pytest, until a test fails."""

    def __init__(self, name: str, config: GuestConfig):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._directory = OUT / "test" / f"{name}-guest-{worker}"
        self._config = config
        self._guest: Guest | None = None

    def get(self) -> Guest:
        if self._guest and not self._guest.process.alive():
            self.drop()
        if not self._guest:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._guest = Guest(self._config, self._directory).__enter__()
        return self._guest

    def drop(self) -> None:
        if self._guest:
            self._guest.close()
        self._guest = None

    def lend(self, request: pytest.FixtureRequest, artifacts: Path,
             clean: Callable[[], bool] = lambda: True) -> Iterator[Guest]:
        """The body of a test's fixture. CLEAN is asked at its end: may others have the guest?"""
        guest = self.get()
        watch(request.node, guest)
        yield guest
        if failed(request.node) or not clean():
            shutil.copytree(guest.dir, artifacts / "guest", dirs_exist_ok=True)
            self.drop()
