# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine is what the tree says: addresses, interrupts, windows, slots."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import QemuError
from harness.qtest import QtestMachine, Snapshot
from harness.regs import camera as cam
from harness.regs import display as disp
from machine.tree import CAMERA, CAMERA_BUS, DISPLAY, GIC, UART, Tree

LOW = 0x8000_0000
HIGH = 0x8_8000_0000
GIB = 1 << 30
MIB = 1 << 20

Start = Callable[..., QtestMachine]
Range = tuple[int, int, int]

_ALIAS = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16}) .*alias (\S+) @(\S+) ([0-9a-f]{16})-")


def windows(machine: QtestMachine, name: str) -> list[Range]:
    """What bus master NAME reaches: (bus address, offset in RAM, size) of each window."""
    tree = machine.qmp.hmp("info mtree").replace("\r", "")
    space = next(part for part in tree.split("\n\n") if f"): {name}-dma\n" in part)
    found = []
    for start, end, _, region, offset in _ALIAS.findall(space):
        assert region == "baton.ram"
        found.append((int(start, 16), int(offset, 16), int(end, 16) + 1 - int(start, 16)))
    return sorted(found)


def engines(machine: QtestMachine) -> list[str]:
    children = machine.qmp.cmd("qom-list", path="/machine")
    return sorted(c["name"] for c in children
                  if c["type"] in ("child<baton-camera>", "child<baton-display>"))


CAMERA_WINDOWS = [(LOW, 0, GIB), (HIGH, GIB, GIB)]


@pytest.mark.parametrize(("name", "names", "display"), [
    ("baton", ["camera0", "display0"], GIB),
    ("baton-dual", ["camera0", "camera1", "display0", "display1"], GIB),
    ("baton-uni", ["camera0", "display0"], GIB),
    ("baton-window256", ["camera0", "display0"], 256 * MIB),
])
def test_variant(qtest: Start, name: str, names: list[str], display: int) -> None:
    machine = qtest(dtb=name)
    assert engines(machine) == names
    for engine in names:
        number = int(engine[-1])
        if engine.startswith("camera"):
            assert machine.readl(0x3000_0000 + 0x1_0000 * number) == cam.BATON_CAMERA_ID
            assert windows(machine, engine) == CAMERA_WINDOWS
        else:
            assert machine.readl(0x3100_0000 + 0x1_0000 * number) == disp.BATON_DISPLAY_ID
            assert windows(machine, engine) == [(0, 0, display)]
    assert len(machine.qmp.cmd("query-cpus-fast")) == (1 if name == "baton-uni" else 2)


