# SPDX-License-Identifier: GPL-2.0-or-later
"""When a new picture appears: flips, fences, vblanks, variable refresh."""

import bisect
import itertools

import pytest

from harness import pixels
from harness.kms import OFF, Frame, Kms, Picture
from harness.polling import until
from harness.regs import regs

WIDTH, HEIGHT = 128, 96
PERIOD_NS = 1_000_000_000 // 60
CLOCK_ERROR_NS = 200_000  # between the engine's clock and the CPU's, when read


@pytest.fixture
def kms(guest) -> Kms:
    kms = Kms(guest)
    kms.write("hash", 1)
    return kms


def make(kms: Kms, seed: int, fourcc: str = "XR24", width: int = WIDTH,
         height: int = HEIGHT) -> Picture:
    return kms.picture(fourcc, width, height, pixels.noise(fourcc, width, height, seed))


def hash_of(picture: Picture) -> int:
    return pixels.frame_hash(picture.fourcc, picture.width, picture.height, picture.pixels)


def shown(kms: Kms, number: int) -> int | None:
    """Hash of what the primary plane showed in a frame."""
    return kms.frame(number).planes.get(0, (0, None))[1]


def frames_since(kms: Kms, first: int) -> dict[int, Frame]:
    return {number: frame for number, frame in kms.frames().items() if number >= first}


def test_flip_event_names_the_first_frame_with_the_picture(kms):
    """Until the display is off, nothing waits for the host: the driver remembers 256 frames."""
    pictures = [make(kms, seed) for seed in range(3)]
    kms.show(kms.mode(WIDTH, HEIGHT), primary=pictures[2])
    answers = kms.together(
        *(command for turn in range(9) for command in (
            ("vblank", turn % 3), ("set", "primary", "FB_ID", pictures[turn % 3].fb),
            ("commit", "event", "nonblock"), ("event",))),
        ("vblank", 2), *OFF)
    flips = [tuple(map(int, event)) for event in answers[3:9 * 4:4]]

    for (first, first_ns), (last, last_ns) in itertools.pairwise(flips):
        assert last > first
        assert last_ns - first_ns >= (last - first) * PERIOD_NS - CLOCK_ERROR_NS
    frames = {number: frame.planes[0][1]
              for number, frame in frames_since(kms, flips[0][0]).items()}
    for number, plane_hash in frames.items():
        turn = bisect.bisect_right([flip for flip, _ in flips], number) - 1
        assert plane_hash == hash_of(pictures[turn % 3]), number
    assert list(frames) == list(range(flips[0][0], max(frames) + 1))
    assert set(frames.values()) == {hash_of(picture) for picture in pictures}


@pytest.fixture
def unattended(poke):
    """A display whose interrupts nobody handles between attend(False) and attend(True)."""
    guest, write = poke
    kms = Kms(guest)
    kms.write("hash", 1)
    enabled = kms.register("IRQ_ENABLE") | regs.DISP_IRQ_STATUS.VBLANK

    def attend(on: bool) -> None:
        write(regs.DISP_IRQ_ENABLE, enabled if on else 0)

    return kms, attend


def test_a_late_interrupt_loses_no_frame(unattended):
    """Each has its record, and the flip's event names the frame of the latch."""
    kms, attend = unattended
    hz = 4                      # 16 frames, which can wait, are four seconds
    old, new = (make(kms, seed, width=640, height=480) for seed in range(2))
    first, _ = kms.show(kms.mode(640, 480, hz), primary=old)
    kms.frame(first)
    attend(False)
    kms.set_plane("primary", new)
    kms("commit", "nonblock", "event")

    def records() -> int:
        assert kms("pending") == ["0"]
        return kms.register("DONE_STATUS")

    until(records, lambda count: count >= 6, "records")
    attend(True)
    number, time_ns = kms.event()
    assert kms.register("DONE_STATUS") <= 1
    kms.frame(number + 4)

    frames = frames_since(kms, first)
    assert list(frames) == list(range(first, max(frames) + 1))
    assert kms.counters()["lost"] == 0
    for at, frame in frames.items():
        assert frame.planes[0][1] == hash_of(new if at >= number else old), at
        assert frame.time_ns - frames[first].time_ns == pytest.approx(
            (at - first) * 1_000_000_000 / hz, abs=250_000_000 / hz)
    assert time_ns == pytest.approx(frames[number - 1].time_ns, abs=250_000_000 / hz)


def test_frames_beyond_the_fifo_are_counted(unattended):
    kms, attend = unattended
    first, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=make(kms, 0))
    kms.frame(first)
    attend(False)
    until(lambda: kms.register("DONE_LOST"), lambda count: count >= 3, "lost records")
    attend(True)
    last, _ = kms("vblank", 1)
    kms.frame(int(last))
    lost = kms.counters()["lost"]
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(frames_since(kms, first))]
    assert lost >= 3
    assert [gap for gap in gaps if gap] == [lost]


def test_vblank_count_follows_the_engine(kms):
    kms.show(kms.mode(WIDTH, HEIGHT), primary=make(kms, 0))
    before = kms.counters()["vblanks"]
    first, first_ns = (int(word) for word in kms("vblank", 1))
    last, last_ns = (int(word) for word in kms("vblank", 10))
    after = kms.counters()["vblanks"]
    assert last - first >= 10
    assert last - first <= after - before
    assert last_ns - first_ns >= 10 * PERIOD_NS - CLOCK_ERROR_NS


