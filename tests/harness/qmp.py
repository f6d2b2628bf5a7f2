# SPDX-License-Identifier: GPL-2.0-or-later
"""QMP: commands, events, and what is built of them."""

import contextlib
import socket
from pathlib import Path

from qemu.qmp import ExecInterruptedError, QMPError, StateError
from qemu.qmp.legacy import QEMUMonitorProtocol

from .errors import QemuError


class Qmp:
    def __init__(self, sock: socket.socket, timeout: float):
        self._timeout = timeout
        self._qmp = QEMUMonitorProtocol(sock)
        self._qmp.settimeout(timeout)
        self._events: list[dict] = []

    def connect(self) -> None:
        self._qmp.connect()

    def cmd(self, command: str, **arguments):
        """Run a QMP command; `_` in argument names stands for `-`."""
        args = {key.replace("_", "-"): value for key, value in arguments.items()}
        try:
            return self._qmp.cmd(command, **args)
        except TimeoutError:
            raise QemuError(f"no answer to QMP {command} in {self._timeout:g} s") from None
        except (ExecInterruptedError, StateError) as err:
            raise QemuError(f"QEMU went away during QMP {command}") from err

    def wait_event(self, name: str, timeout: float | None = None, **data) -> dict:
        """Wait for the event NAME whose data contains DATA; others are kept."""
        while True:
            for i, event in enumerate(self._events):
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    return self._events.pop(i)
            try:
                self._events.append(self._qmp.pull_event(wait=float(timeout or self._timeout)))
            except TimeoutError:
                raise QemuError(f"no QMP event {name}") from None
            except QMPError as err:
                raise QemuError(f"QEMU went away before the event {name}") from err

    def events(self) -> list[dict]:
        """Take all events that have arrived and not been waited for."""
        taken, self._events = self._events + self._qmp.get_events(), []
        return taken

    def qom_get(self, path: str, name: str):
        return self.cmd("qom-get", path=path, property=name)

    def qom_set(self, path: str, name: str, value) -> None:
        self.cmd("qom-set", path=path, property=name, value=value)

    def hmp(self, line: str) -> str:
        return self.cmd("human-monitor-command", command_line=line)

    def screendump(self, path: Path, device: str | None = None, head: int = 0) -> None:
        """Write what a display shows as PNG or PPM, by PATH's suffix."""
        args = {"device": device, "head": head} if device else {}
        self.cmd("screendump", filename=str(path), format=path.suffix[1:], **args)

    def migrate(self, uri: str) -> None:
        """Save the machine's state; it stands still afterwards."""
        self._migration("migrate", uri)

    def migrate_incoming(self, uri: str) -> None:
        """Load a state into a machine that was started with -incoming defer."""
        self._migration("migrate-incoming", uri)

    def _migration(self, command: str, uri: str) -> None:
        capability = {"capability": "events", "state": True}
        self.cmd("migrate-set-capabilities", capabilities=[capability])
        self.cmd(command, uri=uri)
        while True:
            status = self.wait_event("MIGRATION")["data"]["status"]
            if status == "completed":
                return
            if status == "failed":
                why = self.cmd("query-migrate").get("error-desc", "see QEMU's log")
                raise QemuError(f"{command} {uri} failed: {why}")

    def close(self) -> None:
        with contextlib.suppress(QMPError, OSError, EOFError):  # QEMU may be gone already
            self._qmp.close()
