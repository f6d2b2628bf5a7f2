# SPDX-License-Identifier: GPL-2.0-or-later
"""`make run`, `make shell`, `make debug`: boot the machine, for a person or for a script."""

import os
import shlex
import signal
import sys
from pathlib import Path

from . import cli, clip
from .guest import Guest, GuestConfig
from .paths import BUILD, OUT

_SCRIPT = "/tmp/guest-script"


def _config(debug: bool) -> GuestConfig:
    machine = ""
    if video := cli.setting("VIDEO"):
        source = BUILD / "clip" / "video.y4m"
        clip.convert(Path(video), source)
        machine = f"camera0-file={str(source).replace(',', ',,')}"
    kernel_args, qemu_args = cli.setting("KERNEL_ARGS"), shlex.split(cli.setting("QEMU_ARGS"))
    if debug:
        kernel_args += " nokaslr"
        qemu_args += ["-s", "-S"]
    dtb = cli.setting("DTB", default="baton")
    return GuestConfig(dtb, machine, kernel_args.strip(), tuple(qemu_args))


def _console(config: GuestConfig, display: str) -> int:
    """Become QEMU, with the guest's console on this terminal."""
    command = config.console_command(display)
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
    mode = "".join(sys.argv[1:])
    script = cli.setting("GUEST")
    config = _config(debug=mode == "debug")
    display = cli.display()
    if script and not mode:
        return _script(config, Path(script), display)
    if mode == "debug":
        print("QEMU waits for gdb on localhost:1234; see docs/development.md")
    print("Ctrl-A x ends the guest, Ctrl-A c is QEMU's monitor")
    return _console(config, display)


if __name__ == "__main__":
    cli.run(main)
