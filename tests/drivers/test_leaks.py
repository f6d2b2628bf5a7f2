# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever was done with buffers leaves no memory behind."""

import re

import pytest

from harness import pixels
from harness.guest import Guest
from harness.kms import Kms
from harness.v4l2 import V4l2

CARD = "/dev/dri/card0"
KMEMLEAK = "/sys/kernel/debug/kmemleak"
MIB = 1 << 20
ROUNDS = 8


def stream(camera: V4l2, frames: int) -> None:
    for _ in range(frames):
        camera.queue(camera.dequeue().buffer)


def own_buffers(guest: Guest) -> None:
    """Buffers of the camera move while it streams into them."""
    camera = V4l2(guest)
    camera.set_format("XR24", 1280, 720)
    camera.start(3)
    for index in range(3):
        camera("prime", CARD, camera.number("export", index, 0))
    stream(camera, 4)
    camera.kill()


def heap_buffers(guest: Guest) -> None:
    """The camera imports some that then move, and is refused one."""
    camera = V4l2(guest)
    size = camera.set_format("NV12", 1280, 720).sizes[0]
    fds = [camera.number("heap", "baton", size) for _ in range(3)]
    camera.start_import([[fd] for fd in fds])
    camera("prime", CARD, fds[0])
    stream(camera, 4)
    assert camera.dma_buf(fds[1], size)
    camera.stop()
    camera.request("dmabuf", 1)
    assert camera.refused("queue", 0, 1, camera.number("heap", "baton", 4096)) == "EINVAL"
    camera.close()


def pictures(guest: Guest) -> None:
    kms = Kms(guest)
    picture = kms.picture("XR24", 320, 240, pixels.noise("XR24", 320, 240, 1))
    kms.show(kms.mode(320, 240), primary=picture)
    kms.close()


def memory(guest: Guest) -> int:
    """Bytes that are free, or could be, without the files of the programs.

    The free pages that a CPU keeps for itself are not in MemAvailable.
    """
    guest.run("rm -f /tmp/*.*")
    available = guest.run("grep MemAvailable /proc/meminfo").stdout.split()[1]
    kept = re.findall(r"^ +count: +(\d+)", guest.run("cat /proc/zoneinfo").stdout, re.MULTILINE)
    return (int(available) << 10) + sum(map(int, kept)) * 4096


def buffers(guest: Guest) -> list[str]:
    text = guest.run("cat /sys/kernel/debug/baton-buf/buffers /sys/kernel/debug/dma_buf/bufinfo")
    return re.findall(r"^buffer=\d+ exporter=\S+ bytes=\d+|^Total .*", text.stdout, re.MULTILINE)


def has_kmemleak(guest: Guest) -> bool:
    return guest.run(["test", "-e", KMEMLEAK], check=False).status == 0


def find_leaks(guest: Guest) -> str:
    """What kmemleak reports; it lets an allocation ripen for 5 s."""
    guest.run(f"sleep 6; echo scan >{KMEMLEAK}; echo scan >{KMEMLEAK}", stall=None)
    return guest.run(f"cat {KMEMLEAK}").stdout


@pytest.mark.parametrize("work", [own_buffers, heap_buffers, pictures])
def test_nothing_is_left(guest: Guest, work):
    work(guest)
    before, free = buffers(guest), memory(guest)
    for _ in range(ROUNDS):
        work(guest)
    assert buffers(guest) == before
    if has_kmemleak(guest):  # with KASAN, which keeps what was freed for a while
        assert find_leaks(guest) == ""
    else:
        assert memory(guest) > free - MIB
