# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine without CPUs: registers, memory and time under the test's control.

with QtestMachine() as m:
    m.writel(CAMERA0 + regs.CAM_CTRL, regs.CAM_CTRL.ENABLE)
    m.clock_step(1_000_000)
"""

import tempfile
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .devicetree import machine_size
from .errors import QemuError
from .paths import dtb as built_dtb
from .process import QemuProcess

# QEMU takes qtest input in small pieces and rescans the line at each.
_WRITE_CHUNK = 48 * 1024
_READ_CHUNK = 1 << 20


def machine_args(dtb: Path, options: str = "") -> list[str]:
    """-M, -dtb, -m and -smp for a device tree; OPTIONS are machine properties."""
    memory, cpus = machine_size(dtb)
    return [
        "-M",
        "baton" + (f",{options}" if options else ""),
        "-dtb",
        str(dtb),
        "-m",
        f"{memory >> 20}M",
        "-smp",
        str(cpus),
    ]


@dataclass(frozen=True)
class Snapshot:
    """A saved machine and the virtual time at which it stands."""

    path: Path
    clock: int


class QtestMachine:
    """DTB: name of a tree in dts/ or a path. MACHINE: properties, "camera0-file=x.y4m"."""

    def __init__(
        self,
        dtb: str | Path = "baton",
        machine: str = "",
        args: Sequence[str | Path] = (),
        incoming: Snapshot | None = None,
        log: Path | None = None,
        timeout: float = 60,
    ):
        self._tmp = tempfile.TemporaryDirectory(prefix="baton-qtest-")
        self.dir = Path(self._tmp.name)
        self._incoming = incoming
        self._irqs: dict[int, bool] = {}
        path = dtb if isinstance(dtb, Path) else built_dtb(dtb)
        self.process = QemuProcess(
            [
                *machine_args(path, machine),
                "-accel",
                "qtest",
                "-display",
                "none",
                "-nodefaults",
                *args,
                *(["-incoming", "defer"] if incoming else []),
            ],
            log or self.dir / "qemu.log",
            timeout,
        )
        self._sock, chardev = self.process.channel("qtest")
        self.process.args += [*chardev, "-qtest", "chardev:qtest", "-qtest-log", "none"]

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def _start(self) -> None:
        self.process.start()
        self.qmp = self.process.qmp
        self._sock.settimeout(self.process.timeout)
        self._file = self._sock.makefile("rwb")
        if self._incoming:
            self.clock_set(self._incoming.clock)
            self.qmp.migrate_incoming(f"file:{self._incoming.path}")

    def close(self) -> None:
        self.process.close()
        self._sock.close()
        self._tmp.cleanup()

    def command(self, line: str) -> str:
        """Send a qtest command; what follows OK in the answer."""
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            return self._answer(line)
        except TimeoutError:
            raise QemuError(f"no answer to qtest '{line[:80]}'") from None
        except (BrokenPipeError, ConnectionResetError):
            raise self.process.died(f"died at qtest '{line[:80]}'") from None

    def _answer(self, line: str) -> str:
        while True:
            answer = self._file.readline().decode().rstrip("\n")
            word, _, rest = answer.partition(" ")
            if word == "IRQ":
                state, _, number = rest.partition(" ")
                self._irqs[int(number)] = state == "raise"
            elif word == "OK":
                return rest
            elif answer:
                raise QemuError(f"qtest '{line[:80]}': {answer}")
            else:
                raise self.process.died(f"died at qtest '{line[:80]}'")

    def _load(self, size: str, addr: int) -> int:
        return int(self.command(f"read{size} {addr:#x}"), 0)

    def _store(self, size: str, addr: int, value: int) -> None:
        self.command(f"write{size} {addr:#x} {value:#x}")

    def readb(self, addr: int) -> int:
        return self._load("b", addr)

    def readw(self, addr: int) -> int:
        return self._load("w", addr)

    def readl(self, addr: int) -> int:
        return self._load("l", addr)

    def readq(self, addr: int) -> int:
        return self._load("q", addr)

    def writeb(self, addr: int, value: int) -> None:
        self._store("b", addr, value)

    def writew(self, addr: int, value: int) -> None:
        self._store("w", addr, value)

    def writel(self, addr: int, value: int) -> None:
        self._store("l", addr, value)

    def writeq(self, addr: int, value: int) -> None:
        self._store("q", addr, value)

    def read(self, addr: int, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = min(_READ_CHUNK, size - len(data))
            data += b64decode(self.command(f"b64read {addr + len(data):#x} {chunk:#x}"))
        return bytes(data)

    def write(self, addr: int, data: bytes) -> None:
        for at in range(0, len(data), _WRITE_CHUNK):
            chunk = data[at : at + _WRITE_CHUNK]
            self.command(f"b64write {addr + at:#x} {len(chunk):#x} {b64encode(chunk).decode()}")

    def memset(self, addr: int, size: int, value: int) -> None:
        self.command(f"memset {addr:#x} {size:#x} {value:#x}")

    @property
    def clock(self) -> int:
        """Virtual time, ns."""
        return self._clock

    _clock = 0

    def clock_step(self, ns: int | None = None) -> int:
        """Advance by NS, or to the next timer; the new time."""
        self._clock = int(self.command(f"clock_step {ns}" if ns else "clock_step"))
        return self._clock

    def clock_set(self, ns: int) -> int:
        self._clock = int(self.command(f"clock_set {ns}"))
        return self._clock

    def intercept_out(self, path: str, name: str = "sysbus-irq") -> None:
        """Watch a device's outputs; one device per process. They no longer reach the GIC."""
        self.command(f"irq_intercept_out {path} {name}")

    def intercept_in(self, path: str) -> None:
        """Watch a device's inputs; one device per process."""
        self.command(f"irq_intercept_in {path}")

    def irq(self, number: int = 0) -> bool:
        """Level of a watched line; changes arrive with the answer to any command."""
        self.command("endianness")
        return self._irqs.get(number, False)

    def qom_get(self, path: str, name: str):
        return self.qmp.qom_get(path, name)

    def qom_set(self, path: str, name: str, value) -> None:
        self.qmp.qom_set(path, name, value)

    def screendump(self, path: Path, device: str | None = None) -> None:
        self.qmp.screendump(path, device)

    def save(self, path: Path) -> Snapshot:
        """Save the whole machine to a file, for `incoming` of another one."""
        self.qmp.migrate(f"file:{path}")
        return Snapshot(path, self._clock)

    @property
    def log(self) -> str:
        """What QEMU printed, guest errors included if started with -d guest_errors."""
        return self.process.log.read_text(errors="replace")
