# SPDX-License-Identifier: GPL-2.0-or-later
"""A pytest plugin that writes to $BATON_RECORD what became of each test, and in which phase."""

import json
import os
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed or call.when == "call":
        lines = report.longreprtext.strip().splitlines() or [""]
        record = {
            "test": report.nodeid,
            "outcome": report.outcome,
            "phase": call.when,  # report.when has been changed to tell failures from errors
            "host": report.failed and report.when == "setup",
            "clauses": [value for key, value in item.user_properties if key == "clause"],
            "message": str(call.excinfo.value).strip().splitlines()[:1] if call.excinfo else [],
            "at": lines[-1],
        }
        with Path(os.environ["BATON_RECORD"]).open("a") as file:
            print(json.dumps(record), file=file)
    return report
