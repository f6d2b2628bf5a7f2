# SPDX-License-Identifier: GPL-2.0-or-later
"""What the CPU witness is told, and what it says if that cannot be."""

import pytest

from harness.paths import built, dtb
from harness.process import refusal
from harness.qtest import machine_args
from harness.witness import PLUGIN

OUT, RAM = "out={}/cpu.bin", "ram=0x80000000+0x40000000"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([RAM], "needs out=FILE and ram=BASE+SIZE"),
        ([OUT], "needs out=FILE and ram=BASE+SIZE"),
        ([OUT, RAM, "speed=2"], "unknown argument 'speed=2'"),
        ([OUT, "ram=0x80000000"], "ram=0x80000000: not BASE+SIZE in whole pages"),
        ([OUT, "ram=0x80000000+0x10"], "not BASE+SIZE in whole pages"),
        ([OUT, "ram=0x80000000+ten"], "not BASE+SIZE in whole pages"),
        (["out={}/none/cpu.bin", RAM], "No such file or directory"),
        ([OUT, RAM, "clock={}/none/clock"], "No such file or directory"),
    ],
)
def test_wrong_arguments_are_refused_with_a_reason(tmp_path, arguments, why):
    plugin = ",".join([str(built(PLUGIN, "qemu")), *arguments]).format(tmp_path, tmp_path)
    status, message = refusal([*machine_args(dtb("baton")), "-display", "none", "-plugin", plugin])
    assert status != 0
    assert "baton-witness: " in message
    assert why in message
