# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run`, `make shell`, `make debug`: boot the machine, for a person or for a script."""

import argparse
import os
import shlex
import signal
import sys
from pathlib import Path

from . import cli, clip
from .guest import Guest, GuestConfig
from .paths import BUILD, OUT
from .process import qemu_binary

_DISPLAYS = {"": "none", "gtk": "gtk", "vnc": "vnc=127.0.0.1:0"}
_SCRIPT = "/tmp/guest-script"


def _config(options: argparse.Namespace) -> GuestConfig:
    machine = ""
    if options.video:
        source = BUILD / "clip" / "video.y4m"
        clip.convert(Path(options.video), source)
        machine = f"camera0-file={str(source).replace(',', ',,')}"
    arguments = shlex.split(options.qemu_args)
    if options.debug:
        arguments += ["-s", "-S"]
    kernel_args = f"{options.kernel_args}{' nokaslr' if options.debug else ''}".strip()
    return GuestConfig(options.dtb, machine, kernel_args, tuple(arguments))


def _console(config: GuestConfig, display: str) -> int:
    """Become QEMU, with the guest's console on this terminal."""
    command = [str(qemu_binary()), *config.boot_args(), "-display", display, "-serial", "mon:stdio"]
    sys.stdout.flush()
    os.execv(command[0], command)


def _write(stream):
    def write(data: bytes) -> None:
        stream.buffer.write(data)
        stream.flush()

    return write


def _script(config: GuestConfig, script: Path, display: str) -> int:
    """Run SCRIPT as root; its output is ours, and so is its exit status."""
    if not script.is_file():
        raise cli.UserError(f"GUEST: there is no file {script}")
    with Guest(config, OUT / "run", display) as guest:
        guest.put(script, _SCRIPT, 0o755)
        command = guest.spawn(
            f"exec {_SCRIPT}", stdout=_write(sys.stdout), stderr=_write(sys.stderr)
        )
        try:
            status = command.wait(stall=None).status
        except KeyboardInterrupt:
            command.kill(signal.SIGINT)
            status = command.wait().status
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtb", default="baton")
    parser.add_argument("--kernel-args", default="")
    parser.add_argument("--qemu-args", default="")
    parser.add_argument("--guest", default="")
    parser.add_argument("--video", default="")
    parser.add_argument("--display", choices=list(_DISPLAYS), default="")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()
    config = _config(options)
    display = _DISPLAYS[options.display]
    if options.guest:
        return _script(config, Path(options.guest), display)
    if options.debug:
        print("QEMU waits for gdb on localhost:1234; see docs/development.md")
    print("Ctrl-A x ends the guest, Ctrl-A c is QEMU's monitor")
    return _console(config, display)


if __name__ == "__main__":
    cli.run(main)
