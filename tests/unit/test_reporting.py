# SPDX-License-Identifier: GPL-2.0-or-later
"""Pass, fail and infrastructure error stay apart, whatever phase they come from."""

import sys

import pytest

from harness import paths
from harness.testrun import Counter

pytest_plugins = ["pytester"]

INNER_CONFTEST = f"""
import sys
sys.path.insert(0, {str(paths.ROOT / "tests")!r})
from harness import paths, plugin
from pathlib import Path
paths.ROOT = plugin.ROOT = Path(__file__).parent
plugin.OUT = plugin.ROOT / "out"
pytest_plugins = ["harness.plugin"]
"""


@pytest.fixture
def outcome(pytester: pytest.Pytester):
    """Run a test module of its own; what was counted."""
    pytester.makeconftest(INNER_CONFTEST)

    def run(source: str) -> tuple[Counter, pytest.RunResult]:
        pytester.makepyfile(source)
        counter = Counter()
        saved = {
            name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith("harness")
        }
        try:
            result = pytester.inline_run("-p", "no:cacheprovider", plugins=[counter])
        finally:
            sys.modules.update(saved)
        return counter, result

    return run


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("assert True", "1 passed, 0 failed"),
        ("assert False", "0 passed, 1 failed"),
        ("raise GuestError('splat')", "0 passed, 1 failed"),
        ("raise QemuError('crash')", "0 passed, 1 failed"),
        ("raise InfrastructureError('no QEMU')", "0 passed, 0 failed, 1 errors"),
        ("raise OSError(errno.ENOSPC, 'disk full')", "0 passed, 0 failed, 1 errors"),
        ("pytest.skip('not today')", "0 passed, 0 failed, 1 skipped"),
    ],
)
@pytest.mark.parametrize("phase", ["setup", "call"])
def test_counts(outcome, body, line, phase):
    if phase == "setup" and line.startswith("1"):
        source = "def test_it(): pass"
    elif phase == "setup":
        source = f"@pytest.fixture\ndef broken():\n    {body}\ndef test_it(broken): pass"
    else:
        source = f"def test_it():\n    {body}"
    imports = "import errno, pytest\nfrom harness.errors import *\n"
    counter, result = outcome(imports + source)
    assert counter.closing_line() == line
    assert (result.ret != 0) == ("1 passed" not in line and "skipped" not in line)


@pytest.mark.parametrize(("body", "line"), [
    ("assert False", "0 passed, 0 failed"),
    ("assert True", "0 passed, 1 failed"),
])
def test_expected_failure(outcome, body, line):
    """It is neither passed nor skipped; that it passes is a failure."""
    source = f"import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it():\n    {body}"
    counter, result = outcome(source)
    assert counter.closing_line() == line
    assert counter.count("skipped") == 0
    assert (result.ret != 0) == ("1 failed" in line)


def test_module_that_cannot_be_imported(outcome):
    counter, result = outcome("import no_such_module")
    assert counter.closing_line() == "0 passed, 0 failed, 1 errors"
    assert result.ret != 0


def test_artifacts_stay_only_after_a_failure(outcome, pytester):
    outcome("""
        def test_good(artifacts): (artifacts / "log").write_text("x")
        def test_bad(artifacts): (artifacts / "log").write_text("x"); assert False
    """)
    logs = [str(p.relative_to(pytester.path)) for p in pytester.path.glob("out/test/*/log")]
    assert len(logs) == 1
    assert "test_bad" in logs[0]
