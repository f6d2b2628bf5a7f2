# SPDX-License-Identifier: GPL-2.0-or-later
"""-trace 'baton_*' tells of what the engines do, with the numbers that the guest sees."""

import re

from harness.regs import display as regs
from model.camera import XRGB8888, Camera
from model.display import Buffer, Display, Mode


def test_frames_of_both_engines(qtest, artifacts):
    log = artifacts / "trace.log"
    m = qtest(args=["-trace", "baton_*", "-D", str(log)])
    camera, display = Camera(m), Display(m)
    camera.setup(64, 64, XRGB8888)
    for number in range(2):
        camera.queue(camera.buffer(number))
    camera.enable()
    m.clock_step(100_000_000)
    display.set_mode(Mode(64, 64))
    display.show(0, Buffer.noise("XR24", 64, 64, seed=1))
    display.enable(regs.DISP_CTRL.HASH)
    display.frame()
    display.show(0, Buffer.noise("XR24", 64, 64, seed=2))
    display.commit()
    display.frame()
    display.frame()
    m.close()
    told = log.read_text()
    for event in ("frame_start", "frame_end"):
        numbers = re.findall(rf"^baton_camera_{event} camera0: frame (\d+)", told, re.M)
        assert len(set(numbers)) == len(numbers) == 2
    assert re.search("^baton_camera_write camera0: ", told, re.M)
    for event in ("vblank", "latch", "frame_done"):
        assert re.search(rf"^baton_display_{event} display0: frame \d+", told, re.M), event
    assert re.search("^baton_dma camera0: ", told, re.M)
    assert re.search("^baton_dma display0: ", told, re.M)
