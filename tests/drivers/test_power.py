# SPDX-License-Identifier: GPL-2.0-or-later
"""Suspend with a pipeline running; the engines lose power and with it all registers."""

from harness import pipeline
from harness.polling import until
from harness.regs import regs

from .conftest import CAMERA0, DISPLAY0

FRAMES = 240
LOG = "/sys/kernel/debug/baton-camera.0/frames"
RATES = "/sys/kernel/debug/baton-camera.0/dma_rate /sys/kernel/debug/dri/0/dma_rate"
WAITING = r"suspend debug: Waiting for \d+ second"


def cut_power(guest, registers) -> None:
    """While the machine stands still, for a loaded host must not be too late."""
    guest.qmp.cmd("stop")
    for base, ctrl, reset, enable in (
        (CAMERA0, regs.CAM_CTRL, regs.CAM_CTRL.RESET, regs.CAM_CTRL.ENABLE),
        (DISPLAY0, regs.DISP_CTRL, regs.DISP_CTRL.RESET, regs.DISP_CTRL.ENABLE),
    ):
        assert not registers.read(ctrl, base) & enable, "not suspended"
        registers(ctrl, reset, base)
    assert not registers.read(regs.CAM_IRQ_ENABLE, CAMERA0)
    assert not registers.read(regs.DISP_IRQ_ENABLE, DISPLAY0)
    guest.qmp.cmd("cont")


def test_pipeline_goes_on_after_a_power_cut(poke):
    guest, registers = poke
    guest.run(f"for rate in {RATES}; do echo 4000 >$rate; done")
    command = pipeline.start(
        guest, ["--pattern", "--size", "640x480", "--hash", "--frames", str(FRAMES)]
    )
    until(lambda: int(guest.run(f"wc -l <{LOG}").stdout), lambda frames: frames > 20, "frames")
    start = len(guest.console.lines)
    freeze = guest.spawn(
        "echo 5 >/sys/module/suspend/parameters/pm_test_delay &&"
        "echo devices >/sys/power/pm_test && echo freeze >/sys/power/state"
    )
    guest.console.wait(WAITING, start)
    cut_power(guest, registers)
    assert freeze.wait().status == 0
    seen = int(guest.run(f"tail -n 1 {LOG}").stdout.split()[0].removeprefix("seq="))
    assert guest.run(f"cat {RATES}").stdout.split() == ["4000"] * 2

    frames = pipeline.report(guest, command)["frames"]
    assert len(frames) == FRAMES
    assert not any(frame["error"] for frame in frames)
    later = [f for f in frames if f["sequence"] > seen and f["shown_frame"] is not None]
    assert len(later) > FRAMES // 4
    assert all(f["camera_hash"] and f["camera_hash"] == f["display_hash"] for f in later)
    assert len({f["camera_hash"] for f in later}) == len(later)
