# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Callable, Iterator

import pytest

from harness.qtest import QtestMachine
from harness.regs import display as regs
from model.camera import Camera
from model.display import Display, Mode


@pytest.fixture
def camera(qtest: Callable[..., QtestMachine]) -> Camera:
    """Camera 0 without a sensor; guest errors are logged."""
    return Camera(qtest(args=["-d", "guest_errors"]))


@pytest.fixture(scope="module")
def machine() -> Iterator[QtestMachine]:
    """One for all tests of a file, which leave it to a reset."""
    with QtestMachine() as m:
        yield m


@pytest.fixture
def display(machine: QtestMachine) -> Display:
    """Display 0 after a reset, with a small mode set."""
    d = Display(machine)
    d.write(regs.DISP_CTRL, regs.DISP_CTRL.RESET)
    d.set_mode(Mode())
    return d
