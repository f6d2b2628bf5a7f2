# SPDX-License-Identifier: GPL-2.0-or-later
"""A booted guest: console, agent and QMP in one object.

with Guest(GuestConfig(dtb="baton-dual")) as guest:
    assert guest.run("uname -m").stdout == "aarch64\\n"
"""

import contextlib
import itertools
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .agent import Agent, Command, Result
from .console import Console
from .errors import GuestError
from .eventloop import STALL, EventLoop
from .process import QemuProcess, qemu_binary
from .qtest import machine_args

AGENT_PORT = "org.baton.agent"
# RCU's stalls are told before STALL ends the wait, but not when the host stood still for a while.
KERNEL_ARGS = (
    "swiotlb=noforce printk.devkmsg=on loglevel=5 panic=-1 rcupdate.rcu_cpu_stall_timeout=90"
)
_TAINT = 1 << 7 | 1 << 9  # died, warned


@dataclass(frozen=True)
class GuestConfig:
    """What to boot. MACHINE: properties of the machine, "camera0-file=clip.y4m"."""

    dtb: str | Path = "baton"
    machine: str = ""
    kernel_args: str = ""
    qemu_args: tuple[str, ...] = ()
    kernel: Path = paths.KERNEL
    initramfs: Path = paths.INITRAMFS

    def dtb_path(self) -> Path:
        return self.dtb if isinstance(self.dtb, Path) else paths.dtb(self.dtb)

    def boot_args(self) -> list[str]:
        """The part of QEMU's command line that the interactive targets share."""
        append = f"{KERNEL_ARGS} {self.kernel_args}".rstrip()
        return [
            *machine_args(self.dtb_path(), self.machine),
            "-accel",
            "tcg",
            "-nodefaults",
            "-no-reboot",
            "-L",
            str(paths.QEMU.parent),
            "-kernel",
            str(paths.built(self.kernel, "kernel")),
            "-initrd",
            str(paths.built(self.initramfs, "rootfs")),
            "-append",
            append,
            *self.qemu_args,
        ]

    def console_command(self, display: str = "none") -> list[str]:
        """QEMU with the guest's console on the terminal."""
        return [str(qemu_binary()), *self.boot_args(), "-display", display, "-serial", "mon:stdio"]

    def make_args(self) -> str:
        """The variables with which `make run` boots the same guest."""
        machine = ("-M", self.machine) if self.machine else ()
        variables = {
            "DTB": str(self.dtb),
            "KERNEL_ARGS": self.kernel_args,
            "QEMU_ARGS": shlex.join([*machine, *self.qemu_args]),
        }
        return " ".join(
            f"{name}={shlex.quote(value)}" for name, value in variables.items() if value
        )