def test_count_survives_a_mode_set(kms):
    picture = make(kms, 0)
    first, _ = kms.show(kms.mode(WIDTH, HEIGHT), primary=picture)
    kms.off()
    second, _ = kms.show(kms.mode(WIDTH + 64, HEIGHT), primary=picture)
    assert second > first
    assert shown(kms, second) == hash_of(picture)


def test_in_fence_holds_the_flip(kms):
    old, new = make(kms, 0), make(kms, 1)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=old)
    fence = kms.number("fence")
    kms.set_plane("primary", new, IN_FENCE_FD=fence)
    kms("commit", "nonblock", "event")
    waited, _ = kms("vblank", 4)
    assert kms("pending") == ["0"]
    assert shown(kms, int(waited)) == hash_of(old)

    # One commit at a time.
    kms.set_plane("primary", old)
    assert kms.refused("commit", "nonblock", "event") == "EBUSY"

    kms("signal")
    number, _ = kms.event()
    assert number > int(waited)
    assert shown(kms, number) == hash_of(new)


def test_implicit_fence_holds_the_flip(kms):
    old, new = make(kms, 0), make(kms, 1)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=old)
    kms("attach_fence", kms.number("export", new.handle), kms.number("fence"))
    kms.set_plane("primary", new)
    kms("commit", "nonblock", "event")
    waited, _ = kms("vblank", 4)
    assert kms("pending") == ["0"]
    assert shown(kms, int(waited)) == hash_of(old)
    kms("signal")
    assert shown(kms, kms.event()[0]) == hash_of(new)


def test_out_fence_signals_when_shown(kms):
    old, new = make(kms, 0), make(kms, 1)
    kms.show(kms.mode(WIDTH, HEIGHT), primary=old)
    kms("set", "crtc", "OUT_FENCE_PTR", 0)
    kms.set_plane("primary", new)
    kms("commit", "nonblock")
    kms("out_fence")
    number, _ = kms("vblank", 0)
    assert shown(kms, int(number)) == hash_of(new)


def test_vrr_waits_for_a_commit(kms):
    """Without a commit a frame takes until the slowest refresh; a commit ends it."""
    pictures = [make(kms, seed) for seed in range(2)]
    kms("set", "crtc", "VRR_ENABLED", 1)
    assert kms("get", "connector", "vrr_capable") == ["1"]
    kms.show(kms.mode(WIDTH, HEIGHT), primary=pictures[0])
    first, first_ns = (int(word) for word in kms("vblank", 1))
    last, last_ns = (int(word) for word in kms("vblank", 4))
    assert last_ns - first_ns >= (last - first) * 2 * PERIOD_NS

    for turn in range(1, 5):
        kms.set_plane("primary", pictures[turn % 2])
        number, _ = kms.commit()
        assert shown(kms, number) == hash_of(pictures[turn % 2])

    kms("set", "crtc", "VRR_ENABLED", 0)
    kms.set_plane("primary", pictures[0])
    kms.commit()
    assert not kms.register("CTRL") & regs.DISP_CTRL.VRR


def test_legacy_calls(kms):
    """drmModeSetCrtc, drmModePageFlip, drmModeSetCursor and drmModeMoveCursor."""
    pictures = [make(kms, seed, width=640, height=480) for seed in range(2)]
    cursor = make(kms, 0, "AR24", 64, 64)
    kms("setcrtc", pictures[0].fb, 640, 480)
    kms("page_flip", pictures[1].fb)
    number, _ = kms.event()
    assert shown(kms, number) == hash_of(pictures[1])

    kms("cursor", cursor.handle, 64, 64)
    kms("move", 100, 50)
    number, _ = kms("vblank", 2)
    assert kms.frame(int(number)).planes[2][1] == hash_of(cursor)
    kms("cursor", 0, 0, 0)
    number, _ = kms("vblank", 2)
    assert 2 not in kms.frame(int(number)).planes


def test_a_moving_cursor_tears_nothing(kms):
    """Moves are not waited for, yet no frame shows half of a commit."""
    pictures = [make(kms, seed, "NV12") for seed in range(2)]
    cursor = make(kms, 0, "AR24", 64, 64)
    places = [(x * 7, x * 3) for x in range(8)]
    kms.show(kms.mode(WIDTH, HEIGHT), primary=pictures[0])
    kms.watch_crc()
    kms("cursor", cursor.handle, 64, 64)
    legal = set()
    for picture in pictures:
        for x, y in places:
            screen = pixels.to_rgb("NV12", WIDTH, HEIGHT, picture.pixels)
            pixels.paste(screen, WIDTH, pixels.to_rgb("AR24", 64, 64, cursor.pixels),
                         (x, y, 64, 64), blend=True)
            legal.add(pixels.screen_crc(screen))

    kms("move", *places[0])
    start, _ = kms("vblank", 2)
    for turn in range(80):
        kms("move", *places[turn % len(places)])
        kms.set_plane("primary", pictures[turn % 2])
        kms("commit", "nonblock", "event")
        kms("move", *places[(turn + 1) % len(places)])
        kms.event()
    frames = [frame for number, frame in kms.frames().items() if number > int(start)]
    assert len(frames) >= 80
    assert {frame.crc for frame in frames} <= legal
    assert len({frame.crc for frame in frames}) > 2
