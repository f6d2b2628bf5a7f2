# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's verdict can be bad."""

import pytest
import xxhash
from PIL import Image

from harness.demo import verdict

PIXEL = bytes((3, 2, 1, 0xFF))


def frame(**changes) -> dict:
    known = {
        "shown_frame": 7,
        "camera_hash": f"{xxhash.xxh64_intdigest(PIXEL * 64 * 64):#018x}",
        "camera_address": "0xa0000000",
        "display_address": "0xa0000000",
    }
    known["display_hash"] = known["camera_hash"]
    return known | changes


@pytest.fixture
def screen(tmp_path):
    path = tmp_path / "screen.png"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(path)
    return path


MOVED = {"places": [{}, {}]}
STAYED = {"places": [{}]}
GOOD = [True, True, True, True, True]


def counts(frames: list[dict], **changes) -> dict:
    """The summary of a run that attached the display after 30 frames."""
    shown = sum(frame["shown_frame"] is not None for frame in frames)
    known = {"captured": 30 + len(frames), "before_attach": 30, "shown": shown,
             "dropped_by_pipeline": len(frames) - shown, "errors": 0}
    return known | changes


def goods(frames: list[dict], screen, wanted: int = 1, buffers: tuple = (MOVED,),
          **changes) -> list[bool]:
    pipeline = {"frames": wanted, "width": 64, "height": 64}
    report = {"frames": frames, "buffers": buffers, "pipeline": pipeline,
              "summary": counts(frames, **changes)}
    return [good for good, _ in verdict(report, screen).values()]


def test_good(screen):
    assert goods([frame()], screen) == GOOD


@pytest.mark.parametrize("buffers", [(), (STAYED,), (MOVED, STAYED)])
def test_buffer_that_did_not_move(screen, buffers):
    assert goods([frame()], screen, buffers=buffers) == [False, True, True, True, True]


def test_frame_that_was_not_shown_does_not_count(screen):
    hidden = frame(shown_frame=None, display_hash=None)
    assert goods([frame(), hidden], screen) == GOOD


def test_one_wrong_hash(screen):
    assert goods([frame(display_hash="0x1"), frame()], screen) == [True, False, True, True, True]


@pytest.mark.parametrize(("what", "verdicts"), [
    ("hash", [True, False, True, True, True]), ("address", [True, True, False, True, True]),
])
def test_one_frame_without_a_record(screen, what, verdicts):
    unknown = frame(**{f"display_{what}": None})
    assert goods([unknown, frame()], screen) == verdicts


@pytest.mark.parametrize("changes", [{"dropped_by_pipeline": 0}, {"errors": 1}])
def test_lost_frame(screen, changes):
    hidden = frame(shown_frame=None, display_hash=None)
    assert goods([frame(), hidden], screen, **changes) == [True, True, True, False, True]


def test_copied(screen):
    assert goods([frame(display_address="0xb0000000")], screen) == [True, True, False, True, True]


def test_other_screen(screen):
    Image.new("RGB", (64, 64), (9, 9, 9)).save(screen)
    assert goods([frame()], screen) == [True, True, True, True, False]


def test_picture_smaller_than_the_screen(screen):
    picture = Image.new("RGB", (320, 240))
    picture.paste((1, 2, 3), (128, 88, 192, 152))
    picture.save(screen)
    assert goods([frame()], screen) == GOOD


def test_screenshot_while_the_film_goes_on(screen):
    assert goods([frame()], screen, wanted=0) == [True, True, True, True]


@pytest.mark.parametrize("frames", [[], [frame(shown_frame=None)], [frame(display_hash=None)]])
def test_nothing_to_compare(screen, frames):
    assert not all(goods(frames, screen))
