# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio devices reach memory unwatched: what they write is caught, and they are named."""

from pathlib import Path

from harness.paths import BUILD, built
from proof import document, guestrun
from proof.guestrun import Pipeline
from proof.receipt import FAILURE, NOT_PROVEN, ZERO_COPY
from witness import patched

OPTIONS = ("--hash", "--pattern", "--size", "320x240", "--fps", "60", "--frames", "50",
           "--buffers", "3")  # fmt: skip
IDLE = "virtio-serial (idle: it carries the results after the end)"
UNWATCHED = "not watched: virtio-blk"


def _receipt(directory: Path, files: dict[str, bytes], companion: str) -> dict:
    disk = directory / "disk"
    disk.write_bytes(bytes(range(256)) * 4096)
    arguments = (
        *("-blockdev", f"file,filename={disk},node-name=disk"),
        *("-device", "virtio-blk-device,drive=disk"),
    )
    pipeline = Pipeline("watched", OPTIONS, companion=companion)
    evidence = guestrun.run(directory, [pipeline], qemu_args=arguments, files=files)
    receipt = document.receipt(evidence, "baton", icount=True)
    assert sorted(receipt["machine"]["not_watched"]) == ["virtio-blk", IDLE]
    return receipt


def test_a_disk_in_the_machine_leaves_the_run_unproven(tmp_path):
    receipt = _receipt(tmp_path, {}, "")
    [judged] = receipt["pipelines"]
    assert {entry["verdict"] for entry in judged["frames"]} == {ZERO_COPY}
    assert judged["reasons"] == [UNWATCHED]
    assert receipt["verdict"] == judged["verdict"] == NOT_PROVEN
    assert receipt["statement"] == f"Not proven: watched: {UNWATCHED}."


def test_what_a_disk_writes_into_a_picture_is_caught(tmp_path):
    """4 KiB, and no CPU touches them: the mapping's page is pinned for O_DIRECT."""
    files = patched.modules(tmp_path / "sources", "pinnable.patch", ("buf/baton-buf.ko",))
    peek = built(BUILD / "tests" / "guest" / "peek", "test-programs")
    receipt = _receipt(tmp_path, files | {"bin/peek": peek.read_bytes()}, "peek virtio")
    [judged] = receipt["pipelines"]
    assert receipt["verdict"] == judged["verdict"] == FAILURE
    caught = [entry for entry in judged["frames"] if entry["verdict"] == FAILURE]
    assert 0 < len(caught) < len(judged["frames"])
    for entry in caught:
        assert (entry["cpu"]["loaded"], entry["cpu"]["stored"]) == (0, 0)
        assert entry["camera"]["addresses"] == entry["display"]["addresses"]
        other, who = entry["reasons"]
        assert other == "the display read other pixels than the camera wrote"
        assert who.startswith("changed since: ") and "(virtio)" in who
    assert UNWATCHED in judged["reasons"]