class Guest:
    """A context manager; starting it waits until the agent answers."""

    def __init__(self, config: GuestConfig, directory: Path, display: str = "none"):
        self.config = config
        self.dir = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._loop = EventLoop()
        self._marks = itertools.count(1)
        self._taint_declared = 0
        self.process = QemuProcess(
            [*config.boot_args(), "-display", display], directory / "qemu.log"
        )
        console, chardev = self.process.channel("console")
        self.process.args += [*chardev, "-serial", "chardev:console"]
        agent, chardev = self.process.channel("agent")
        self.process.args += [
            *chardev,
            "-device",
            "virtio-serial-device",
            "-device",
            f"virtserialport,chardev=agent,name={AGENT_PORT}",
        ]
        self._sockets = [console, agent]
        for sock in self._sockets:
            sock.settimeout(STALL)
        self.console = Console(self._loop, console, directory / "console.log")
        self.agent = Agent(self._loop, agent)

    def __enter__(self):
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.collect_evidence()
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> None:
        self._loop.start()
        self.process.start()
        self.qmp = self.process.qmp

    def wait_ready(self, stall: float | None = STALL) -> None:
        self.agent.hello()
        try:
            self.agent.wait(lambda: self.agent.ready, "the agent", stall)
        except GuestError:
            if not self.process.alive():
                raise self.process.died("ended during boot") from None
            raise

    def spawn(
        self,
        command: str | Sequence[str],
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        **sinks: Callable[[bytes], object],
    ) -> Command:
        """Start a shell line, or a program with arguments, as root."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        return self.agent.run(argv, env, stdin, **sinks)

    def run(
        self,
        command: str | Sequence[str],
        check: bool = True,
        stall: float | None = STALL,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run to the end. With CHECK a status other than 0 is an AssertionError."""
        result = self.spawn(command, env).wait(stall)
        if check and result.status:
            raise AssertionError(
                f"'{command}' in the guest: status {result.status}\n{result.stdout}{result.stderr}"
            )
        return result

    def put(self, source: Path | bytes, target: str, mode: int = 0o644) -> None:
        """Write a file in the guest."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        script = f'cat >"$0.part" && chmod {mode:o} "$0.part" && mv "$0.part" "$0"'
        command = self.spawn(["/bin/sh", "-c", script, target], stdin=True)
        for at in range(0, len(data), 65536):
            command.send(data[at : at + 65536])
        command.send(b"")
        if result := command.wait().status:
            raise AssertionError(f"cannot write {target}: status {result}: {command.stderr}")

    def get(self, source: str) -> bytes:
        """Read a file of the guest."""
        command = self.spawn(["cat", source])
        if command.wait().status:
            raise AssertionError(f"cannot read {source}: {command.stderr}")
        return command.stdout_bytes

    def sync_console(self) -> int:
        """Wait until all that the kernel has said is in the console log; the kernel's taint."""
        if self.console.panic or not self.process.alive():
            return 0
        mark = f"baton-mark-{next(self._marks)}"
        start = len(self.console.lines)
        taint = self.run(f"echo '<3>{mark}' >/dev/kmsg; cat /proc/sys/kernel/tainted").stdout
        self.console.wait(rf"{mark}\r?$", start)
        return int(taint)

    @contextlib.contextmanager
    def expect_splat(self, pattern: str) -> Iterator[None]:
        """Declare kernel splats that match PATTERN within the block; one at least must come."""
        with self.console.expect(pattern):
            yield
            self._taint_declared = self.sync_console()

    def check(self) -> None:
        """Raise if the kernel printed a splat that was not declared."""
        taint = self.sync_console()
        if splats := self.console.undeclared():
            for splat in splats:
                splat.declared = True
            raise GuestError("undeclared kernel splat:\n" + "\n\n".join(s.text for s in splats))
        if taint & _TAINT & ~self._taint_declared:
            self._taint_declared |= taint
            raise GuestError(f"the kernel is tainted ({taint:#x}); see dmesg")

    def screendump(self, path: Path, display: int = 0) -> None:
        """What display DISPLAY shows; PNG or PPM by the suffix of PATH."""
        self.qmp.screendump(path.resolve(), f"display{display}")

    def power_off(self, stall: float | None = STALL) -> None:
        """Press the power key and wait for QEMU to end."""
        self.qmp.cmd("system_powerdown")
        self.wait_end(stall)

    def wait_end(self, stall: float | None = STALL) -> int:
        """Wait until the guest has powered off or rebooted; QEMU's exit status."""
        self._loop.wait(lambda: self.console.closed, "the guest's end", stall)
        return self.process.wait()

    def collect_evidence(self) -> None:
        """Leave screenshots and the way back in next to the logs. Never raises."""
        with contextlib.suppress(Exception):
            (self.dir / "again.txt").write_text(
                f"make shell {self.config.make_args()}\n"
                f"{shlex.join(self.config.console_command())}\n"
            )
        with contextlib.suppress(Exception):  # ends at the first display that does not exist
            for display in itertools.count():
                self.screendump(self.dir / f"screenshot{display or ''}.png", display)

    def close(self) -> None:
        self.process.close()
        self._loop.close()
        for sock in self._sockets:
            sock.close()
