# SPDX-License-Identifier: GPL-2.0-or-later
"""The contract's clauses and their reasons."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from contract import table
from contract.clauses import CONTRACT, COUNT, PATH, PROJECT, load
from contract.kernel import is_one_of, kernel_name
from contract.mutants.mutant import read, read_all
from contract.report import clauses_of, exporter_of
from harness import paths
from harness.errors import InfrastructureError

SOURCES = sorted((paths.ROOT / "tests" / "contract").glob("test_*.py"))


def test_all_clauses_are_there():
    assert len(CONTRACT.clauses) == COUNT
    for clause in CONTRACT:
        assert clause.text and clause.expected, clause.id


@pytest.mark.parametrize(("change", "complaint"), [
    (('id = "EXP-02"', 'id = "EXP-01"'), "120"),
    (('id = "EXP-03"', 'id = "XYZ-03"'), "XYZ"),
    (("seed = [2, 9]", "seed = [2]"), "S9"),
    (('kernels = ["6.12-static"]', 'kernels = ["6.13"]'), "6.13"),
    (('"7.2" = ', '"7.3" = '), "7.3"),
    (('clauses = ["EXP-02"]', 'clauses = ["EXP-12"]'), "EXP-12"),
])
def test_a_wrong_file_is_refused(tmp_path, change, complaint):
    path = tmp_path / "clauses.toml"
    path.write_text(PATH.read_text().replace(*change))
    with pytest.raises(ValueError, match=complaint):
        load(path)


def test_every_clause_has_a_test_or_a_reason():
    tested = set()
    for source in SOURCES:
        tested |= set(re.findall(r'"([A-Z0-9]{3}-\d\d)"', source.read_text()))
    assert tested <= set(CONTRACT.clauses)
    exempt = {clause.id for clause in CONTRACT if clause.not_applicable}
    assert set(CONTRACT.clauses) - tested - exempt == set()


class Collected:
    """A pytest plugin that gathers what is tested: clauses, by exporter."""

    def __init__(self):
        self.cells: set[tuple[str, str]] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.cells |= {(id_, exporter_of(item)) for item in items
                       for id_ in clauses_of(item)}


def test_every_exporter_of_the_project_has_a_test_or_a_reason():
    collected = Collected()
    assert pytest.main(["--collect-only", "-qq", str(PATH.parent)], plugins=[collected]) == 0
    exempt = {(clause.id, name) for clause in CONTRACT for exemption in clause.not_applicable
              if exemption.on(kernel_name()) for name in exemption.exporters}
    assert collected.cells & exempt == set()
    cells = {(id_, name) for id_ in CONTRACT.clauses for name in PROJECT}
    assert sorted(cells - collected.cells - exempt) == []


def _kernel_source() -> Path:
    try:
        return Path(os.environ["LINUX_SRC"])
    except KeyError:
        raise InfrastructureError("LINUX_SRC is not set: run this through 'make test'") from None


@pytest.mark.parametrize(("name", "kernels", "expected"), [
    ("6.12.117-release", ["6.12"], True), ("6.12.117-static", ["6.12"], True),
    ("6.12.117-static", ["6.12-static"], True), ("6.12.117-release", ["6.12-static"], False),
    ("7.2.0-rc3-debug", ["6.12", "7.2"], True), ("7.2.1-static", ["6.12-static"], False),
    ("6.120.1-release", ["6.12"], False), ("7.2.1-release", [], False)])
def test_a_kernel_has_a_series_and_a_configuration(name, kernels, expected):
    assert is_one_of(name, kernels) == expected


def test_a_reason_is_for_its_kernels():
    clause = CONTRACT.clauses["MAP-07"]
    assert clause.exemption("not_applicable", "kernel", "7.2.1-release")
    assert not clause.exemption("not_applicable", "system", "7.2.1-release")
    assert not clause.exemption("not_applicable", "kernel", "6.12.117-release")
    assert CONTRACT.clauses["ATT-04"].exemption("defect", "cma", "6.12.117-release")


def _series() -> str:
    """Of the kernel's source."""
    makefile = (_kernel_source() / "Makefile").read_text()
    return ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL) = (\d+)$", makefile, re.MULTILINE))


@pytest.mark.parametrize("kind", ["not_applicable", "defect"])
def test_reasons_show_the_source(kind):
    """Those for another series are looked at when that is tested."""
    series = _series()
    for clause in CONTRACT:
        for exemption in getattr(clause, kind):
            if exemption.kernels and series not in {n.split("-")[0] for n in exemption.kernels}:
                continue
            text = (_kernel_source() / exemption.file).read_text()
            assert exemption.line in text, f"{clause.id}: {exemption.file}"


def test_what_kernels_do_is_documented():
    assert table.kernels() in (paths.ROOT / "docs" / "contract.md").read_text()


def test_the_results_are_about_all_clauses():
    text = (paths.ROOT / "docs" / "contract.md").read_text()
    missing = [id_ for id_ in CONTRACT.clauses if f"| {id_} |" not in text]
    assert missing == []


def test_every_clause_has_a_mutant_or_a_reason():
    broken = {mutant.clause for mutant in read_all()}
    exempt = {clause.id for clause in CONTRACT if clause.mainline}
    assert broken <= set(CONTRACT.clauses)
    assert not broken & exempt
    assert set(CONTRACT.clauses) - broken - exempt == set()


def test_mutants_name_tests_of_their_clause():
    for mutant in read_all():
        for test in mutant.tests:
            path, _, function = test.partition("::")
            text = (paths.ROOT / path).read_text()
            name = function.partition("[")[0]
            assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{mutant.name}: {test}"


@pytest.mark.parametrize("text", ["", "a title\n\nClause: EXP-01\n--- a/x\n",
                                  "a title\n\nTest: x.py::y\n--- a/x\n",
                                  "a title\n\nClause: EXP-01\nTest: x.py::y\n"])
def test_a_mutant_without_its_header_is_refused(tmp_path, text):
    path = tmp_path / "nameless.patch"
    path.write_text(text)
    with pytest.raises(ValueError, match="nameless"):
        read(path)


@pytest.mark.parametrize("mutant", read_all(), ids=lambda mutant: mutant.name)
def test_a_mutant_applies(mutant):
    subprocess.run(["patch", "-p1", "--dry-run", "--force", "-i", str(mutant.patch)],
                   cwd=paths.ROOT, check=True, capture_output=True)
