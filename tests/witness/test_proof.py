# SPDX-License-Identifier: GPL-2.0-or-later
"""The proof on real runs: what is zero-copy passes, and each way not to be is caught.

All pipelines run one after the other in one guest, each with a verdict of its own.
"""

import json
from pathlib import Path

import pytest

from harness.buffers import HIGH
from harness.paths import BUILD, built
from model.y4m import frame, header, samples
from proof import document, guestrun
from proof.guestrun import Pipeline
from proof.receipt import FAILURE, MOVED, NOT_PROVEN, ZERO_COPY

WIDTH, HEIGHT = 320, 240
FRAMES = 40
REPEATED = 50  # comes a second time as the next one
COMMON = ("--hash", "--size", f"{WIDTH}x{HEIGHT}", "--fps", "60")
OPTIONS = (*COMMON, "--frames", str(FRAMES))
# Each buffer is always with a frame.
MEDDLED = (*COMMON, "--frames", "50", "--buffers", "3")

PIPELINES = {
    "zero-copy": Pipeline("zero-copy", OPTIONS),
    "display's buffers": Pipeline("display's buffers", (*OPTIONS, "--allocator", "display")),
    # The display attaches to a buffer every third frame, and it moves.
    "moved": Pipeline("moved", (*COMMON, "--frames", "24", "--attach-after", "2")),
    "moved on the way": Pipeline("moved on the way", (*COMMON, "--frames", "24", "--attach-late")),
    "copy": Pipeline("copy", (*OPTIONS, "--copy")),
    "load": Pipeline("load", MEDDLED, companion="peek load 1"),
    "zva": Pipeline("zva", MEDDLED, companion="peek zva 4"),
    "kernel": Pipeline("kernel", MEDDLED, companion="modprobe baton-probe && peek kernel 1"),
    "stale": Pipeline("stale", MEDDLED, companion="peek stale 4"),
    "repeated": Pipeline("repeated", (*COMMON, "--frames", str(REPEATED + 4))),
    # Last: it leaves the test pattern on.
    "other engine": Pipeline(
        "other engine",
        (*OPTIONS, "--camera", "/dev/video1"),
        companion="baton-pipeline --card /dev/dri/card1 --hash --pattern --frames 60",
    ),
}


def _write_clip(path: Path) -> Path:
    seeds = [*range(REPEATED + 1), REPEATED, *range(REPEATED + 1, REPEATED + 8)]
    frames = b"".join(frame(samples(WIDTH, HEIGHT, seed)) for seed in seeds)
    path.write_bytes(header(WIDTH, HEIGHT, "F60:1 Ip A1:1 C420jpeg") + frames)
    return path


@pytest.fixture(scope="module")
def receipt(tmp_path_factory) -> dict:
    directory = tmp_path_factory.mktemp("proof")
    clip = _write_clip(directory / "clip.y4m")
    peek = built(BUILD / "tests" / "guest" / "peek", "test-programs")
    evidence = guestrun.run(
        directory,
        list(PIPELINES.values()),
        machine=f"camera0-file={clip},camera1-file={clip}",
        dtb="baton-dual",
        files={"bin/peek": peek.read_bytes()},
    )
    receipt = document.receipt(evidence, "baton-dual", icount=True)
    (directory / "receipt.json").write_text(json.dumps(receipt, indent=1))
    return receipt


@pytest.fixture
def judged(receipt):
    by_name = {pipeline["name"]: pipeline for pipeline in receipt["pipelines"]}
    return by_name.__getitem__


@pytest.mark.parametrize("name", ["zero-copy", "display's buffers"])
def test_what_is_not_copied_is_proven(judged, name):
    pipeline = judged(name)
    assert pipeline["reasons"] == []
    assert pipeline["verdict"] == ZERO_COPY
    frames = pipeline["frames"]
    assert {entry["sequence"] for entry in frames} == set(range(FRAMES))
    for entry in frames:
        camera, display = entry["camera"], entry["display"]
        assert camera["addresses"] == display["addresses"] != []
        assert camera["hash"] == display["hash"]
        assert camera["bytes"] == display["bytes"] == WIDTH * HEIGHT * 4
        assert entry["cpu"] == {"loaded": 0, "stored": 0, "touches": []}
        assert entry["verdict"] == ZERO_COPY
    assert len({entry["camera"]["hash"] for entry in frames}) == FRAMES


def test_frames_after_a_move_are_proven_and_the_moves_listed(receipt, judged):
    pipeline = judged("moved")
    assert (pipeline["reasons"], pipeline["verdict"]) == ([], ZERO_COPY)
    frames = pipeline["frames"]
    began, ended = frames[0]["camera"]["start_ns"], frames[-1]["display"]["done_ns"]
    lately = [move for move in receipt["moves"] if began - 10**9 < move["end_ns"] < ended]
    assert len(lately) >= 6
    assert all(int(move["from"], 0) in HIGH for move in lately)
    assert all(move["bytes"] >= WIDTH * HEIGHT * 4 for move in lately)
    places = {frame["camera"]["addresses"][0].split("+")[0] for frame in frames}
    assert places == {move["to"] for move in lately}
    assert all(move["end_ns"] < began for move in lately)
    assert all(frame["moves"] == [] for frame in frames)


