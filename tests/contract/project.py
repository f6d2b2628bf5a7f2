# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's buffers: where they are, and devices that reach some of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.guest import Guest
from harness.polling import until

from .dmabuf import Dmabuf
from .exporters import Exporter
from .probe import Attachment, Device, Mapping, Probe

_BUFFERS = "/sys/kernel/debug/baton-buf/buffers"
_FAULTS = "/sys/kernel/debug/baton-buf-fail"
_PARAMETERS = "/sys/module/baton_buf/parameters"

# Exporters whose buffers can be in the upper bank, and in pieces: not what the display reads.
ANYWHERE = ("baton", "camera")

LOW = range(0x8000_0000, 0xC000_0000)
HIGH = range(0x8_8000_0000, 0x8_C000_0000)
LOWER, UPPER = range(LOW.start, 0xA000_0000), range(0xA000_0000, LOW.stop)
# Where the buffers of an exporter begin, and where else they can be.
HOME = {"baton": HIGH, "camera": HIGH, "display": UPPER}
AWAY = {"baton": LOW, "camera": LOW, "display": LOWER}
LOW_WINDOW = (LOW.start, 0, 1 << 30)  # as the display's
UINT_MAX = (1 << 32) - 1
HIGH_WINDOW = (HIGH.start, HIGH.start, 1 << 30)


@dataclass(frozen=True)
class State:
    """A buffer of the core as debugfs shows it."""

    storage: str
    generation: int
    pieces: int
    pins: int
    vmaps: int
    maps: int  # of all attachments
    devices: tuple[str, ...]
    start: int

    @property
    def place(self) -> tuple[int, int, int]:
        """What changes when it moves."""
        return self.generation, self.pieces, self.start


def states(guest: Guest) -> list[State]:
    text = guest.run(f"cat {_BUFFERS}").stdout
    found = []
    for block in re.split(r"^(?=buffer=)", text, flags=re.MULTILINE)[1:]:
        fields = dict(word.split("=") for word in block.splitlines()[0].split())
        users = re.findall(r"attachment dev=(\S+) maps=(\d+)", block)
        start = re.search(r"piece start=(\S+)", block)
        found.append(State(fields["storage"], *(int(fields[key]) for key in (
            "generation", "pieces", "pins", "vmaps")), sum(int(maps) for _, maps in users),
            tuple(dev for dev, _ in users), int(start[1], 16) if start else 0))
    return found


def state(guest: Guest, start: int | None = None) -> State:
    """Of the buffer that starts there, or of the only one."""
    found = [s for s in states(guest) if start in (None, s.start)]
    assert len(found) == 1, found
    return found[0]


def set_parameter(guest: Guest, name: str, value: int) -> None:
    """Of the module baton-buf."""
    guest.run(f"echo {value} >{_PARAMETERS}/{name}")


@contextmanager
def scattered(guest: Guest) -> Iterator[None]:
    """No two pages of new scattered storage are neighbours."""
    set_parameter(guest, "scatter", 1)
    yield
    set_parameter(guest, "scatter", 0)


@contextmanager
def no_storage(guest: Guest) -> Iterator[None]:
    """The core allocates none."""
    guest.run(f"cd {_FAULTS} && echo -1 >times && echo 0 >verbose && echo 100 >probability")
    yield
    guest.run(f"echo 0 >{_FAULTS}/probability")


def wide(probe: Probe) -> Device:
    """Reaches all memory, takes any number of pieces."""
    return probe.device()


def low(probe: Probe, memory: range = LOW) -> Device:
    """Reaches the low bank or a part of it, takes one piece."""
    return probe.device(mask=(1 << 32) - 1, windows=[(memory.start, 0, len(memory))],
                        max_segments=1, max_segment=UINT_MAX)


def low_in_pieces(probe: Probe) -> Device:
    """Reaches the low bank, takes any number of pieces."""
    return probe.device(mask=(1 << 32) - 1, windows=[LOW_WINDOW])


def high(probe: Probe, memory: range = HIGH) -> Device:
    """Reaches the upper bank, or other memory at its own addresses."""
    return probe.device(windows=[(memory.start, memory.start, len(memory))])


def home(probe: Probe, exporter: Exporter) -> Device:
    """Reaches only where buffers of the exporter begin."""
    return high(probe, HOME[exporter.name])


def away(probe: Probe, exporter: Exporter) -> Device:
    """Reaches only where buffers of the exporter can move to; takes one piece."""
    return low(probe, AWAY[exporter.name])


def filled(probe: Probe, fd: int, seed: int, size: int) -> tuple[Attachment, Mapping]:
    """A dynamic importer that has written to the buffer, which is where it began."""
    attachment = probe.buffer(fd).attach(wide(probe), dynamic=True)
    mapping = attachment.map()
    mapping.fill(seed, size)
    return attachment, mapping


@contextmanager
def held(probe: Probe, fd: int) -> Iterator[None]:
    """A static importer keeps the storage where it is."""
    attachment = probe.buffer(fd).attach(wide(probe))
    mapping = attachment.map()
    yield
    mapping.unmap()
    attachment.detach()


def inside(mapping: Mapping, bank: range) -> bool:
    return all(cpu in bank and cpu + size - 1 in bank for cpu, size in mapping.runs)


def wait_until_given_back(dmabuf: Dmabuf) -> None:
    """Until no buffer is left: workers give back some of what a process held."""
    until(lambda: dmabuf.bufinfo() + states(dmabuf.guest), lambda left: not left,
          "the last buffer's end")


def throw_away(boot: Callable[..., Guest]) -> tuple[Guest, Probe]:
    """A guest for a test after which the kernel is of no more use."""
    guest = boot()
    return guest, Probe(Dmabuf(guest))


@contextmanager
def expect_bug(guest: Guest, function: str) -> Iterator[None]:
    """A BUG() there. What the kernel is after it nobody asks."""
    with guest.expect_splat(rf"{function}|ct_kernel_exit"):
        yield
        guest.console.wait(rf"pc : {function}\+.*\n")  # the whole line: a splat is made of such
        guest.process.close()


def lockdep(kernel_config: set[str]) -> bool:
    """Whether the kernel checks that locks are held."""
    return "CONFIG_PROVE_LOCKING=y" in kernel_config
