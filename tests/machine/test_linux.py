# SPDX-License-Identifier: GPL-2.0-or-later
"""What Linux makes of the machine."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.guest import Guest, GuestConfig

Boot = Callable[..., Guest]


def ram(guest: Guest) -> list[str]:
    return re.findall(r"^(\S+) : System RAM", guest.run("cat /proc/iomem").stdout, re.M)


@pytest.mark.parametrize(("name", "cpus", "cameras", "displays"), [
    ("baton", "0-1", 1, 1),
    ("baton-dual", "0-1", 2, 2),
    ("baton-uni", "0", 1, 1),
    ("baton-window256", "0-1", 1, 1),
    ("baton-windows", "0-1", 1, 3),
])
def test_variant(boot: Boot, name: str, cpus: str, cameras: int, displays: int) -> None:
    guest = boot(dtb=name)
    assert ram(guest) == ["80000000-bfffffff", "880000000-8bfffffff"]
    assert guest.run("cat /sys/devices/system/cpu/online").stdout.strip() == cpus
    nodes = guest.run("ls /sys/bus/platform/devices").stdout.split()
    assert sum(n.endswith(".camera") for n in nodes) == cameras
    assert sum(n.endswith(".display") for n in nodes) == displays


def test_devices(guest: Guest) -> None:
    devices = guest.run("ls /sys/class/rtc /sys/class/watchdog /sys/bus/gpio/devices").stdout
    assert {"rtc0", "watchdog0", "gpiochip0"} <= set(devices.split())
    assert "armv8_cortex_a57" in guest.run("ls /sys/bus/event_source/devices").stdout
    assert guest.run("date +%Y").stdout >= "2024"


def test_cpu_goes_and_comes(guest: Guest) -> None:
    cpu1 = "/sys/devices/system/cpu/cpu1/online"
    guest.run(f"echo 0 >{cpu1}")
    assert guest.run("cat /sys/devices/system/cpu/online").stdout == "0\n"
    guest.run(f"echo 1 >{cpu1}")
    assert guest.run("cat /sys/devices/system/cpu/online").stdout == "0-1\n"


def shutdown_reason(guest: Guest) -> str:
    reason = guest.qmp.wait_event("SHUTDOWN")["data"]["reason"]
    guest.wait_end()
    return reason


def test_power_key(guest: Guest) -> None:
    guest.qmp.cmd("system_powerdown")
    assert shutdown_reason(guest) == "guest-shutdown"


@pytest.mark.parametrize(("command", "reason"), [
    ("poweroff -f", "guest-shutdown"), ("reboot -f", "guest-reset"),
])
def test_end(guest: Guest, command: str, reason: str) -> None:
    guest.spawn(command)
    assert shutdown_reason(guest) == reason


def test_watchdog_bites(guest: Guest) -> None:
    guest.spawn("watchdog -F -T 2 -t 1000 /dev/watchdog0")
    assert guest.qmp.wait_event("WATCHDOG")["data"]["action"] == "reset"
    guest.wait_end()


def test_migration(artifacts: Path) -> None:
    """A program goes on counting in another QEMU."""
    state = artifacts / "state"
    with Guest(GuestConfig(), artifacts / "from") as guest:
        guest.spawn("i=0; while :; do i=$((i+1)); echo count=$i >/dev/console; usleep 100000; done")
        guest.console.wait(r"count=5\b")
        guest.qmp.migrate(f"file:{state}")
    count = max(int(n) for n in re.findall(r"count=(\d+)", "\n".join(guest.console.lines)))
    config = GuestConfig(qemu_args=("-incoming", f"file:{state}"))
    with contextlib.closing(Guest(config, artifacts / "to")) as other:
        other.start()
        other.console.wait(rf"count={count + 5}\b")
