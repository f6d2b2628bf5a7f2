# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Callable

import pytest

from harness.qtest import QtestMachine
from model.camera import Camera


@pytest.fixture
def camera(qtest: Callable[..., QtestMachine]) -> Camera:
    """Camera 0 without a sensor; guest errors are logged."""
    return Camera(qtest(args=["-d", "guest_errors"]))
