# SPDX-License-Identifier: GPL-2.0-or-later
"""`make proof` itself: its exit status, and the files that it leaves."""

import json
from collections import Counter
from pathlib import Path

import pytest

from harness import clip
from harness.camera_source import PHOTOS
from harness.paths import built
from proof import __main__ as command
from proof.guestrun import Pipeline
from proof.receipt import FAILURE, ZERO_COPY
from unit.report_checks import assert_well_formed, browse

FRAMES = 5


@pytest.fixture
def out(tmp_path, monkeypatch) -> Path:
    built(PHOTOS, "proof")
    monkeypatch.setattr(command, "OUT", tmp_path)
    monkeypatch.setenv("FRAMES", str(FRAMES))
    return tmp_path / "proof"


def test_it_succeeds_and_its_files_open(out, capsys):
    assert command.main() == 0
    said = capsys.readouterr().out
    receipt = json.loads((out / "receipt.json").read_text())
    assert receipt["verdict"] == ZERO_COPY
    assert receipt["statement"] in said
    verdicts = Counter((p["claims_zero_copy"], p["verdict"]) for p in receipt["pipelines"])
    claiming = len(command.pipelines(FRAMES)) - 1
    assert verdicts == {(True, ZERO_COPY): claiming, (False, FAILURE): 1}
    for pipeline in receipt["pipelines"]:
        assert len({frame["sequence"] for frame in pipeline["frames"]}) == FRAMES

    dom = browse(out / "report.html", "--dump-dom")
    assert f"<body>\n<h1>{receipt['statement']}</h1>" in dom
    assert dom.count("<h3>") == len(receipt["pipelines"])

    events = json.loads((out / "trace.json").read_text())["traceEvents"]
    assert_well_formed(events)
    names = {event["name"] for event in events}
    assert {"vblank", "irq_handler", "drm_vblank_event", "writes frame 0"} <= names
    assert any(name.startswith("baton-pipeline (process ") for name in names)


def test_a_pipeline_that_claims_what_is_not_so_makes_it_fail(out, monkeypatch, capsys):
    size = ("--size", f"{clip.WIDTH}x{clip.HEIGHT}", "--hash", "--frames", str(FRAMES))
    liar = Pipeline("liar", (*size, "--copy"))
    monkeypatch.setattr(command, "pipelines", lambda frames: [liar])
    assert command.main() == 1
    assert "Not zero-copy: liar: copied: " in capsys.readouterr().out
