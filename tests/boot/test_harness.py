# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself, on a real guest: it hears what the guest says, and minds splats."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.errors import GuestError


def test_output_and_status(guest):
    result = guest.run("echo out; echo err >&2; exit 3", check=False)
    assert (result.status, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_failure_is_an_assertion(guest):
    with pytest.raises(AssertionError, match="no such thing"):
        guest.run("echo no such thing >&2; false")


def test_files(guest):
    data = os.urandom(3_000_001)
    guest.put(data, "/tmp/file", 0o755)
    assert guest.get("/tmp/file") == data
    guest.run("test -x /tmp/file")


def test_much_output(guest):
    result = guest.run("seq 1 200000")
    assert result.stdout.split() == [str(i) for i in range(1, 200001)]


def test_commands_at_once(guest):
    with ThreadPoolExecutor(8) as pool:
        lines = [f"sleep 0.1; echo {i}" for i in range(8)]
        assert [r.stdout for r in pool.map(guest.run, lines)] == [f"{i}\n" for i in range(8)]


def test_signal(guest):
    command = guest.spawn("echo ready; exec sleep 1000")
    command.wait_output("ready")
    command.kill(signal.SIGTERM)
    assert command.wait().status == 128 + signal.SIGTERM


def test_expected_splat(guest):
    with guest.expect_splat("test_function"):
        guest.run("echo '<4>WARNING: CPU: 0 PID: 1 at test_function+0x1/0x2' >/dev/kmsg")
    guest.check()


def test_undeclared_splat(guest):
    guest.run("echo '<4>WARNING: CPU: 0 PID: 1 at test_function+0x1/0x2' >/dev/kmsg")
    with pytest.raises(GuestError, match="test_function"):
        guest.check()


def test_splat_that_does_not_come(guest):
    with pytest.raises(AssertionError, match="did not print"), guest.expect_splat("nothing"):
        guest.run("true")


def test_panic(guest):
    with (
        guest.expect_splat("sysrq triggered crash"),
        pytest.raises(GuestError, match="kernel panic: sysrq triggered crash"),
    ):
        guest.run("echo c >/proc/sysrq-trigger")


def test_qemu_that_dies(guest):
    os.kill(guest.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, guest.process.pid, os.WEXITED | os.WNOWAIT)  # its sockets close first
    with pytest.raises(GuestError, match="QEMU ended|channel is closed"):
        guest.run("true")
