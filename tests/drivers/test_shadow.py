# SPDX-License-Identifier: GPL-2.0-or-later
"""In shadow mode the CPU and the engines see what the other did only after a sync."""

from collections.abc import Callable

import pytest

from drivers.test_camera import PIXEL, check_frames, pattern
from harness import pixels
from harness.guest import Guest
from harness.kms import Kms
from harness.v4l2 import V4l2

WIDTH, HEIGHT = 128, 96
SIZE = WIDTH * HEIGHT * 4


@pytest.fixture
def guest(boot: Callable[..., Guest]) -> Guest:
    return boot(kernel_args="baton_buf.shadow=1")


@pytest.fixture
def camera(guest: Guest) -> V4l2:
    camera = V4l2(guest)
    camera.set_format("XR24", WIDTH, HEIGHT)
    return camera


@pytest.fixture
def kms(guest: Guest) -> Kms:
    kms = Kms(guest)
    kms.write("hash", 1)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=kms.picture("XR24", WIDTH, HEIGHT, noise(0)))
    return kms


def noise(seed: int) -> bytes:
    return pixels.noise("XR24", WIDTH, HEIGHT, seed)


def hash_of(memory: bytes) -> int:
    return pixels.frame_hash("XR24", WIDTH, HEIGHT, memory)


def frame_of(camera: V4l2, sequence: int) -> bytes:
    return b"".join(pattern(camera.format, sequence)[0])


def show(kms: Kms, fd: int) -> Callable[[], int]:
    """Import a dma-buf. The function shows it: the hash of what the display read."""
    fb = kms.add_fb("XR24", WIDTH, HEIGHT, kms.number("import", fd), WIDTH * 4)

    def shown() -> int:
        kms("set", "primary", "FB_ID", fb)
        return kms.frame(kms.commit()[0]).planes[0][1]

    return shown


@pytest.mark.parametrize("fourcc", sorted(PIXEL))
def test_programs_see_what_the_camera_writes(camera: V4l2, fourcc):
    camera.set_format(fourcc, 320, 256)
    camera.start(3)
    check_frames(camera, 9)


def test_so_do_those_that_have_mapped_it_already(camera: V4l2):
    camera.start(3)
    for index in range(3):
        camera("map", camera.number("export", index, 0), camera.format.sizes[0])
    check_frames(camera, 9)


def test_what_a_program_wrote_does_not_get_into_a_later_frame(camera: V4l2):
    size = camera.format.sizes[0]
    camera.start(3)
    fds = [camera.number("export", index, 0) for index in range(3)]
    for _ in range(6):
        frame = camera.dequeue()
        fd = fds[frame.buffer]
        assert camera.dma_buf(fd, size) == frame_of(camera, frame.sequence)
        camera("scribble_fd", fd, size, camera.store(noise(frame.sequence)))
        camera.queue(frame.buffer)


def test_a_program_brackets_what_it_reads_of_an_import(camera: V4l2):
    fd = camera.number("heap", "baton", SIZE)
    camera("load_fd", fd, SIZE, camera.store(noise(1)))
    camera.start_import([[fd]])
    for _ in range(3):
        frame = camera.dequeue()
        assert camera.dma_buf(fd, SIZE) == frame_of(camera, frame.sequence)
        camera.queue(frame.buffer)


def test_the_display_shows_what_a_program_wrote(kms: Kms):
    fd = kms.number("heap", "baton", SIZE)
    kms("load_fd", fd, SIZE, kms.store(noise(1)))
    shown = show(kms, fd)
    assert shown() == hash_of(noise(1))
    for seed in range(2, 4):  # with the display's mapping standing
        kms("load_fd", fd, SIZE, kms.store(noise(seed)))
        assert shown() == hash_of(noise(seed))


def test_the_display_maps_what_is_in_the_caches(kms: Kms):
    fd = kms.number("heap", "baton", SIZE)
    kms("free", kms.number("import", fd))  # it will not move any more
    kms("scribble_fd", fd, SIZE, kms.store(noise(1)))
    assert show(kms, fd)() == hash_of(noise(1))


def test_it_does_not_show_what_nobody_announced(kms: Kms):
    """So the mode does hide what a sync is missing for."""
    fd = kms.number("heap", "baton", SIZE)
    kms("load_fd", fd, SIZE, kms.store(noise(1)))
    shown = show(kms, fd)
    kms("scribble_fd", fd, SIZE, kms.store(noise(2)))
    assert shown() == hash_of(noise(1))


def test_new_memory_is_clear_for_the_display(kms: Kms):
    assert show(kms, kms.number("heap", "baton", SIZE))() == hash_of(bytes(SIZE))


def test_memory_that_moves_unused_is_clear_for_the_display(camera: V4l2, kms: Kms):
    camera.request("mmap", 1)
    fd = kms.number("adopt", camera.number("pid"), camera.number("export", 0, 0))
    assert show(kms, fd)() == hash_of(bytes(SIZE))


def test_a_move_takes_along_what_the_camera_wrote(camera: V4l2, kms: Kms):
    camera.guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    camera.start(2)
    frame = camera.dequeue()
    fd = camera.number("export", frame.buffer, 0)
    shown = show(kms, kms.number("adopt", camera.number("pid"), fd))
    assert shown() == hash_of(frame_of(camera, frame.sequence))
    assert camera.dma_buf(fd, SIZE) == frame_of(camera, frame.sequence)


def test_a_move_takes_along_what_is_in_the_caches(camera: V4l2, kms: Kms):
    camera.guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    camera.start(2)
    frame = camera.dequeue()
    fd = camera.number("export", frame.buffer, 0)
    camera("scribble_fd", fd, SIZE, camera.store(noise(1)))
    shown = show(kms, kms.number("adopt", camera.number("pid"), fd))
    assert shown() == hash_of(noise(1))
    assert camera.dma_buf(fd, SIZE) == noise(1)


def test_opening_a_bracket_loses_no_store_of_another(camera: V4l2):
    fd = camera.number("heap", "baton", SIZE)
    camera("load_fd", fd, SIZE, camera.store(noise(1)))
    camera("scribble_fd", fd, SIZE, camera.store(noise(2)))
    assert camera.dma_buf(fd, SIZE) == noise(2)
