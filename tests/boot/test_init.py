# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest's init does besides booting."""


def test_module_that_does_not_load(boot):
    """It is reported, and the guest is there all the same."""
    guest = boot(kernel_args="initcall_blacklist=baton_camera_driver_init")
    assert "baton: cannot load baton-camera; see dmesg" in guest.console.text
    assert "baton_display" in guest.run("cat /proc/modules").stdout


def test_shell_comes_again(guest):
    start = len(guest.console.lines)
    guest.console.write("exit\n")
    guest.console.wait("^BusyBox", start)
    guest.console.write("echo ag''ain\n")
    guest.console.wait("^again", start)
