# SPDX-License-Identifier: GPL-2.0-or-later
"""`make proof`: out/proof/receipt.json, report.html and trace.json."""

import itertools
import json
import os
import shutil
import time

from harness import cli
from harness.camera_source import ClipSource
from harness.paths import OUT

from . import document, guestrun, perfetto, pictures, report
from .guestrun import Pipeline
from .receipt import ZERO_COPY

_FRAMES = 30


def pipelines(frames: int) -> list[Pipeline]:
    common = ("--hash", "--frames", str(frames))
    return [
        Pipeline("the display's buffers", (*common, "--allocator", "display")),
        Pipeline("NV12", (*common, "--format", "NV12")),
        Pipeline("two processes, RGB565", (*common, "--processes", "2", "--format", "RG16")),
        Pipeline("buffers that move", (*common, "--attach-after", "6")),
        Pipeline("frames that move", (*common, "--attach-late"), claims_zero_copy=False),
        Pipeline("--copy, for comparison", (*common, "--copy"), claims_zero_copy=False),
        Pipeline("the camera's buffers", common, hold=True),
    ]


def _print(receipt: dict) -> None:
    for pipeline in receipt["pipelines"]:
        frames = pipeline["frames"]
        touched = sum(frame["cpu"]["loaded"] + frame["cpu"]["stored"] for frame in frames)
        print(
            f"  {pipeline['name']:<24} {pipeline['verdict']:<14} {len(frames):>4} scanouts, "
            f"{touched} bytes touched by CPUs"
        )
    print(f"\n  {receipt['statement']}")


def main() -> int:
    directory = OUT / "proof"
    icount = cli.setting("ICOUNT", ("", "on", "off")) != "off"
    dtb = cli.setting("DTB", default="baton")
    frames = cli.number("FRAMES") or _FRAMES
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    cli.need_space(directory, 256 << 20)
    source = ClipSource(cli.setting("VIDEO"), directory)
    source.prepare()
    screen = directory / "screen.png"
    print(f"Watching {source.name}", flush=True)
    start = time.monotonic()
    try:
        evidence = guestrun.run(
            directory, pipelines(frames), screen, machine=source.machine(), dtb=dtb, icount=icount
        )
        receipt = document.receipt(evidence, dtb, icount)
        screenshot = pictures.screenshot(receipt, screen)
        thumbnails = [pictures.thumbnails(p, source.samples) for p in receipt["pipelines"]]
    finally:
        source.close()
    (directory / "receipt.json").write_text(json.dumps(receipt, indent=1) + "\n")
    (directory / "trace.json").write_text(json.dumps(perfetto.trace(evidence)) + "\n")
    (directory / "report.html").write_text(report.render(receipt, screenshot, thumbnails))
    _print(receipt)
    for picture in (screenshot, *itertools.chain(*thumbnails)):
        if not picture.data:
            print(f"  {picture.text}")
    print(f"  {os.path.relpath(directory)}/report.html, {time.monotonic() - start:.1f} s")
    return 0 if receipt["verdict"] == ZERO_COPY else 1


if __name__ == "__main__":
    cli.run(main)
