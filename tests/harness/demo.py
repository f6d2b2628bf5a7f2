# SPDX-License-Identifier: GPL-2.0-or-later
"""`make demo`: play a clip from the camera to the display, and show that it was not copied."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import xxhash
from PIL import Image

from . import cli, pipeline
from .camera_source import ClipSource, LiveSource
from .guest import Guest, GuestConfig
from .paths import OUT

# The camera streams alone first; when the display attaches, the buffers move.
_OPTIONS = ("--hash", "--attach-after", "30")


def _play(guest: Guest, frames: int, screen: Path) -> dict:
    """Run the pipeline and take the screenshot while the last of FRAMES stands."""
    command = pipeline.start(guest, [*_OPTIONS, "--hold", "--frames", str(frames)])
    command.wait_output("holding", stall=None)
    if not command.done:
        guest.screendump(screen)
        command.kill(signal.SIGINT)
    return pipeline.report(guest, command)


def _play_until_interrupted(guest: Guest, screen: Path) -> dict:
    command = pipeline.start(guest, _OPTIONS)
    print("Playing until Ctrl-C ...", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        command.wait(stall=None)
    if not command.done:
        guest.screendump(screen)
        command.kill(signal.SIGINT)
    return pipeline.report(guest, command)


def _hash_of(screen: Path, width: int, height: int) -> str:
    """The frame hash of the picture in the middle of a screenshot: lines of B, G, R, 0xff."""
    picture = Image.open(screen).convert("RGBA")
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    picture = picture.crop((left, top, left + width, top + height))
    return f"{xxhash.xxh64_intdigest(picture.tobytes('raw', 'BGRA')):#018x}"


def _compare(shown: list[dict], what: str) -> tuple[bool, str]:
    """Whether camera and display agree on WHAT, in all shown frames.

    Both engines keep what they know of more frames than a guest falls behind, so a
    frame without a record is one of which nothing is proven.
    """
    pairs = [(frame[f"camera_{what}"], frame[f"display_{what}"]) for frame in shown]
    missing = sum(not all(pair) for pair in pairs)
    equal = sum(all(pair) and pair[0] == pair[1] for pair in pairs)
    good = 0 < equal == len(pairs)
    text = f"{'yes' if good else 'NO'}, {equal} of {len(pairs)} frames"
    if missing:
        text += f" ({missing} not recorded)"
    return good, text


def _none_lost(summary: dict) -> tuple[bool, str]:
    """Whether each frame for the display was shown, or replaced by a newer one.

    A slow host costs replaced frames; that is in the table and in no verdict.
    """
    wanted = summary["captured"] - summary["before_attach"]
    lost = wanted - summary["shown"] - summary["dropped_by_pipeline"]
    good = summary["shown"] > 0 and lost == 0 == summary["errors"]
    text = f"{'no' if good else 'YES'}, {lost} of {wanted} frames"
    if errors := summary["errors"]:
        text += f", {errors} with errors"
    if summary["shown"] < 0.9 * wanted:
        text += f" (the host is slow: {summary['dropped_by_pipeline']} were replaced by newer ones)"
    return good, text


def _moved(buffers: list[dict]) -> tuple[bool, str]:
    """Whether each buffer moved, once, when the display attached."""
    moved = sum(len(buffer["places"]) == 2 for buffer in buffers)
    good = 0 < moved == len(buffers)
    return good, f"{'yes' if good else 'NO'}, {moved} of {len(buffers)} buffers"


def verdict(report: dict, screen: Path) -> dict[str, tuple[bool, str]]:
    """What the run must show; each a line of the table."""
    shown = [frame for frame in report["frames"] if frame["shown_frame"] is not None]
    findings = {
        "moved when the display attached": _moved(report["buffers"]),
        "camera and display hash equal": _compare(shown, "hash"),
        "camera and display address equal": _compare(shown, "address"),
        "frames lost": _none_lost(report["summary"]),
    }
    if report["pipeline"]["frames"]:  # else it was taken while the film went on
        size = report["pipeline"]["width"], report["pipeline"]["height"]
        last = (bool(shown) and screen.exists()
                and shown[-1]["camera_hash"] == _hash_of(screen, *size))
        findings["screenshot is the last frame"] = last, "yes" if last else "NO"
    return findings


def _print_table(report: dict, findings: dict[str, tuple[bool, str]]) -> None:
    summary = report["summary"]
    counts = ("captured", "before_attach", "shown", "dropped")
    rows = {f"frames {name.replace('_', ' ')}": str(summary[name]) for name in counts}
    rows |= {name: text for name, (_, text) in findings.items()}
    rows["boot time"] = f"{report['boot_seconds']:.2f} s"
    rows["frames/s"] = f"{summary['fps']:.1f}"
    width = max(map(len, rows))
    print("\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items()))


def _print_buffers(buffers: list[dict]) -> None:
    print("\n  buffer  camera alone                  with the display attached")
    for buffer in buffers:
        places = [f"{place['cpu_addresses'][0]}, {place['pieces'][0]} piece"
                  + "s" * (place["pieces"][0] > 1) for place in buffer["places"]]
        print("  " + "  ".join([f"{buffer['index']:>6}", *(f"{p:<28}" for p in places)]).rstrip())


def main() -> int:
    directory = Path(sys.argv[1]) if sys.argv[1:] else OUT / "demo"
    screen, details = directory / "screen.png", directory / "frames.json"
    live = cli.setting("CAMERA", ("", "live"))
    display = cli.display()
    frames = cli.number("FRAMES")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    cli.need_space(directory, 16 << 20)
    source = (LiveSource if live else ClipSource)(cli.setting("VIDEO"), directory)
    source.prepare()
    config = GuestConfig(
        dtb=cli.setting("DTB", default="baton"),
        machine=source.machine(),
        qemu_args=tuple(source.qemu_args()),
    )
    print(f"Playing {source.name}", flush=True)
    start = time.monotonic()
    try:
        with Guest(config, directory, display) as guest:
            boot = time.monotonic() - start
            source.connect(guest)
            if display != "none" and sys.stdin.isatty() and not frames:
                report = _play_until_interrupted(guest, screen)
            else:
                report = _play(guest, frames or source.frames(), screen)
            guest.check()
    finally:
        source.close()

    findings = verdict(report, screen)
    report["boot_seconds"] = round(boot, 3)
    report["verdict"] = {name: good for name, (good, _) in findings.items()}
    details.write_text(json.dumps(report, indent=1) + "\n")
    _print_buffers(report["buffers"])
    _print_table(report, findings)
    print(f"\n  {os.path.relpath(screen)}, {os.path.relpath(details)}")
    return 0 if all(report["verdict"].values()) else 1


if __name__ == "__main__":
    cli.run(main)
