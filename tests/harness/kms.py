# SPDX-License-Identifier: GPL-2.0-or-later
"""The display as a guest's program sees it: tests/guest/kms.c, driven line by line.

    kms = Kms(guest)
    mode = kms.mode(320, 240)
    picture = kms.picture("XR24", 320, 240, pixels)
    kms.show(mode, primary=picture)
"""

import re
from dataclasses import dataclass

from .agent import Command
from .guest import Guest
from .program import Program

# What switches the display off
OFF = [
    *(("set", plane, name, 0) for plane in ("primary", "overlay", "cursor")
      for name in ("FB_ID", "CRTC_ID")),
    ("set", "crtc", "ACTIVE", 0),
    ("set", "crtc", "MODE_ID", 0),
    ("set", "connector", "CRTC_ID", 0),
    ("commit", "modeset"),
]
_BITS = {"XR24": 32, "AR24": 32, "RG16": 16, "NV12": 8}


@dataclass(frozen=True)
class Picture:
    """A framebuffer: what it shows, and where it lives."""

    fourcc: str
    width: int
    height: int
    pixels: bytes  # lines without padding, NV12: all luma, then all chroma
    fb: int
    handle: int
    size: int


@dataclass(frozen=True)
class Frame:
    """A line of debugfs "frames"."""

    number: int
    time_ns: int
    crc: int
    planes: dict[int, tuple[int, int]]  # by plane: CPU address, hash


def parse_frames(text: str) -> list[Frame]:
    frames = []
    for line in text.splitlines():
        fields = dict(word.split("=") for word in line.split())
        planes = {int(key[1:]): tuple(int(part, 16) for part in value.split(":"))
                  for key, value in fields.items() if re.fullmatch(r"p\d", key)}
        frames.append(Frame(int(fields["frame"]), int(fields["time"]), int(fields["crc"], 16),
                            planes))
    return frames


def pad_lines(pixels: bytes, line: int, pitch: int) -> bytes:
    return b"".join(pixels[at:at + line].ljust(pitch, b"\0")
                    for at in range(0, len(pixels), line))


class Kms(Program):
    def __init__(self, guest: Guest, minor: int = 0):
        super().__init__(guest, "kms", f"/dev/dri/card{minor}")
        self.debugfs = f"/sys/kernel/debug/dri/{minor}"
        self._crtc = self.number("crtc")

    def mode(self, width: int, height: int, hz: float = 60) -> int:
        """A mode with little blanking; the property blob's id."""
        htotal, vtotal = width + 80, height + 40
        clock = round(htotal * vtotal * hz / 1000)
        return self.number("mode", clock, width, width + 16, width + 48, htotal,
                           height, height + 3, height + 8, vtotal, 0)

    def dumb(self, fourcc: str, width: int, height: int) -> tuple[int, int, int]:
        """A dumb buffer for a picture: handle, pitch, size."""
        lines = height * 3 // 2 if fourcc == "NV12" else height
        handle, pitch, size = self("dumb", width, lines, _BITS[fourcc])
        return int(handle), int(pitch), int(size)

    def add_fb(self, fourcc: str, width: int, height: int, handle: int, pitch: int) -> int:
        chroma = (handle, pitch, pitch * height) if fourcc == "NV12" else ()
        return self.number("fb", fourcc, width, height, handle, pitch, 0, *chroma)

    def picture(self, fourcc: str, width: int, height: int, pixels: bytes) -> Picture:
        """A dumb buffer with these pixels."""
        handle, pitch, size = self.dumb(fourcc, width, height)
        padded = pad_lines(pixels, width * _BITS[fourcc] // 8, pitch)
        self("load", handle, size, self.store(padded))
        fb = self.add_fb(fourcc, width, height, handle, pitch)
        return Picture(fourcc, width, height, pixels, fb, handle, size)

    def set_plane(self, plane: str, picture: Picture | None, x: int = 0, y: int = 0,
                  crop: tuple[int, int, int, int] | None = None, **properties: object) -> None:
        """Add to the next commit: show PICTURE (or its part X, Y, WIDTH, HEIGHT) there."""
        if picture is None:
            self("set", plane, "FB_ID", 0)
            self("set", plane, "CRTC_ID", 0)
            return
        crop = crop or (0, 0, picture.width, picture.height)
        values = {"FB_ID": picture.fb, "CRTC_ID": self._crtc,
                  "CRTC_X": x & (1 << 64) - 1, "CRTC_Y": y & (1 << 64) - 1,
                  "CRTC_W": crop[2], "CRTC_H": crop[3]}
        values |= {f"SRC_{axis}": value << 16 for axis, value in zip("XYWH", crop, strict=True)}
        for name, value in (values | properties).items():
            self("set", plane, name, value)

    def set_mode(self, mode: int) -> None:
        self("set", "crtc", "MODE_ID", mode)
        self("set", "crtc", "ACTIVE", 1)
        self("set", "connector", "CRTC_ID", self._crtc)

    def show(self, mode: int, **planes: Picture | None) -> tuple[int, int]:
        """Set MODE and planes, wait until shown: the flip's vblank count and time."""
        self.set_mode(mode)
        for plane in ("primary", "overlay", "cursor"):
            self.set_plane(plane, planes.get(plane))
        return self.commit("modeset")

    def commit(self, *flags: str) -> tuple[int, int]:
        """Commit, wait until it is shown: the flip's vblank count and time."""
        self("commit", "event", "nonblock", *flags)
        return self.event()

    def event(self) -> tuple[int, int]:
        number, time_ns = self("event")
        return int(number), int(time_ns)

    def off(self) -> None:
        self.together(*OFF)

    def read(self, name: str) -> str:
        """A file of the driver's in debugfs."""
        return self.guest.run(f"cat {self.debugfs}/{name}").stdout

    def write(self, name: str, value: object) -> None:
        self.guest.run(f"echo {value} >{self.debugfs}/{name}")

    def register(self, name: str) -> int:
        """A register, such as CTRL or OVERLAY_ADDR0."""
        return next(int(value, 16) for key, value in
                    (line.split(" = ") for line in self.read("registers").splitlines())
                    if key == name)

    def counters(self) -> dict[str, int]:
        return {key: int(value) for key, value in
                (word.split("=") for word in self.read("counters").split())}

    def frames(self) -> dict[int, Frame]:
        """The recorded frames by number."""
        return {frame.number: frame for frame in parse_frames(self.read("frames"))}

    def frame(self, number: int) -> Frame:
        """The record of a frame, waited for."""
        for _ in range(5):
            frames = self.frames()
            if number in frames:
                return frames[number]
            self("vblank", 2)
        raise AssertionError(f"frame {number} is not in the records:\n{self.read('frames')}")

    def watch_crc(self) -> Command:
        """Turn the CRC source on, and read what it says until the command is killed."""
        crc = f"{self.debugfs}/crtc-0/crc"
        watcher = self.guest.spawn(f"echo auto >{crc}/control && exec cat {crc}/data")
        watcher.wait_output("\n")
        return watcher
