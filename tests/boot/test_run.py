# SPDX-License-Identifier: GPL-2.0-or-later
"""make run, shell and debug, and a display to watch over VNC."""

import os
import socket
import subprocess
import sys

import pytest

from harness import cli, paths, run
from harness.guest import Guest, GuestConfig

COMMAND = [sys.executable, "-m", "harness.run"]


def environment(**settings: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": "tests", **settings}


@pytest.mark.parametrize("status", [0, 7])
def test_script_in_the_guest(artifacts, status):
    script = artifacts / "script.sh"
    script.write_text(f"#!/bin/sh\nuname -m\necho woe >&2\nexit {status}\n")
    done = subprocess.run(COMMAND, cwd=paths.ROOT, env=environment(GUEST=str(script)),
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, "aarch64\n", "woe\n")


def test_script_that_is_not_there():
    done = subprocess.run(COMMAND, cwd=paths.ROOT, env=environment(GUEST="/nowhere"),
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "baton: GUEST: there is no file /nowhere\n"


def test_shell_on_the_console():
    with subprocess.Popen([*COMMAND, "shell"], cwd=paths.ROOT, env=environment(), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        for line in shell.stdout:
            if "built-in shell" in line:
                break
        said, _ = shell.communicate("echo $((6 * 7)) is told; poweroff\n")
    assert shell.returncode == 0
    assert "42 is told" in said


def test_debug_waits_for_gdb(monkeypatch):
    config = GuestConfig(kernel_args="nokaslr", qemu_args=("-s", "-S"))
    monkeypatch.setenv("QEMU_ARGS", "")
    assert run._config(debug=True) == config


def test_display_over_vnc(artifacts):
    """On a socket of its own: port 5900 of DISPLAY_UI=vnc may be somebody's."""
    assert cli.DISPLAYS["vnc"] == "vnc=127.0.0.1:0"
    sock = os.path.relpath(artifacts / "vnc")
    with Guest(GuestConfig(), artifacts, f"vnc=unix:{sock}"), socket.socket(socket.AF_UNIX) as vnc:
        vnc.settimeout(60)
        vnc.connect(sock)
        assert vnc.recv(12) == b"RFB 003.008\n"
