# SPDX-License-Identifier: GPL-2.0-or-later
"""The KUnit tests of the drivers, run in a guest."""

import re

from harness.guest import Guest
from harness.paths import ROOT

SOURCE = ROOT / "kernel-drivers" / "buf" / "baton-buf-limits-test.c"
RESULTS = "/sys/kernel/debug/kunit/baton-buf-limits/results"


def expected_cases() -> dict[str, int]:
    """The cases of the source; how often each runs."""
    text = SOURCE.read_text()
    seeds = len(re.search(r"seeds\[\] = \{(.*?)\}", text)[1].split(","))
    return {name: seeds if kind else 1
            for kind, name in re.findall(r"KUNIT_CASE(_PARAM)?\((\w+)", text)}


def test_limits(guest: Guest):
    guest.run("modprobe kunit enable=1 autorun=1 && modprobe baton-buf-test", stall=120)
    text = guest.run(f"cat {RESULTS}").stdout
    cases = {name: 1 for name in re.findall(r"^    ok \d+ (\w+)$", text, re.MULTILINE)}
    for name, block in re.findall(r"        # Subtest: (\w+)\n((?:        .*\n)+)", text):
        cases[name] = len(re.findall(r"^        ok \d+ seed \d+$", block, re.MULTILINE))
    assert cases == expected_cases(), text
    assert "not ok" not in text and "SKIP" not in text
    assert re.search(r"^ok \d+ baton-buf-limits$", text, re.MULTILINE)
