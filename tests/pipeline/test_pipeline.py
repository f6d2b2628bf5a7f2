# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames reach the display as the camera wrote them, and where it wrote them."""

import pytest

from harness.guest import Guest

from .conftest import assert_hashes_agree

FRAMES = 8


def assert_all_shown(run, count: int = FRAMES) -> None:
    """Each frame was shown, intact, and no two are alike."""
    summary = run.summary
    assert summary["captured"] == summary["shown"] == count
    assert summary["dropped"] == summary["errors"] == summary["underruns"] == 0
    hashes = [frame["camera_hash"] for frame in run.shown]
    assert None not in hashes
    assert hashes == [frame["display_hash"] for frame in run.shown]
    assert len(set(hashes)) == count


def assert_zero_copy(run) -> None:
    """The display read each frame from the memory to which the camera wrote it."""
    for frame in run.shown:
        assert frame["camera_address"] == frame["display_address"]
        (place,) = run.report["buffers"][frame["buffer"]]["places"]
        assert frame["camera_address"] == place["cpu_addresses"][0]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("pixels", ["XR24", "RG16", "NV12"])
@pytest.mark.parametrize("allocator", ["camera", "display", "heap"])
def test_zero_copy(guest: Guest, pipeline, allocator: str, pixels: str, processes: int) -> None:
    run = pipeline(
        guest,
        f"--pattern --free-running --size 640x360 --frames {FRAMES} --hash "
        f"--allocator {allocator} --format {pixels} --processes {processes}",
    )
    assert_all_shown(run)
    assert_zero_copy(run)
    used = {frame["buffer"] for frame in run.shown}
    assert len({frame["camera_address"] for frame in run.shown}) == len(used) > 1


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("pixels", ["XR24", "NV12"])
def test_copy_moves_the_pixels(guest: Guest, pipeline, pixels: str, processes: int) -> None:
    run = pipeline(
        guest,
        f"--pattern --free-running --size 640x360 --frames {FRAMES} --hash "
        f"--copy --format {pixels} --processes {processes}",
    )
    assert_all_shown(run)
    camera = {frame["camera_address"] for frame in run.shown}
    assert camera.isdisjoint(frame["display_address"] for frame in run.shown)


@pytest.mark.parametrize("pixels", ["XR24", "RG16", "NV12"])
def test_overlay(guest: Guest, pipeline, pixels: str) -> None:
    run = pipeline(
        guest,
        f"--pattern --free-running --size 640x360 --frames {FRAMES} --hash "
        f"--plane overlay --mode 1280x720 --format {pixels}",
    )
    assert_all_shown(run)
    assert_zero_copy(run)


@pytest.mark.parametrize("allocator", ["camera", "display"])
def test_recording(boot, pipeline, clip, allocator: str) -> None:
    """The hashes are those of the recording, which is played over and over."""
    guest = boot(machine=f"camera0-file={clip.path}")
    count = 3 * len(clip.hashes)
    run = pipeline(
        guest, f"--format NV12 --free-running --frames {count} --hash --allocator {allocator}"
    )
    assert run.report["pipeline"]["width"] == clip.width
    assert run.report["pipeline"]["height"] == clip.height
    for frame in run.report["frames"]:
        expected = clip.hashes[frame["sequence"] % len(clip.hashes)]
        assert int(frame["camera_hash"], 16) == int(frame["display_hash"], 16) == expected
    assert_zero_copy(run)


def test_end_of_recording(boot, pipeline, clip) -> None:
    """Without a loop the pipeline ends with the recording, and shows all of it."""
    guest = boot(machine=f"camera0-file={clip.path},camera0-loop=off")
    run = pipeline(guest, "--format NV12 --free-running --hash")
    assert [int(frame["display_hash"], 16) for frame in run.shown] == clip.hashes


def test_recording_too_short(boot, pipeline, clip) -> None:
    guest = boot(machine=f"camera0-file={clip.path},camera0-loop=off")
    run = pipeline(guest, "--format NV12 --free-running --frames 100", status=1)
    assert "ended after 12 of 100 frames" in run.stderr
    assert run.summary["shown"] == len(clip.hashes)


def test_real_time(guest: Guest, pipeline) -> None:
    """At the camera's rate frames may be late for the display, but none goes missing."""
    run = pipeline(guest, "--pattern --size 640x360 --fps 30 --frames 30 --hash")
    summary = run.summary
    assert summary["captured"] == 30
    assert summary["shown"] + summary["dropped_by_pipeline"] + summary["errors"] == 30
    assert summary["shown"] > 0
    assert_hashes_agree(run)
    for frame in run.shown:
        assert frame["flip_ns"] > frame["timestamp_ns"]
    sequences = [frame["sequence"] for frame in run.report["frames"]]
    assert sequences == sorted(set(sequences))
    assert sequences[-1] + 1 - len(sequences) == summary["dropped_by_camera"]


def test_narrow_display_window(boot, pipeline) -> None:
    """With 256 MiB for the display both still meet."""
    guest = boot(dtb="baton-window256")
    run = pipeline(guest, f"--pattern --free-running --frames {FRAMES} --hash")
    assert_all_shown(run)
    assert_zero_copy(run)


def test_two_pipelines_at_once(boot, pipeline) -> None:
    guest = boot(dtb="baton-dual")
    nodes = guest.run("ls /dev/video* /dev/dri/card*").stdout.split()
    cards, cameras = nodes[:2], nodes[2:]
    assert len(cameras) == 2
    other = guest.spawn(
        f"baton-pipeline --camera {cameras[1]} --card {cards[1]} --pattern "
        f"--free-running --size 320x240 --frames {FRAMES} --hash "
        "--json /tmp/other.json"
    )
    run = pipeline(
        guest,
        f"--camera {cameras[0]} --card {cards[0]} --pattern --free-running "
        f"--size 640x360 --frames {FRAMES} --hash",
    )
    assert other.wait().status == 0, other.stderr
    assert_all_shown(run)
    second = pipeline.read(guest, "/tmp/other.json")
    assert_all_shown(second)
    assert second.report["pipeline"]["width"] == 320
