# SPDX-License-Identifier: GPL-2.0-or-later
"""`make proof` itself: its exit status, the files that it leaves, and that they repeat."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.buslog import MARK, Record, first_difference, read_log
from harness.camera_source import PHOTOS
from harness.paths import built, dtb
from harness.witness import Touch, Witness
from proof import __main__ as command
from proof import document, guestrun
from proof.__main__ import pipelines as all_pipelines
from proof.guestrun import Pipeline
from proof.receipt import FAILURE, MOVED, ZERO_COPY
from unit.report_checks import assert_well_formed, browse

FRAMES = 5


class Made(NamedTuple):
    status: int
    directory: Path
    evidence: guestrun.Evidence


def _make_proof(directory: Path, run=guestrun.run, pipelines=all_pipelines) -> Made:
    built(PHOTOS, "proof")
    evidence = []

    def keep(*arguments, **options) -> guestrun.Evidence:
        evidence.append(run(*arguments, **options))
        return evidence[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMES", str(FRAMES))
        patch.setattr(guestrun, "run", keep)
        patch.setattr(command, "OUT", directory)
        patch.setattr(command, "pipelines", pipelines)
        return Made(command.main(), directory / "proof", evidence[0])


@contextmanager
def _busy_host(directory: Path) -> Iterator[None]:
    """More programs than processors, and the disk never idle."""
    spin = "while :; do :; done"
    write = "while :; do dd if=/dev/zero of=load bs=1M count=64 conv=fsync 2>/dev/null; done"
    scripts = [spin] * (os.cpu_count() or 1) + [write]
    load = [subprocess.Popen(["sh", "-c", script], cwd=directory) for script in scripts]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return _make_proof(tmp_path_factory.mktemp("proof"))


@pytest.fixture(scope="module")
def receipt(made) -> dict:
    return json.loads((made.directory / "receipt.json").read_text())


def test_it_succeeds_where_only_the_one_for_comparison_copies(made, receipt):
    assert made.status == 0
    assert receipt["verdict"] == ZERO_COPY
    verdicts = Counter((p["claims_zero_copy"], p["verdict"]) for p in receipt["pipelines"])
    claiming = len(all_pipelines(FRAMES)) - 2
    assert verdicts == {(True, ZERO_COPY): claiming, (False, FAILURE): 1, (False, MOVED): 1}
    for pipeline in receipt["pipelines"]:
        assert len({frame["sequence"] for frame in pipeline["frames"]}) == FRAMES
    assert len(receipt["moves"]) >= 6 + FRAMES


def test_its_report_opens_with_the_statement_and_all_pipelines(made, receipt):
    dom = browse(made.directory / "report.html", "--dump-dom")
    assert f"<body>\n<h1>{receipt['statement']}</h1>" in dom
    assert dom.count("<h3>") == len(receipt["pipelines"])


def test_its_report_has_pictures_of_each_pipeline_with_hashes_of_the_receipt(made, receipt):
    page = (made.directory / "report.html").read_text()
    assert "No picture" not in page
    assert "No screenshot" not in page
    sections = page.split("<h3>")[1:]
    for section, pipeline in zip(sections, receipt["pipelines"], strict=True):
        captions = re.findall(r"<figcaption>Frame (\d+), hash (0x\w+) at the display", section)
        hashes = {str(f["sequence"]): f["display"]["hash"] for f in pipeline["frames"]}
        assert len(set(captions)) == 3
        assert all(hashes[sequence] == digest for sequence, digest in captions)


def test_its_trace_has_all_sources(made):
    events = json.loads((made.directory / "trace.json").read_text())["traceEvents"]
    assert_well_formed(events)
    names = {event["name"] for event in events}
    assert {"vblank", "irq_handler", "drm_vblank_event", "baton_buf_move"} <= names
    assert "writes frame 0" in names
    assert any(name.startswith("baton-pipeline (process ") for name in names)


def _seen(directory: Path) -> tuple[list[Record], list[Touch]]:
    """By both instruments, until the last pipeline ended and the host began to ask."""
    records = read_log(directory / "bus.log").records
    end = max(at for at, record in enumerate(records) if record.kind == MARK)
    last = records[end].interval
    touches = Witness(directory, dtb("baton")).touches()
    return records[: end + 1], [touch for touch in touches if touch.interval < last]


def test_a_busy_host_changes_no_bit(tmp_path):
    quiet = _make_proof(tmp_path / "quiet", pipelines=_some).directory
    with _busy_host(tmp_path):
        busy = _make_proof(tmp_path / "busy", pipelines=_some).directory
    assert (quiet / "receipt.json").read_bytes() == (busy / "receipt.json").read_bytes()
    (records, touches), (busy_records, busy_touches) = map(_seen, (quiet, busy))
    assert first_difference(records, busy_records) == ""
    assert touches == busy_touches
    assert len(records) > 1000
    assert len(touches) > 1000


def _some(frames: int) -> list[Pipeline]:
    """Those in which most happens at once, and what remains on the screen."""
    by_name = {pipeline.name: pipeline for pipeline in all_pipelines(frames)}
    return [
        by_name[name]
        for name in ("two processes, RGB565", "frames that move", "the camera's buffers")
    ]


def test_a_pipeline_that_claims_what_is_not_so_makes_it_fail(made, tmp_path, capsys):
    """As in the run that succeeded, but for the claim."""

    [copy] = [o for o in made.evidence.outcomes if "--copy" in o.pipeline.options]
    liar = replace(copy, pipeline=replace(copy.pipeline, claims_zero_copy=True))

    def run(directory: Path, pipelines: list[Pipeline], screen: Path, **options):
        shutil.copy(made.directory / screen.name, screen)
        return replace(made.evidence, outcomes=[liar])

    assert _make_proof(tmp_path, run=run).status == 1
    assert "Not zero-copy: --copy, for comparison: copied: " in capsys.readouterr().out


def test_it_also_works_in_real_time_on_all_processors(tmp_path):
    """As with ICOUNT=off. A slow host may drop frames, or the display may not get to read all of
    one before it is time for the next; those that are shown are proven."""
    options = ("--hash", "--pattern", "--size", "320x240", "--frames", "20", "--fps", "30")
    evidence = guestrun.run(
        tmp_path,
        [
            Pipeline("zero-copy", options),
            Pipeline("free-running", (*options, "--free-running")),
            Pipeline("copy", (*options, "--copy"), claims_zero_copy=False),
        ],
        icount=False,
    )
    receipt = document.receipt(evidence, "baton", icount=False)
    assert receipt["reasons"] == []
    *zero_copies, copy = receipt["pipelines"]
    for pipeline in zero_copies:
        proven = [frame for frame in pipeline["frames"] if frame["verdict"] == ZERO_COPY]
        assert len({frame["camera"]["hash"] for frame in proven}) > 1
        for frame in pipeline["frames"]:
            assert frame in proven or frame["reasons"] == [
                f"no complete scanout of frame {frame['sequence']}"
            ]
    # Without a clock of its own the camera waits, and no frame is dropped.
    assert {frame["sequence"] for frame in zero_copies[1]["frames"]} == set(range(20))
    assert copy["verdict"] == FAILURE
    assert {touch.cpu for touch in Witness(tmp_path, dtb("baton")).touches()} == {0, 1}
