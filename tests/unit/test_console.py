# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel splats are found on the console, and ordinary lines are not taken for one."""

import socket

import pytest

from harness.console import Console
from harness.errors import GuestError
from harness.eventloop import EventLoop

WARNING = """\
[    1.500000] ------------[ cut here ]------------
[    1.500001] WARNING: CPU: 1 PID: 42 at drivers/baton/camera.c:7 camera_irq+0x10/0x20
[    1.500002] Call trace:
[    1.500003]  camera_irq+0x10/0x20
[    1.500004] ---[ end trace 0000000000000000 ]---
"""


@pytest.fixture
def console(tmp_path):
    loop = EventLoop()
    ours, guest = socket.socketpair()
    console = Console(loop, ours, tmp_path / "console.log")
    loop.start()

    def say(text: str) -> Console:
        start = len(console.lines)
        guest.sendall(text.encode() + b"said\n")
        console.wait("^said$", start)
        return console

    yield say
    guest.close()
    loop.close()
    ours.close()


@pytest.mark.parametrize(
    "line",
    [
        "WARNING: possible circular locking dependency detected",
        "BUG: KASAN: slab-out-of-bounds in camera_irq+0x10/0x20",
        "BUG: sleeping function called from invalid context at mm/slab.h:1",
        "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
        "Internal error: Oops: 0000000096000004 [#1] SMP",
        "INFO: task kworker/0:1:10 blocked for more than 61 seconds.",
        "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
        "UBSAN: array-index-out-of-bounds in drivers/x.c:1:2",
        "DMA-API: baton-camera 30000000.camera: cacheline tracking EEXIST",
        "refcount_t: underflow; use-after-free.",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "KASAN: null-ptr-deref in range",
    ],
)
def test_splats(console, line):
    (splat,) = console(f"[    0.100000] {line}\r\n").undeclared()
    assert line in splat.text


@pytest.mark.parametrize(
    "line",
    [
        "[    0.100000] baton-camera 30000000.camera: bus error at 0x10",
        "[    0.100000] No soft lockup detected",
        "WARNING: said by a program",
    ],
)
def test_ordinary_lines(console, line):
    assert not console(line + "\n").splats


def test_one_splat_is_counted_once(console):
    (splat,) = console(WARNING).splats
    assert "camera_irq+0x10/0x20" in splat.lines[-2]


def test_expected_splat_is_declared(console):
    with console("").expect("camera_irq"):
        console(WARNING)
    assert not console("").undeclared()


def test_expected_splat_must_come(console):
    with pytest.raises(AssertionError, match="did not print"), console("").expect("camera_irq"):
        pass


def test_panic_ends_all_waiting(console):
    with pytest.raises(GuestError, match="kernel panic: no init"):
        console("[    1.000000] Kernel panic - not syncing: no init\n").wait("never")


def test_silence_is_an_error(console):
    with pytest.raises(GuestError, match="nothing heard"):
        console("").wait("never", stall=0.05)
