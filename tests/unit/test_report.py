# SPDX-License-Identifier: GPL-2.0-or-later
"""report.html and trace.json, from made-up runs."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from harness import buslog
from harness.buslog import parse_log
from harness.witness import Code, Touch
from proof import document, perfetto, report
from proof.frames import Tracker
from proof.guestrun import Evidence, Outcome, Pipeline, Window, parse_moves
from proof.pictures import Picture
from proof.receipt import MOVED, NOT_PROVEN, ZERO_COPY, CpuTouches, Move
from proof.symbols import Symbols
from unit.report_checks import assert_well_formed, browse
from unit.test_receipt import DISPLAY0, DISPLAY1, A, B, Bus

CLOCK_OFFSET = 5_000_000_000
DRM_COUNT = 70  # what DRM's count of frames is ahead of the display's
TRACE = """# tracer: nop
# entries-in-buffer/entries-written: 5/5   #P:2
          <idle>-0       [001] d.h..     5.000010: irq_handler_entry: irq=12 name=baton-camera
          <idle>-0       [001] d.h..     5.000012: irq_handler_exit: irq=12 ret=handled
   baton-pipeline-57     [000] .....     5.000001: baton_buf_move_begin: camera buffer=7 bytes=12288 at=0x8a0000000 pieces=3 generation=0
   baton-pipeline-57     [001] .....     5.000003: baton_buf_move_end: camera buffer=7 copied=0 at=0xa0000000 pieces=1 generation=1 ns=2000
   baton-pipeline-57     [000] .....     5.000015: drm_vblank_event: crtc=0, seq=3
"""  # noqa: E501


def _pipeline_report(*claims: tuple[int, int, int]) -> dict:
    names = "sequence", "shown_frame", "flip_ns"
    return {"frames": [dict(zip(names, claim, strict=True)) for claim in claims]}


def _evidence(copies: bool, late_ns: int = 0) -> Evidence:
    bus = Bus()
    claims = []
    for sequence in range(2):
        bus.capture(sequence, A, hash_=0x1000 + sequence)
        bus.record(buslog.LATCH, DISPLAY1, a=30 + 2 * sequence)
        bus.record(buslog.LATCH, DISPLAY0, a=10 + sequence)
        claims.append((sequence, DRM_COUNT + 10 + sequence, CLOCK_OFFSET + bus.time + late_ns))
        bus.scan(10 + sequence, B if copies else A, 0x1000 + sequence)
    code = Code(0x40_0720, 0, 57)
    touches = bus.elsewhere()
    touches += [Touch(B, 2, 0, 0, 4096, code, code)] if copies else []
    touches.sort(key=lambda touch: touch.interval)
    pipeline = Pipeline("<the> camera's", ("--frames", "2"))
    outcomes = [Outcome(pipeline, _pipeline_report(*claims), "", 0, 99, 0)]
    return Evidence(
        outcomes,
        Tracker(parse_log(bus.data)),
        CpuTouches(touches),
        Symbols("", {57: "copier"}),
        parse_moves(TRACE, CLOCK_OFFSET),
        TRACE,
        CLOCK_OFFSET,
        [],
        {"camera0": [Window(0x8000_0000, 0x8000_0000, 1 << 30)],
         "display0": [Window(0, 0x8000_0000, 1 << 30)]},
    )  # fmt: skip


@pytest.fixture
def dtb(monkeypatch):
    banks = [(0x8000_0000, 1 << 30), (0x8_8000_0000, 1 << 30)]
    monkeypatch.setattr("harness.devicetree.memory_banks", lambda path: banks)
    monkeypatch.setattr("harness.paths.dtb", lambda name: Path(name))
    return "baton"


@pytest.mark.parametrize("copies", [False, True])
def test_the_report_opens_in_a_browser_with_its_verdict_on_top(tmp_path, dtb, copies):
    evidence = _evidence(copies)
    receipt = document.receipt(evidence, dtb, icount=True)
    teal = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(teal, "JPEG")
    pictures = [Picture("<frame> 0", teal.getvalue()), Picture("no picture: <why>")]
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    page.write_text(report.render(receipt, Picture("no screenshot"), [pictures]))

    assert "http" not in page.read_text()
    dom = browse(page, "--dump-dom")
    first = dom[dom.index("<body>") :].split("</h1>")[0]
    assert ("copier (process 57)" in first) == copies
    assert first.startswith("<body>\n<h1>" + ("Not zero-copy" if copies else "No frame was copied"))
    assert "&lt;the&gt; camera's" in dom
    assert "<p>no screenshot</p>" in dom
    assert "<figcaption>&lt;frame&gt; 0</figcaption>" in dom
    assert "<p>no picture: &lt;why&gt;</p>" in dom
    browse(page, f"--screenshot={shot}")
    colours = {colour for _, colour in Image.open(shot).convert("RGB").getcolors(1 << 20)}
    assert (0x1B, 0x7F, 0x4B) in colours or copies  # good
    assert (0xB3, 0x26, 0x1E) in colours or not copies  # bad
    assert any(abs(r) + abs(g - 0x80) + abs(b - 0x80) <= 6 for r, g, b in colours)  # the picture


@pytest.mark.parametrize("late_ns", [-500, 2500])
def test_a_scanout_is_found_by_the_latch_and_not_by_the_time_of_the_flip(dtb, late_ns):
    """At a variable refresh rate it begins at once, and the guest's clock is read later."""
    evidence = _evidence(copies=False, late_ns=late_ns)
    [pipeline] = document.receipt(evidence, dtb, icount=True)["pipelines"]
    assert (pipeline["reasons"], pipeline["verdict"]) == ([], ZERO_COPY)