def test_variant_of_displays_with_narrow_windows(qtest: Start) -> None:
    machine = qtest(dtb="baton-windows")
    assert engines(machine) == ["camera0", "display0", "display1", "display2"]
    assert windows(machine, "camera0") == CAMERA_WINDOWS
    assert windows(machine, "display0") == [(0, 0, GIB)]
    assert windows(machine, "display1") == [(0, 0, GIB // 2)]
    assert windows(machine, "display2") == [(0, GIB // 2, GIB // 2)]
    for base in (0x3100_0000, 0x3102_0000, 0x3103_0000):
        assert machine.readl(base) == disp.BATON_DISPLAY_ID


def test_banks_are_different_memory(qtest: Start) -> None:
    machine = qtest()
    machine.writeq(LOW + GIB - 8, 0x1111)
    machine.writeq(HIGH, 0x2222)
    machine.writeq(HIGH + GIB - 8, 0x3333)
    assert machine.readq(LOW + GIB - 8) == 0x1111
    assert machine.readq(HIGH) == 0x2222
    assert machine.readq(HIGH + GIB - 8) == 0x3333
    assert machine.readq(LOW) == int.from_bytes(machine.read(LOW, 8), "little")


def test_engine_moves_with_its_node(qtest: Start, artifacts: Path) -> None:
    tree = Tree().set(CAMERA, "reg", 0, 0x30fff000, 0, 0x1000).save(artifacts / "tree.dtb")
    machine = qtest(dtb=tree)
    assert machine.readl(0x30ff_f000) == cam.BATON_CAMERA_ID
    assert machine.readl(0x3000_0000) != cam.BATON_CAMERA_ID


def test_disabled_nodes_are_absent(qtest: Start, artifacts: Path) -> None:
    tree = Tree().set(DISPLAY, "status", "disabled").set(CAMERA_BUS, "status", "fail")
    tree.add("/monitor", compatible=("baton,monitor-1.0",), status=("disabled",))
    assert engines(qtest(dtb=tree.save(artifacts / "tree.dtb"))) == []


def test_alias_names_the_engine(qtest: Start, artifacts: Path) -> None:
    tree = Tree().delete("/aliases", "camera0").set("/aliases", "camera5", CAMERA)
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert engines(machine) == ["camera5", "display0"]


def test_engine_without_alias_has_its_nodes_name(qtest: Start, artifacts: Path) -> None:
    tree = Tree().delete("/aliases", "camera0")
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert engines(machine) == ["camera@30000000", "display0"]


def test_ranges_are_composed(qtest: Start, artifacts: Path) -> None:
    """A camera two buses down, on one that shows devices and DRAM elsewhere."""
    soc_dma = (0, 0x1000_0000, 0, LOW, 0, 0x2000_0000,     # 512 MiB of the low bank
               0x1, 0, 0x8, 0x8000_0000, 0, GIB)           # all of the high bank
    bus_dma = (0, 0, 0, 0x1800_0000, 0, 0x0100_0000,
               0, 0x4000_0000, 0x1, 0x2000_0000, 0, 0x0200_0000)
    tree = Tree().set(DISPLAY, "status", "disabled").set("/soc", "dma-ranges", *soc_dma)
    tree.set(CAMERA_BUS, "ranges", 0, 0, 0, 0x3000_0000, 0, 0x100_0000)
    tree.set(CAMERA_BUS, "dma-ranges", *bus_dma)
    tree.set(CAMERA, "reg", 0, 0x4000, 0, 0x1000)
    tree.set("/soc/display-bus@31000000", "status", "disabled")
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert machine.readl(0x3000_4000) == cam.BATON_CAMERA_ID
    assert windows(machine, "camera0") == [(0, 0x0800_0000, 0x0100_0000),
                                           (0x4000_0000, GIB + 0x2000_0000, 0x0200_0000)]


def test_interrupt_is_wired_by_the_node(qtest: Start, artifacts: Path) -> None:
    tree = Tree().set(UART, "interrupts", 0, 77, 4).save(artifacts / "tree.dtb")
    machine = qtest(dtb=tree)
    machine.intercept_in("/machine/gic")
    machine.writel(0x1c09_0030, 0x301)      # UARTCR: transmitter on
    machine.writel(0x1c09_0038, 0x20)       # UARTIMSC: transmit interrupt
    assert not machine.irq(77)
    machine.writel(0x1c09_0000, ord("x"))
    assert machine.irq(77)
    machine.writel(0x1c09_0044, 0x20)       # UARTICR
    assert not machine.irq(77)


def test_console_follows_its_alias(qtest: Start, artifacts: Path) -> None:
    log = artifacts / "serial.log"
    for number, expected in ((0, b"A"), (1, b"")):
        tree = Tree().delete("/aliases", "serial0").set("/aliases", f"serial{number}", UART)
        machine = qtest(dtb=tree.save(artifacts / "tree.dtb"), args=["-serial", f"file:{log}"])
        machine.writel(0x1c09_0030, 0x301)
        machine.writel(0x1c09_0000, ord("A"))
        assert log.read_bytes() == expected


def test_gic_is_where_its_node_says(qtest: Start, artifacts: Path) -> None:
    tree = Tree().set(GIC, "reg", 0, 0x2e00_0000, 0, 0x10000, 0, 0x2e10_0000, 0, 0x40000)
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert machine.readl(0x2e00_ffe8) >> 4 & 15 == 3        # GICD_PIDR2.ArchRev
    assert machine.readl(0x2e10_ffe8) >> 4 & 15 == 3        # GICR_PIDR2.ArchRev
    assert machine.readl(0x2e12_000c) == 1                  # GICR_TYPER of CPU 1: affinity
    assert machine.readl(0x2e12_0008) & 0x10                # ... and Last


def test_watchdog_frames(qtest: Start) -> None:
    """Control comes first in the binding: WOR sticks there, WRR reads as zero."""
    machine = qtest()
    machine.writel(0x2a44_0008, 0x1234)
    assert machine.readl(0x2a44_0008) == 0x1234
    assert machine.readl(0x2a45_0000) == 0


def test_watchdog_resets(qtest: Start) -> None:
    machine = qtest()
    machine.writel(0x2a44_0008, 62_500)     # one stage of 1 ms
    machine.writel(0x2a44_0000, 1)
    machine.clock_step(900_000)
    assert machine.readl(0x2a44_0000) == 1  # enabled
    machine.clock_step(200_000)
    assert machine.readl(0x2a44_0000) == 3  # first signal
    machine.clock_step(1_000_000)
    assert machine.qmp.wait_event("WATCHDOG")["data"]["action"] == "reset"


def test_virtio_slots(qtest: Start) -> None:
    """Modern transports; the first -device gets the first slot."""
    machine = qtest(args=["-device", "virtio-rng-device", "-device", "virtio-serial-device"])
    slots = [0x1c20_0000 + 0x200 * n for n in range(8)]
    assert [machine.readl(slot) for slot in slots] == [0x7472_6976] * 8    # "virt"
    assert [machine.readl(slot + 4) for slot in slots] == [2] * 8          # modern
    assert [machine.readl(slot + 8) for slot in slots] == [4, 3] + [0] * 6


def test_nic(qtest: Start) -> None:
    machine = qtest(args=["-nic", "user", "-device", "virtio-rng-device"])
    assert [machine.readl(0x1c20_0008 + 0x200 * n) for n in range(3)] == [1, 4, 0]


def test_migration(qtest: Start, artifacts: Path) -> None:
    """Everything but the engines, which have tests of their own."""
    machine = qtest(dtb="baton-dual")
    machine.write(HIGH + 4096, bytes(range(256)))
    machine.writel(0x1c09_0024, 0x1a)       # UARTIBRD
    machine.writel(0x1c1d_0400, 0x55)       # GPIODIR
    machine.writel(0x2a44_0008, 0x4321)
    snapshot = machine.save(artifacts / "state")
    other = qtest(dtb="baton-dual", incoming=snapshot)
    assert other.read(HIGH + 4096, 256) == bytes(range(256))
    assert other.readl(0x1c09_0024) == 0x1a
    assert other.readl(0x1c1d_0400) == 0x55
    assert other.readl(0x2a44_0008) == 0x4321


def test_snapshot_that_cannot_be_loaded(artifacts: Path) -> None:
    """QEMU refuses it, and no QEMU is left behind."""
    (artifacts / "state").write_bytes(b"no snapshot")
    machine = QtestMachine(incoming=Snapshot(artifacts / "state", 0))
    with pytest.raises(QemuError, match="migrat"), machine:
        pass
    assert not machine.process.alive()


def test_disabled_cpu(qtest: Start, artifacts: Path) -> None:
    """-smp counts as the machine does."""
    tree = Tree().set("/cpus/cpu@1", "status", "disabled")
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert len(machine.qmp.cmd("query-cpus-fast")) == 1


def test_tree_for_the_guest(qtest: Start, artifacts: Path) -> None:
    """Linux gets the same tree; the second bank is not lost on the way."""
    machine = qtest()
    machine.qmp.cmd("dumpdtb", filename=str(artifacts / "guest.dtb"))
    guest, ours = Tree(artifacts / "guest.dtb"), Tree()
    assert guest.get("/memory@80000000", "reg") == ours.get("/memory@80000000", "reg")
    assert guest.get("/psci", "method") == b"hvc\0"
    for path in ("/", "/soc", CAMERA, DISPLAY, CAMERA_BUS, GIC, "/timer", "/aliases"):
        assert guest.properties(path) == ours.properties(path)


def test_banks_as_two_nodes(qtest: Start, artifacts: Path) -> None:
    tree = Tree().set("/memory@80000000", "reg", 0, LOW, 0, GIB)
    tree.add("/memory@880000000", device_type=("memory",), reg=(8, LOW, 0, GIB))
    machine = qtest(dtb=tree.save(artifacts / "tree.dtb"))
    assert windows(machine, "camera0") == CAMERA_WINDOWS
    machine.qmp.cmd("dumpdtb", filename=str(artifacts / "guest.dtb"))
    guest = Tree(artifacts / "guest.dtb")
    assert len(guest.get("/memory@80000000", "reg")) == 32
