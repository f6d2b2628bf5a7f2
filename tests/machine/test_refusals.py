# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree the machine cannot be built from is refused in one line that says why."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.paths import dtb
from harness.process import refusal
from machine.tree import CAMERA, CAMERA_BUS, DISPLAY, DISPLAY_BUS, GIC, GPIO, RTC, Tree

GIB = 1 << 30
KEY = "/gpio-keys/key-power"


def check(args: list[str], *words: str, memory: str = "2048M", cpus: int = 2) -> None:
    size = ["-m", memory, "-smp", str(cpus)]
    status, message = refusal([*size, "-display", "none", "-S", *args])
    assert status == 1, message
    assert len(message.splitlines()) == 1, message
    assert message.startswith("qemu-system-aarch64: ")
    for word in words:
        assert word in message


def low(base: int, size: int) -> tuple[int, ...]:
    return 0, base, 0, size


Edit = Callable[[Tree], Tree]

# What is changed, and the node and property the refusal must name.
CONTRADICTIONS: dict[str, tuple[Edit, str, str]] = {
    "other board": (lambda t: t.set("/", "compatible", "linux,dummy-virt"), "/", "compatible"),
    "root cells": (lambda t: t.set("/", "#address-cells", 1), "/", "#address-cells"),
    "long cells": (lambda t: t.set("/", "#size-cells", 0, 2), "/", "#size-cells"),
    # Memory
    "no memory": (lambda t: t.delete("/memory@80000000"), "/", "memory@"),
    "short memory": (lambda t: t.set("/memory@80000000", "reg", 0, 0x80000000, 0),
                     "/memory@80000000", "reg"),
    "empty bank": (lambda t: t.set("/memory@80000000", "reg", *low(0x80000000, 0)),
                   "/memory@80000000", "reg"),
    "odd bank": (lambda t: t.set("/memory@80000000", "reg", *low(0x80000000, 0x1000)),
                 "/memory@80000000", "reg"),
    "far bank": (lambda t: t.set("/memory@80000000", "reg", 0xffffffff, 0xfff00000, 1, 0),
                 "/memory@80000000", "reg"),
    "banks overlap": (lambda t: t.set("/memory@80000000", "reg", *low(0x80000000, GIB),
                                      *low(0xb0000000, GIB)), "/memory@80000000", "reg"),
    "bank over bank": (lambda t: t.add("/memory@90000000", device_type=("memory",),
                                       reg=low(0x90000000, GIB)), "/memory@", "reg"),
    "memory by another name": (lambda t: t.add("/ram@a00000000", device_type=("memory",),
                                               reg=(0xa, 0, 0, GIB)),
                               "/ram@a00000000", "device_type"),
    # CPUs
    "no cpus": (lambda t: t.delete("/cpus"), "/", "cpus"),
    "no cpu": (lambda t: t.delete("/cpus/cpu@1").delete("/cpus/cpu@0"), "/cpus", "cpu@0"),
    "unknown cpu": (lambda t: t.set("/cpus/cpu@0", "compatible", "arm,cortex-x99"),
                    "/cpus/cpu@0", "compatible"),
    "mixed cpus": (lambda t: t.set("/cpus/cpu@1", "compatible", "arm,cortex-a72"),
                   "/cpus/cpu@1", "compatible"),
    "cpu affinity": (lambda t: t.set("/cpus/cpu@1", "reg", 0x100), "/cpus/cpu@1", "reg"),
    "cpu without reg": (lambda t: t.delete("/cpus/cpu@1", "reg"), "/cpus/cpu@1", "reg"),
    "spin table": (lambda t: t.set("/cpus/cpu@1", "enable-method", "spin-table"),
                   "/cpus/cpu@1", "enable-method"),
    # What is fixed in code
    "no timer": (lambda t: t.delete("/timer"), "/", "timer"),
    "timer interrupt": (lambda t: t.set("/timer", "interrupts", 1, 13, 4, 1, 14, 4, 1, 12, 4,
                                        1, 10, 4), "/timer", "interrupts"),
    "timer frequency": (lambda t: t.set("/timer", "clock-frequency", 24000000),
                        "/timer", "clock-frequency"),
    "pmu interrupt": (lambda t: t.set("/pmu", "interrupts", 1, 8, 4), "/pmu", "interrupts"),
    "other pmu": (lambda t: t.set("/pmu", "compatible", "arm,cortex-a53-pmu"),
                  "/pmu", "compatible"),
    "no psci": (lambda t: t.delete("/psci"), "/", "psci"),
    "psci by smc": (lambda t: t.set("/psci", "method", "smc"), "/psci", "method"),
    "no gic": (lambda t: t.set(GIC, "compatible", "arm,gic-400"), "/", "interrupt-controller"),
    "gic off": (lambda t: t.set(GIC, "status", "disabled"), GIC, "status"),
    "few redistributors": (lambda t: t.set(GIC, "reg", *low(0x2f000000, 0x10000),
                                           *low(0x2f100000, 0x20000)), GIC, "reg"),
    "interrupt cells": (lambda t: t.set(GIC, "#interrupt-cells", 2), GIC, "#interrupt-cells"),
    # Devices
    "unknown device": (lambda t: t.set(CAMERA, "compatible", "baton,camera-9.0"),
                       CAMERA, "compatible"),
    "unknown bus": (lambda t: t.add("/engines", compatible=("baton,engines-1.0",)),
                    "/engines", "compatible"),
    "second monitor": (lambda t: t.add("/soc/bus-monitor@32010000",
                                       compatible=("baton,monitor-1.0",),
                                       reg=low(0x32010000, 0x1000)),
                       "/soc/bus-monitor@320", "compatible"),
    "device in a device": (lambda t: t.add(f"{CAMERA}/twin", compatible=("baton,camera-1.0",)),
                           f"{CAMERA}/twin", "compatible"),
    "no reg": (lambda t: t.delete(CAMERA, "reg"), CAMERA, "reg"),
    "short reg": (lambda t: t.set(DISPLAY, "reg", 0x31000000, 0x800), DISPLAY, "reg"),
    "cut reg": (lambda t: t.set(CAMERA, "reg", 0, 0x30000000, 0), CAMERA, "reg"),
    "two regs": (lambda t: t.set(RTC, "reg", *low(0x1c170000, 0x1000),
                                 *low(0x1c180000, 0x1000)), RTC, "reg"),
    "reg over reg": (lambda t: t.set(RTC, "reg", *low(0x1c090800, 0x1000)), RTC, "reg"),
    "reg over gic": (lambda t: t.set(RTC, "reg", *low(0x2f000000, 0x1000)), GIC, "reg"),
    "reg over memory": (lambda t: t.set(RTC, "reg", *low(0x80000000, 0x1000)), RTC, "reg"),
    "reg outside the bus": (lambda t: t.set(CAMERA, "reg", *low(0x32000000, 0x1000)),
                            CAMERA, "reg"),
    "reg across the bus's end": (lambda t: t.set(CAMERA, "reg", *low(0x30fff800, 0x1000)),
                                 CAMERA, "reg"),
    "no interrupt": (lambda t: t.delete(DISPLAY, "interrupts"), DISPLAY, "interrupts"),
    "no such interrupt": (lambda t: t.set(DISPLAY, "interrupts", 0, 224, 4),
                          DISPLAY, "interrupts"),
    "private interrupt": (lambda t: t.set(DISPLAY, "interrupts", 1, 9, 4), DISPLAY, "interrupts"),
    "interrupt trigger": (lambda t: t.set(DISPLAY, "interrupts", 0, 40, 2),
                          DISPLAY, "interrupts"),
    "shared interrupt": (lambda t: t.set(DISPLAY, "interrupts", 0, 32, 4), DISPLAY, "interrupts"),
    "interrupt elsewhere": (lambda t: t.set(CAMERA, "interrupt-parent", t.phandle(GPIO)),
                            CAMERA, "interrupt-parent"),
    "power key's pin": (lambda t: t.set(KEY, "gpios", t.phandle(GPIO), 8, 0), KEY, "gpios"),
    "power key's gpio": (lambda t: t.set(KEY, "gpios", t.phandle(GIC), 3, 0), KEY, "gpios"),
    # Buses
    "bus cells": (lambda t: t.set(CAMERA_BUS, "#address-cells", 3),
                  CAMERA_BUS, "#address-cells"),
    "no bus cells": (lambda t: t.delete(CAMERA_BUS, "#size-cells"), CAMERA_BUS, "#size-cells"),
    "no ranges": (lambda t: t.delete(DISPLAY_BUS, "ranges"), DISPLAY_BUS, "ranges"),
    "cut ranges": (lambda t: t.set(DISPLAY_BUS, "ranges", 0x31000000, 0), DISPLAY_BUS, "ranges"),
    "ranges too far": (lambda t: t.set(DISPLAY_BUS, "ranges", 0x31000000, 0x100, 0x31000000, 1),
                       DISPLAY_BUS, "ranges"),
    # What masters reach
    "no dma-ranges": (lambda t: t.delete(CAMERA_BUS, "dma-ranges"), CAMERA_BUS, "dma-ranges"),
    "no dma-ranges above": (lambda t: t.delete("/soc", "dma-ranges"), "/soc/", "dma-ranges"),
    "cut dma-ranges": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x80000000),
                       DISPLAY_BUS, "dma-ranges"),
    "dma below memory": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x7ff00000, 0x100000),
                         DISPLAY_BUS, "dma-ranges"),
    "dma across memory's end": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x80000000,
                                                0x40001000), DISPLAY_BUS, "dma-ranges"),
    "dma to devices": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x30000000, 0x1000),
                       DISPLAY_BUS, "dma-ranges"),
    "empty dma window": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x80000000, 0),
                         DISPLAY_BUS, "dma-ranges"),
    "dma windows overlap": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0, 0, 0x80000000, 0x2000,
                                            0x1000, 0, 0x90000000, 0x1000),
                            DISPLAY_BUS, "dma-ranges"),
    "dma window past 32 bits": (lambda t: t.set(DISPLAY_BUS, "dma-ranges", 0xfffff000, 0,
                                                0x80000000, 0x2000), DISPLAY_BUS, "dma-ranges"),
    "dma window past 64 bits": (lambda t: t.set(CAMERA_BUS, "dma-ranges", 0xffffffff, 0xfffff000,
                                                0, 0x80000000, 0, 0x1000),
                                CAMERA_BUS, "dma-ranges"),
    "dma beyond the parent": (lambda t: t.set("/soc", "dma-ranges", *low(0, 0x80000000)[:2], 0,
                                              0x80000000, 0, 0x1000), CAMERA_BUS, "dma-ranges"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_contradiction(case: tuple[Edit, str, str], artifacts: Path) -> None:
    edit, node, name = case
    tree = edit(Tree()).save(artifacts / "tree.dtb")
    check(["-M", "baton", "-dtb", str(tree)], f"device tree: {node}", f": {name}")


def test_nine_cpus(artifacts: Path) -> None:
    tree = Tree()
    for n in range(2, 9):
        tree.add(f"/cpus/cpu@{n}", device_type=("cpu",), compatible=("arm,cortex-a57",),
                 reg=(n,), **{"enable-method": ("psci",)})
    check(["-M", "baton", "-dtb", str(tree.save(artifacts / "tree.dtb"))], "/cpus/cpu@", "reg")


def test_deep_tree(artifacts: Path) -> None:
    tree, path = Tree(), ""
    for _ in range(20):
        path += "/n"
        tree.add(path)
    check(["-M", "baton", "-dtb", str(tree.save(artifacts / "tree.dtb"))], "/n/n/n", "path")


def test_more_masters_than_the_monitor_has_ports(artifacts: Path) -> None:
    tree = Tree()
    for n in range(2, 17):
        base = 0x30000000 + (n << 16)
        tree.add(f"{CAMERA_BUS}/camera@{base:x}", compatible=("baton,camera-1.0",),
                 reg=low(base, 0x1000), interrupts=(0, 48 + n, 4))
    check(["-M", "baton", "-dtb", str(tree.save(artifacts / "tree.dtb"))],
          "monitor0 (/soc/bus-monitor@32000000)", "17 bus masters", "at most 16")


@pytest.mark.parametrize("option", ["log", "clock"])
def test_monitor_file_that_cannot_be_made(option: str) -> None:
    check(["-M", f"baton,monitor0-{option}=/nonexistent/file", "-dtb", str(dtb("baton"))],
          "monitor0", "/nonexistent/file", "No such file")


@pytest.mark.parametrize("damage", [
    pytest.param(lambda data: b"", id="empty"),
    pytest.param(lambda data: data[:20], id="header"),
    pytest.param(lambda data: data[:len(data) // 2], id="truncated"),
    pytest.param(lambda data: data[:-1], id="last-byte"),
    pytest.param(lambda data: b"/dts-v1/;\n" + data, id="source"),
    pytest.param(lambda data: data + bytes(2 << 20), id="huge"),
])
def test_damaged_file(damage: Callable[[bytes], bytes], artifacts: Path) -> None:
    file = artifacts / "tree.dtb"
    file.write_bytes(damage(dtb("baton").read_bytes()))
    check(["-M", "baton", "-dtb", str(file)], str(file), "truncated or corrupt")


def test_no_tree() -> None:
    check(["-M", "baton"], "-dtb", "missing")


def test_missing_file() -> None:
    check(["-M", "baton", "-dtb", "/nonexistent.dtb"], "/nonexistent.dtb")


@pytest.mark.parametrize(("option", "words"), [
    ({"memory": "1G"}, ("-m", "use -m 2048M")),
    ({"cpus": 1}, ("-smp", "use -smp 2")),
    ({"cpus": 3}, ("-smp", "use -smp 2")),
])
def test_other_size(option: dict, words: tuple[str, ...]) -> None:
    check(["-M", "baton", "-dtb", str(dtb("baton"))], *words, **option)


def test_other_cpu() -> None:
    check(["-M", "baton", "-cpu", "max", "-dtb", str(dtb("baton"))], "use -cpu cortex-a57")


@pytest.mark.parametrize("name", ["camera7-file", "camera1-loop", "display1-xres"])
def test_property_of_an_absent_engine(name: str) -> None:
    check(["-M", f"baton,{name}=1", "-dtb", str(dtb("baton"))], name, name.partition("-")[0])


def test_bad_property_value() -> None:
    check(["-M", "baton,camera0-loop=maybe", "-dtb", str(dtb("baton"))], "camera0", "loop")
