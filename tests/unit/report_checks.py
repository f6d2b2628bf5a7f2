# SPDX-License-Identifier: GPL-2.0-or-later
"""What report.html and trace.json must be, from a made-up run or a real one."""

import subprocess
from pathlib import Path


def browse(page: Path, *options: str) -> str:
    return subprocess.run(
        [
            "chromium-headless-shell",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1200,1600",
            *options,
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def assert_well_formed(events: list[dict]) -> None:
    """Trace event format: complete fields, tracks with names, spans that nest."""
    named = {(e["pid"], e["tid"], e["name"]) for e in events if e["ph"] == "M"}
    open_ends: dict[tuple[int, int], list[float]] = {}
    timed = [e for e in events if e["ph"] != "M"]
    for event in sorted(timed, key=lambda e: (e["ts"], -e.get("dur", 0))):
        track = event["pid"], event["tid"]
        assert (event["pid"], 0, "process_name") in named
        assert (*track, "thread_name") in named
        assert event["ph"] in ("X", "i")
        assert event["name"]
        assert event["ts"] >= 0
        if event["ph"] == "i":
            assert event["s"] == "t"
            continue
        ends, end = open_ends.setdefault(track, []), event["ts"] + event["dur"]
        assert event["dur"] >= 0
        while ends and ends[-1] <= event["ts"] + 0.0005:
            ends.pop()
        assert not ends or end <= ends[-1] + 0.0005
        ends.append(end)
