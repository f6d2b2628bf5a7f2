# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU process: started, watched, ended, with its log."""

import ctypes
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from qemu.qmp import QMPError

from .errors import InfrastructureError, QemuError
from .paths import QEMU, built
from .qmp import Qmp

_HOST_TROUBLE = re.compile(r"No space left|Cannot allocate memory|cannot set up guest memory")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def qemu_binary() -> Path:
    return built(Path(os.environ.get("BATON_QEMU", QEMU)), "qemu")


class QemuProcess:
    """QEMU with a QMP connection; a context manager that leaves no process behind.

    The sockets are handed over as file descriptors, so there is no path to
    clean up and QEMU's end is noticed at once.
    """

    def __init__(self, args: Sequence[str | Path], log: Path, timeout: float = 60):
        self.args = [str(arg) for arg in args]
        self.log = log
        self.timeout = timeout
        self._fds: list[socket.socket] = []
        self._process: subprocess.Popen | None = None
        self.qmp: Qmp

    def channel(self, name: str, options: str = "") -> tuple[socket.socket, list[str]]:
        """A socket to QEMU, and the -chardev option of its other end."""
        ours, theirs = socket.socketpair()
        self._fds.append(theirs)
        return ours, ["-chardev", f"socket,id={name},fd={theirs.fileno()}{options}"]

    def start(self) -> None:
        sock, chardev = self.channel("qmp")
        command = [str(qemu_binary()), *self.args, *chardev, "-mon", "chardev=qmp,mode=control"]
        self.command = command
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[fd.fileno() for fd in self._fds],
                    preexec_fn=_die_with_parent,
                    start_new_session=True,  # Ctrl-C is for us alone
                )
        except OSError as err:
            raise InfrastructureError(f"cannot start {command[0]}: {err}") from err
        finally:
            for fd in self._fds:
                fd.close()
        self.qmp = Qmp(sock, self.timeout)
        try:
            self.qmp.connect()
        except (QMPError, TimeoutError):
            raise self.died("did not start") from None

    def died(self, what: str) -> Exception:
        """The error that tells why QEMU ended, from its status and log."""
        status = self.wait()
        text = self.log.read_text(errors="replace").strip()
        kind = InfrastructureError if _HOST_TROUBLE.search(text) else QemuError
        return kind(
            f"QEMU {what} (status {status}): {text[-2000:] or 'no message'}\n"
            f"command: {shlex.join(self.command)}"
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for QEMU to end by itself; its exit status."""
        try:
            return self._process.wait(timeout or self.timeout)
        except subprocess.TimeoutExpired:
            raise QemuError("QEMU does not end") from None

    def close(self) -> int | None:
        """End QEMU; its exit status, or None if it had to be killed."""
        if self._process is None:
            return None
        status = self._process.poll()
        if status is None:
            self._process.kill()
            self._process.wait()
        if hasattr(self, "qmp"):
            self.qmp.close()
        return status

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc) -> None:
        self.close()


def refusal(args: Sequence[str | Path], timeout: float = 60) -> tuple[int, str]:
    """Run QEMU with ARGS that it must refuse: its (exit status, message)."""
    command = [str(qemu_binary()), *(str(arg) for arg in args)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            preexec_fn=_die_with_parent,
        )
    except subprocess.TimeoutExpired:
        raise QemuError(f"QEMU accepted: {shlex.join(command)}") from None
    return done.returncode, done.stderr.strip()
