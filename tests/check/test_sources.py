# SPDX-License-Identifier: GPL-2.0-or-later
"""The static checks of `make check`, each as a test."""

import os
import re
import subprocess

import pytest

from harness import paths
from harness.errors import InfrastructureError

SCRIPT = paths.ROOT / ".ci" / "check"
CHECKS = re.findall(r"^check (\S+)", SCRIPT.read_text(), re.MULTILINE)


def test_there_are_checks():
    assert len(CHECKS) >= 6


@pytest.mark.parametrize("name", CHECKS)
def test_check(name):
    try:
        sources = os.environ["LINUX_SRC"], os.environ["QEMU_SRC"]
    except KeyError as err:
        raise InfrastructureError(f"{err} is not set: run this through 'make test'") from None
    done = subprocess.run([SCRIPT, *sources, name], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^{name} +ok$", done.stdout, re.MULTILINE), done.stdout
