# SPDX-License-Identifier: GPL-2.0-or-later
"""All drivers load and unload cleanly, the buffer core among them."""

LOOP = """
for turn in $(seq 100); do
    for module in buf camera display monitor; do modprobe baton-$module || exit; done
    for file in /sys/kernel/debug/baton-buf*/*; do
        [ ! -f $file ] || cat $file >/dev/null || exit
    done
    rmmod baton-monitor baton-display baton-camera baton-buf || exit
    ! ls /sys/kernel/debug | grep baton || exit
done
"""


def test_a_hundred_loads_of_all(boot):
    """Not with the heap, for no kernel can unregister one."""
    guest = boot(kernel_args="baton.modules=no")
    guest.run(LOOP, stall=300)
    assert "already present" not in guest.run("dmesg").stdout