def test_equal_runs_give_equal_receipts(dtb):
    first, second = (
        json.dumps(document.receipt(_evidence(copies=False), dtb, icount=True)) for _ in range(2)
    )
    assert first == second


def test_the_trace_has_all_sources_on_one_clock(dtb):
    events = perfetto.trace(_evidence(copies=True))["traceEvents"]
    json.dumps(events)
    by_name = {event["name"]: event for event in events if event["ph"] != "M"}
    assert by_name["irq_handler"]["ts"] == pytest.approx(10)
    assert by_name["irq_handler"]["dur"] == pytest.approx(2)
    assert by_name["baton_buf_move"]["dur"] == pytest.approx(2)
    assert by_name["drm_vblank_event"]["ph"] == "i"
    assert by_name["writes frame 0"]["ts"] == pytest.approx(1)
    assert by_name["plane 0 reads frame 10"]["args"]["bytes"] == 0x3000
    assert "vblank" in by_name
    assert any("copier" in name for name in by_name)


def test_the_trace_is_well_formed(dtb):
    trace = perfetto.trace(_evidence(copies=True))
    assert_well_formed(json.loads(json.dumps(trace))["traceEvents"])


def test_a_move_is_a_span_though_its_task_changes_cpus(dtb):
    [move] = [
        event
        for event in perfetto.trace(_evidence(copies=False))["traceEvents"]
        if event["name"].startswith("baton_buf_move")
    ]
    assert (move["ph"], move["tid"], move["ts"], move["dur"]) == ("X", 7, 1, 2)


def _doubtful(evidence: Evidence, dtb: str) -> dict:
    receipt = document.receipt(evidence, dtb, icount=True)
    assert receipt["verdict"] == NOT_PROVEN
    assert receipt["statement"].startswith("Not proven: ")
    return receipt


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"trace": TRACE.replace("5/5", "5/9")}, "the guest's trace lost 4 events"),
        ({"trace": ""}, "the guest's trace is missing"),
        ({"clock_offset": None}, "the clocks of guest and monitor have no frame in common"),
    ],
)
def test_without_its_instruments_a_run_is_not_proven(dtb, change, doubt):
    evidence = replace(_evidence(copies=False), **change)
    receipt = _doubtful(evidence, dtb)
    assert receipt["reasons"][0].startswith(doubt)
    perfetto.trace(evidence)


def test_a_copy_that_nobody_notices_shows_that_the_instruments_are_blind(dtb):
    evidence = _evidence(copies=False)
    blind = replace(evidence.outcomes[0], pipeline=Pipeline("C", ("--frames", "2"), False))
    evidence.outcomes.append(blind)
    receipt = _doubtful(evidence, dtb)
    assert receipt["reasons"] == ["C: it copies with a CPU and was not caught"]
    assert receipt["pipelines"][0]["verdict"] == ZERO_COPY


def test_a_copy_counts_as_caught_only_if_a_cpu_is_named(dtb):
    evidence = _evidence(copies=True)
    pipeline = Pipeline("C", ("--frames", "2"), claims_zero_copy=False)
    evidence.outcomes[0] = replace(evidence.outcomes[0], pipeline=pipeline)
    # Stored where the display reads; nobody loads what the camera wrote.
    blind = document.receipt(evidence, dtb, icount=True)["reasons"]
    code = Code(0x40_0720, 0, 57)
    loading = replace(evidence, touches=CpuTouches([Touch(A, 2, 0, 4096, 0, code, code)]))
    seen = document.receipt(loading, dtb, icount=True)["reasons"]
    assert set(blind) - set(seen) == {"C: it copies with a CPU and was not caught"}


@pytest.mark.parametrize(
    ("frames", "status", "doubt"),
    [
        (2, 1, "the pipeline ended with status 1: "),
        (2, None, "the pipeline ended with status None: "),
        (3, 0, "it showed 2 frames instead of 3"),
    ],
)
def test_a_pipeline_that_failed_or_ended_early_is_not_proven(dtb, frames, status, doubt):
    evidence = _evidence(copies=False)
    pipeline = Pipeline("P", ("--frames", str(frames)))
    evidence.outcomes[0] = replace(evidence.outcomes[0], pipeline=pipeline, status=status)
    receipt = _doubtful(evidence, dtb)
    assert receipt["pipelines"][0]["reasons"] == [doubt]
    assert {frame["verdict"] for frame in receipt["pipelines"][0]["frames"]} == {ZERO_COPY}


def test_frames_that_moved_are_not_stated_to_be_zero_copy():
    pipeline = {"name": "P", "claims_zero_copy": True, "verdict": MOVED, "frames": [],
                "reasons": ["moved on its way: who"]}  # fmt: skip
    assert document.statement([pipeline], ["doubt"]) == "Not zero-copy: P: moved on its way: who."


def test_moves_are_read_from_the_trace():
    [move] = parse_moves(TRACE, CLOCK_OFFSET)
    assert move == Move(1000, 3000, 7, 0x8_A000_0000, A, 12288)
