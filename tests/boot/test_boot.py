# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux on the machine: each variant boots, sees what the tree says, and ends well."""

import pytest

VARIANTS = {"baton": (2, 1), "baton-dual": (2, 2), "baton-window256": (2, 1), "baton-uni": (1, 1)}


@pytest.mark.parametrize("dtb", VARIANTS)
def test_variant(boot, dtb):
    cpus, engines = VARIANTS[dtb]
    guest = boot(dtb=dtb)
    assert int(guest.run("nproc").stdout) == cpus
    for driver in ("baton-camera", "baton-display"):
        bound = guest.run(f"ls -d /sys/bus/platform/drivers/{driver}/*.*").stdout.split()
        assert len(bound) == engines, bound


def test_both_banks(guest):
    iomem = guest.run("grep 'System RAM' /proc/iomem").stdout
    assert "80000000-" in iomem
    assert "8c0000000" in iomem or "880000000-" in iomem


def test_devices(guest):
    guest.run("test -d /sys/class/rtc/rtc0 && test -c /dev/watchdog0")
    assert "gpio-keys" in guest.run("cat /proc/bus/input/devices").stdout


def test_shell_on_the_console(guest):
    guest.console.write("echo con''sole works\n")
    guest.console.wait("^console works")


def test_power_key(guest):
    guest.power_off()
    assert "reboot: Power down" in guest.console.text


def test_reboot(boot):
    guest = boot(kernel_args="loglevel=6")
    guest.spawn("reboot")
    guest.wait_end()
    assert "reboot: Restarting system" in guest.console.text


def test_without_drivers(boot):
    guest = boot(kernel_args="baton.modules=no")
    assert "baton" not in guest.run("cat /proc/modules").stdout


def test_watchdog_bites(boot):
    guest = boot(kernel_args="loglevel=6")
    guest.spawn("watchdog -T 3 -t 1000 -F /dev/watchdog0")
    guest.wait_end()
