# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving pictures for the camera, in YUV4MPEG2, made by ffmpeg.

The default clip pans over four photographs by Charles Barbin, from Debian's
package mate-backgrounds (GPL-2.0-or-later), and cross-fades between them.
"""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import cli

WIDTH, HEIGHT, RATE = 1920, 1080, 30
VIDEO_SECONDS = 10
# Photograph, and where the pan stands in frame n (of 2400x1350 or more pixels).
_PANS = (
    ("LadyBird", "12*n", "6*n"),
    ("Garden", "iw-ow-12*n", "4*n"),
    ("TwoWings", "10*n", "ih-oh-6*n"),
    ("YellowFlower", "iw-ow-10*n", "ih-oh-6*n"),
)
_PAN_FRAMES = 39
_FADE = 0.4
_FRAME = b"FRAME\n"
_NO_FFMPEG = "ffmpeg is missing: run 'make setup'"
_TO_VIDEO = "out_color_matrix=bt709:out_range=tv,format=yuv420p"


def _pan(index: int, x: str, y: str) -> str:
    return (
        f"[{index}]scale=2400:1350:force_original_aspect_ratio=increase:{_TO_VIDEO},"
        f"loop=loop={_PAN_FRAMES - 1}:size=1,setpts=N/{RATE}/TB,fps={RATE},"
        f"crop={WIDTH}:{HEIGHT}:x={x}:y={y}[p{index}]"
    )


def _photo_graph() -> str:
    pans = [_pan(i, x, y) for i, (_, x, y) in enumerate(_PANS)]
    fades, last = [], "p0"
    for i in range(1, len(_PANS)):
        start = i * (_PAN_FRAMES / RATE - _FADE)
        fades.append(f"[{last}][p{i}]xfade=duration={_FADE}:offset={start:.3f}[f{i}]")
        last = f"f{i}"
    return ";".join([*pans, *fades, f"[{last}]format=yuv420p"])


def _video_filter() -> str:
    return (
        "scale=iw*sar:ih,"
        f"scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=decrease:{_TO_VIDEO},"
        f"pad={WIDTH}:{HEIGHT}:(ow-iw)/2:(oh-ih)/2,setsar=1,"
        f"fps='min(source_fps,60)'"
    )


def video_input(video: Path) -> list[str]:
    """ffmpeg's arguments that turn VIDEO into what the camera takes."""
    return ["-i", str(video), "-map", "0:v:0", "-vf", _video_filter()]


def _ffmpeg(arguments: Sequence[str], output: Path, what: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_suffix(".part")
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-y",
        *arguments,
        "-f",
        "yuv4mpegpipe",
        str(part),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        said = [re.sub(r"^\[.* @ 0x\w+\] ", "", line) for line in done.stderr.splitlines()]
        if done.returncode or not frames(part):
            disk = [line for line in said if "No space left" in line]
            reason = (disk or said or ["no picture in it"])[-1]
            raise cli.UserError(f"cannot play {what}: {reason}")
        if said:
            print(f"{what} is damaged: {said[0]}; playing what can be decoded")
        part.rename(output)
    except FileNotFoundError:
        raise cli.UserError(_NO_FFMPEG) from None
    finally:
        part.unlink(missing_ok=True)


def frames(clip: Path) -> int:
    """Frames in a clip of WIDTH x HEIGHT."""
    return clip.stat().st_size // (WIDTH * HEIGHT * 3 // 2) if clip.exists() else 0


def samples(clip: Path, index: int) -> tuple[tuple[int, int], tuple[bytes, bytes, bytes]]:
    """Width and height of a clip, and Y, Cb and Cr of what the camera takes for frame INDEX.

    The clip is one that ffmpeg wrote: no frame's header has parameters.
    """
    with clip.open("rb") as file:
        width, height = map(int, re.findall(rb" [WH](\d+)", file.readline())[:2])
        start, luma = file.tell(), width * height
        stride = len(_FRAME) + luma * 3 // 2
        file.seek(start + index % ((clip.stat().st_size - start) // stride) * stride)
        if file.readline() != _FRAME:
            raise ValueError(f"{clip}: frame {index} is not where it must be")
        return (width, height), (file.read(luma), file.read(luma // 4), file.read(luma // 4))


def render_photos(photos: Path, output: Path) -> None:
    """Make the default clip of the photographs below PHOTOS."""
    files = [photos / "usr/share/backgrounds/mate/nature" / f"{name}.jpg" for name, *_ in _PANS]
    for file in files:
        if not file.exists():
            raise cli.UserError(f"{file} is missing: remove {photos} to fetch it again")
    inputs = [word for file in files for word in ("-i", str(file))]
    _ffmpeg(
        [*inputs, "-filter_complex", _photo_graph(), "-r", str(RATE)], output, "the photographs"
    )


def convert(video: Path, output: Path) -> None:
    """Make a clip of the first VIDEO_SECONDS of any file that ffmpeg decodes."""
    if not video.is_file():
        raise cli.UserError(f"VIDEO: there is no file {video}")
    _ffmpeg([*video_input(video), "-t", str(VIDEO_SECONDS)], output, f"VIDEO {video}")


def feed(arguments: Sequence[str], sock: Path, log: Path) -> subprocess.Popen:
    """Stream to a camera's socket in real time."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-re", *arguments]
    try:
        with log.open("wb") as errors:
            return subprocess.Popen(
                [*command, "-f", "yuv4mpegpipe", f"unix:{sock}"],
                start_new_session=True,
                stderr=errors,
            )
    except FileNotFoundError:
        raise cli.UserError(_NO_FFMPEG) from None


def _main() -> int:
    photos, output = map(Path, sys.argv[1:])
    render_photos(photos, output)
    return 0


if __name__ == "__main__":
    cli.run(_main)
