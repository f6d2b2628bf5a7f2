# SPDX-License-Identifier: GPL-2.0-or-later
"""What the demo's camera sees: a clip from a file, or a live stream."""

import os
import subprocess
import time
from pathlib import Path

from . import clip
from .cli import UserError, step
from .guest import Guest
from .paths import BUILD
from .regs import camera as regs

PHOTOS = BUILD / "clip" / "photos.y4m"
_WAIT_FOR_STREAM = 10
_WAIT_FOR_HEADER = 30
_ENDED = {
    regs.BATON_CAMERA_SRC_END: "it ended before its first picture was captured",
    regs.BATON_CAMERA_SRC_MALFORMED: "it is no YUV4MPEG2",
    regs.BATON_CAMERA_SRC_TRUNCATED: "it ended within a picture",
    regs.BATON_CAMERA_SRC_UNSUPPORTED:
        "not progressive 4:2:0 of an even size, 64x64 to 3840x2160 (-pix_fmt yuv420p)",
}


class ClipSource:
    """The default clip, or the user's own video, by frame index."""

    def __init__(self, video: str, directory: Path):
        self._directory = directory
        self._video = Path(video) if video else None
        self.name = video or "photographs by Charles Barbin (Debian's mate-backgrounds)"

    def prepare(self) -> None:
        self._clip = PHOTOS
        if self._video:
            self._clip = self._directory / "video.y4m"
            with step(f"Converting {self._video}"):
                clip.convert(self._video, self._clip)

    def samples(self, sequence: int) -> tuple[tuple[int, int], tuple[bytes, bytes, bytes]]:
        """As clip.samples(), of the camera's frame SEQUENCE."""
        return clip.samples(self._clip, sequence)

    def machine(self) -> str:
        return f"camera0-file={str(self._clip).replace(',', ',,')}"

    def qemu_args(self) -> list[str]:
        return []

    def connect(self, guest: Guest) -> None:
        """A file needs no connecting."""

    def frames(self) -> int:
        """How many frames to play: all, at least 90 (a still picture is shown 90 times)."""
        return max(90, clip.frames(self._clip))

    def close(self) -> None:
        """Remove the converted video: it is large."""
        if self._video:
            self._clip.unlink(missing_ok=True)


class LiveSource:
    """A YUV4MPEG2 stream on a socket: the user's, or VIDEO or the clip if nobody connects."""

    def __init__(self, video: str, directory: Path):
        self._video = video
        # Relative: the path of a socket has at most 107 characters.
        self._socket = Path(os.path.relpath(directory / "camera.sock"))
        self._log = directory / "ffmpeg.log"
        self._feeder: subprocess.Popen | None = None
        self.name = f"live stream on {self._socket}"

    def prepare(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._input = ["-stream_loop", "-1", "-i", str(PHOTOS)]
        if self._video:
            self._input = ["-stream_loop", "-1", *clip.video_input(Path(self._video))]

    def machine(self) -> str:
        return "camera0-chardev=live"

    def qemu_args(self) -> list[str]:
        path = str(self._socket).replace(",", ",,")
        return ["-chardev", f"socket,id=live,path={path},server=on,wait=off"]

    def connect(self, guest: Guest) -> None:
        """Wait for the user's stream; without one, or if VIDEO was given, feed it here."""
        sock = self._socket
        if not self._video:
            print(
                f"The camera listens on {sock}. To stream your own, within"
                f" {_WAIT_FOR_STREAM} s:\n"
                f"  ffmpeg -re -i FILE -s 1920x1080 -pix_fmt yuv420p -f yuv4mpegpipe"
                f" unix:{sock}",
                flush=True,
            )
        if self._video or not self._wait_for_user(guest):
            print(f"Streaming {self._video or 'the default clip'}", flush=True)
            self._feeder = clip.feed(self._input, self._socket, self._log)
        self._wait_for_picture(guest)

    @staticmethod
    def _wait_for_user(guest: Guest) -> bool:
        deadline = time.monotonic() + _WAIT_FOR_STREAM
        while time.monotonic() < deadline:
            for chardev in guest.qmp.cmd("query-chardev"):
                if chardev["label"] == "live" and "disconnected" not in chardev["filename"]:
                    return True
            if _register(guest, "CAM_SRC_STATUS") in _ENDED:
                return True  # somebody came and went
            time.sleep(0.2)  # QMP has no event for this
        return False

    def _wait_for_picture(self, guest: Guest) -> None:
        """Wait until the camera knows the size of what it is to capture."""
        deadline = time.monotonic() + _WAIT_FOR_HEADER
        while True:
            if self._feeder and self._feeder.poll() is not None:
                raise UserError(f"cannot stream {self._video}: {_last_line(self._log)}")
            if reason := _ENDED.get(_register(guest, "CAM_SRC_STATUS")):
                raise UserError(f"cannot play the stream on {self._socket}: {reason}")
            if _register(guest, "CAM_SRC_SIZE"):
                return
            if time.monotonic() > deadline:
                raise UserError(f"nothing came on {self._socket} for {_WAIT_FOR_HEADER} s")
            time.sleep(0.2)

    def frames(self) -> int:
        return 150

    def close(self) -> None:
        if self._feeder:
            self._feeder.kill()
            self._feeder.wait()
        self._socket.unlink(missing_ok=True)


def _register(guest: Guest, name: str) -> int:
    line = guest.run(f"grep '^{name} = ' /sys/kernel/debug/baton-camera.0/registers").stdout
    return int(line.split()[-1], 16)


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or ["ffmpeg ended"])[-1]
