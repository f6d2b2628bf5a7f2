# SPDX-License-Identifier: GPL-2.0-or-later
"""All drivers load and unload cleanly, the buffer core among them."""

import json

CONSOLE_PAGES = 1920 * 1080 * 4 // 4096
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


def contiguous_pages(guest) -> int:
    """Pages that are allocated from all contiguous pools."""
    count = "cat /sys/kernel/mm/cma/*/{}_pages_success"
    return sum(sign * int(word) for sign, name in ((1, "alloc"), (-1, "release"))
               for word in guest.run(count.format(name)).stdout.split())


def test_a_hundred_loads_of_all(boot):
    """Not with the heap, for no kernel can unregister one."""
    guest = boot(kernel_args="baton.modules=no")
    before = contiguous_pages(guest)
    guest.run(LOOP, stall=300)
    assert contiguous_pages(guest) == before
    assert "already present" not in guest.run("dmesg").stdout

    guest.run("modprobe -a baton-buf baton-camera baton-display")
    assert contiguous_pages(guest) >= before + CONSOLE_PAGES
    report = guest.run("baton-pipeline --pattern --size 64x64 --frames 5 --hash --json -").stdout
    frames = [frame for frame in json.loads(report)["frames"] if frame["display_hash"]]
    assert len(frames) >= 3
    assert all(frame["camera_hash"] == frame["display_hash"] for frame in frames)