def test_a_frame_that_moves_on_its_way_is_told_with_the_mover(judged):
    """The first in each buffer, to which the display attaches while it shows another one."""
    pipeline = judged("moved on the way")
    assert pipeline["verdict"] == MOVED
    entries = pipeline["frames"]
    assert {entry["sequence"] for entry in entries} == set(range(24))
    moved = [entry for entry in entries if entry["verdict"] == MOVED]
    assert {entry["sequence"] for entry in moved} == set(range(6))
    first_scanout = entries[0]["display"]["start_ns"]
    for entry in moved:
        camera, display, [move] = entry["camera"], entry["display"], entry["moves"]
        assert camera["hash"] == display["hash"]
        assert int(move["from"], 0) in HIGH
        assert move["from"] in {piece.split("+")[0] for piece in camera["addresses"]}
        assert move["to"] == display["addresses"][0].split("+")[0]
        assert camera["done_ns"] < move["begin_ns"] < move["end_ns"] < display["start_ns"]
        assert first_scanout < move["begin_ns"] or entry["sequence"] == 0
        assert entry["cpu"] == entry["movers"]
        assert entry["movers"]["loaded"] == camera["bytes"] <= entry["movers"]["stored"]
        [copied] = [touch for touch in entry["movers"]["touches"] if " 0 bytes loaded" not in touch]
        assert "copy_page called by baton_storage_copy [baton_buf], in baton-pipeline" in copied
    others = [entry for entry in entries if entry not in moved]
    assert {entry["verdict"] for entry in others} == {ZERO_COPY}
    assert {entry["cpu"]["loaded"] + entry["cpu"]["stored"] for entry in others} == {0}


def _failed(pipeline: dict) -> str:
    """All reasons why it is not zero-copy."""
    assert pipeline["verdict"] == FAILURE
    return "\n".join(pipeline["reasons"])


def test_a_copy_is_caught_and_the_program_named(judged):
    pipeline = judged("copy")
    reasons = _failed(pipeline)
    assert "copied: " in reasons
    assert "stored by baton-pipeline (process " in reasons
    assert "loaded" in reasons
    assert all(entry["verdict"] == FAILURE for entry in pipeline["frames"])


def _one_frame_of_which_four_bytes_were_loaded(pipeline: dict) -> None:
    """No other has a fault; it may be scanned more than once."""
    bad = [entry for entry in pipeline["frames"] if entry["verdict"] != ZERO_COPY]
    assert len({entry["sequence"] for entry in bad}) == 1
    for entry in bad:
        assert (entry["cpu"]["loaded"], entry["cpu"]["stored"]) == (4, 0)
    good = [entry["cpu"] for entry in pipeline["frames"] if entry not in bad]
    assert all(cpu == {"loaded": 0, "stored": 0, "touches": []} for cpu in good)
    assert len(good) > len(bad)


def test_four_bytes_loaded_through_mmap_are_caught(judged):
    pipeline = judged("load")
    assert "touched by a CPU: peek (process " in _failed(pipeline)
    _one_frame_of_which_four_bytes_were_loaded(pipeline)


def test_four_bytes_loaded_by_the_kernel_are_caught(judged):
    pipeline = judged("kernel")
    reasons = _failed(pipeline)
    assert "touched by a CPU: kernel, " in reasons
    assert "[baton_probe]" in reasons
    _one_frame_of_which_four_bytes_were_loaded(pipeline)


def test_a_clear_with_dc_zva_is_caught(judged):
    pipeline = judged("zva")
    assert "touched by a CPU: peek (process " in _failed(pipeline)
    assert (0, 64) in {(e["cpu"]["loaded"], e["cpu"]["stored"]) for e in pipeline["frames"]}
    assert "the display read other pixels than the camera wrote" in pipeline["reasons"]


def test_a_stale_picture_is_caught(judged):
    assert "stale: the display read frame " in _failed(judged("stale"))


def test_a_copy_by_another_engine_is_caught_and_named(judged):
    assert "copied: the display read what camera1 wrote" in _failed(judged("other engine"))


def test_a_repeated_frame_is_caught(judged):
    """It proves nothing: a static scene looks the same."""
    pipeline = judged("repeated")
    assert pipeline["verdict"] == NOT_PROVEN
    assert pipeline["reasons"] == [
        f"repeated: the camera delivered the picture of frame {REPEATED} again"
    ]
    doubtful = [e["sequence"] for e in pipeline["frames"] if e["verdict"] != ZERO_COPY]
    assert doubtful == [REPEATED + 1]
