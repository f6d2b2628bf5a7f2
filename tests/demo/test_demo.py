# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo, as `make demo` runs it: what it leaves, and what it says when it cannot play."""

import json
import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from harness import paths

CLIP_FRAMES = 120


@pytest.fixture
def demo(artifacts):
    def run(**settings: str) -> subprocess.CompletedProcess:
        env = {**os.environ, "PYTHONPATH": "tests", **settings}
        command = [sys.executable, "-m", "harness.demo", str(artifacts)]
        return subprocess.run(command, cwd=paths.ROOT, env=env, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A second of moving picture, 320x240."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    source = ["-f", "lavfi", "-i", "testsrc2=duration=1:size=320x240:rate=25"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-c:v", "mpeg4", path], check=True)
    return path


def count(done: subprocess.CompletedProcess, what: str) -> int:
    return int(re.search(rf"frames {what} +(\d+)", done.stdout)[1])


def refused(done: subprocess.CompletedProcess) -> str:
    """The one line that says why."""
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("baton: ")
    return line


@pytest.mark.parametrize("dtb", ["baton", "baton-window256"])
def test_clip(demo, artifacts, dtb):
    done = demo(DTB=dtb, FRAMES="30")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((artifacts / "frames.json").read_text())
    alone = report["summary"]["before_attach"]
    assert len(report["frames"]) == report["summary"]["captured"] == 30 + alone
    assert alone > 30
    for buffer in report["buffers"]:
        before, after = (place["cpu_addresses"][0] for place in buffer["places"])
        assert f"{before}, " in done.stdout and f"{after}, 1 piece\n" in done.stdout
    # A host that is too slow drops frames, and the clip may begin again.
    pictures = {f["sequence"] % CLIP_FRAMES: f["camera_hash"] for f in report["frames"]}
    # Three pictures of the clip stand for two frames.
    assert len(set(pictures.values())) >= len(pictures) - 3 > 1, "the pictures are not distinct"
    assert all(report["verdict"].values())
    with Image.open(artifacts / "screen.png") as screen:
        assert screen.size == (1920, 1080)
        assert len(screen.getcolors(1 << 24)) > 10000, "no photograph"
    assert (artifacts / "console.log").stat().st_size


def test_own_video(demo, film):
    done = demo(VIDEO=str(film), FRAMES="20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(done, "captured") == 20 + count(done, "before attach")


def test_live(demo, film):
    done = demo(CAMERA="live", VIDEO=str(film), FRAMES="10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(done, "captured") == 10 + count(done, "before attach")


def stream(artifacts, pixels: str) -> subprocess.Popen:
    """What the demo tells its user to type, as soon as the camera listens."""
    sock = os.path.relpath(artifacts / "camera.sock", paths.ROOT)
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"]
    encode = ["-pix_fmt", pixels, "-strict", "-1", "-f", "yuv4mpegpipe", f"unix:{sock}"]
    return subprocess.Popen(
        ["ffmpeg", "-nostdin", "-v", "quiet", "-re", *source, *encode], cwd=paths.ROOT)


@pytest.fixture
def demo_of_stream(artifacts):
    """Run the demo and, when it asks for one, a user's stream of PIXELS."""
    def run(pixels: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "harness.demo", str(artifacts)]
        env = {**os.environ, "PYTHONPATH": "tests", "CAMERA": "live", "FRAMES": "10"}
        with subprocess.Popen(command, cwd=paths.ROOT, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as demo:
            for line in demo.stdout:
                if "To stream your own" in line:
                    break
            user = stream(artifacts, pixels)
            said, complaint = demo.communicate()
            user.kill()
            user.wait()
        return demo.returncode, said, complaint

    return run


def test_live_stream_of_the_user(demo_of_stream, artifacts):
    status, said, complaint = demo_of_stream("yuv420p")
    assert status == 0, said + complaint
    assert "Streaming the default clip" not in said
    frames = json.loads((artifacts / "frames.json").read_text())["frames"]
    assert len({frame["camera_hash"] for frame in frames}) >= 10, "the pictures are not distinct"


def test_live_stream_that_the_camera_does_not_take(demo_of_stream):
    status, _, complaint = demo_of_stream("yuv444p")
    assert status == 1
    (line,) = complaint.splitlines()
    assert "cannot play the stream on" in line and "4:2:0" in line


def test_missing_video(demo):
    assert "there is no file /nowhere/x.mp4" in refused(demo(VIDEO="/nowhere/x.mp4"))


def test_file_that_is_no_video(demo):
    assert "cannot play VIDEO README.md" in refused(demo(VIDEO="README.md"))


def test_truncated_video(demo, film, tmp_path):
    short = tmp_path / "short.mp4"
    short.write_bytes(film.read_bytes()[:5000])
    assert "cannot play" in refused(demo(VIDEO=str(short)))


def test_live_stream_of_no_video(demo):
    assert "cannot stream README.md" in refused(demo(CAMERA="live", VIDEO="README.md"))


@pytest.mark.parametrize(
    "settings", [{"CAMERA": "dead"}, {"DISPLAY_UI": "crt"}, {"FRAMES": "many"}]
)
def test_wrong_setting(demo, settings):
    (name,) = settings
    assert f"{name}={settings[name]}: must be" in refused(demo(**settings))


def test_window_without_a_graphical_session(demo):
    answer = refused(demo(DISPLAY_UI="gtk", DISPLAY="", WAYLAND_DISPLAY=""))
    assert "no graphical session" in answer


def test_tree_that_does_not_exist(demo):
    assert "build/dts/nonesuch.dtb is missing" in refused(demo(DTB="nonesuch"))
