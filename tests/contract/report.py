# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests say of the clauses: lines, contract.json and a page of HTML."""

import html
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from harness import paths

from .clauses import CONTRACT, EXPORTERS, Clause
from .kernel import kernel_name

# Of several tests for a clause and an exporter the worst counts.
_WORSE = ("not-applicable", "pass", "xfail", "fail")
_LABELS = {"pass": "OK", "fail": "FAIL", "xfail": "XFAIL", "not-applicable": "Not Applicable"}
COLUMNS = ("kernel", *EXPORTERS)
OUT = paths.OUT / "contract"


def clauses_of(item: pytest.Item) -> list[str]:
    """The ids in the markers of a test."""
    return [id_ for mark in item.iter_markers("clause") for id_ in mark.args]


def exporter_of(item: pytest.Item) -> str:
    """Whom a test is about: its parameter, or as its markers say."""
    name = "kernel"
    for mark in item.iter_markers("clause"):
        name = mark.kwargs.get("exporter", name)
    return item.callspec.params.get("exporter", name) if hasattr(item, "callspec") else name


@dataclass
class Result:
    id: str
    kernel: str
    exporter: str
    status: str = "not-applicable"
    evidence: list[str] = field(default_factory=list)
    duration: float = 0.0

    def add(self, status: str, evidence: list[str], duration: float) -> None:
        self.status = max(self.status, status, key=_WORSE.index)
        self.evidence += [text for text in evidence if text not in self.evidence]
        self.duration = round(self.duration + duration, 3)


def _status(report: pytest.TestReport) -> str | None:
    if report.failed:
        return "fail"
    if report.skipped:
        return "xfail" if hasattr(report, "wasxfail") else "fail"
    return "pass" if report.when == "call" else None


def _evidence(report: pytest.TestReport, status: str) -> list[str]:
    found = [str(value) for key, value in report.user_properties if key == "evidence"]
    if status == "fail":
        found.append(f"{report.nodeid}: {report.longreprtext.strip().splitlines()[-1]}")
    if status == "xfail":
        found.append(str(getattr(report, "wasxfail", "")))
    return found


class Results:
    """A pytest plugin that collects them."""

    def __init__(self):
        self._kernel = kernel_name()
        self._results: dict[tuple[str, str], Result] = {}
        for clause in CONTRACT:
            for exporter in COLUMNS:
                if exemption := clause.exemption("not_applicable", exporter, self._kernel):
                    self._at(clause.id, exporter).evidence.append(
                        f"{exemption.reason} ({exemption.file}: {exemption.line.strip()})")

    def _at(self, id_: str, exporter: str) -> Result:
        return self._results.setdefault((id_, exporter), Result(id_, self._kernel, exporter))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        status = _status(report)
        if not status:
            return
        properties = dict(report.user_properties)
        for id_ in (value for key, value in report.user_properties if key == "clause"):
            self._at(id_, properties["exporter"]).add(
                status, _evidence(report, status), report.duration)

    def of(self, clause: Clause) -> list[Result]:
        return [self._results[clause.id, name] for name in COLUMNS
                if (clause.id, name) in self._results]

    def __iter__(self) -> Iterator[Result]:
        for clause in CONTRACT:
            yield from self.of(clause)

    def lines(self, untested: bool) -> Iterator[str]:
        """In the manner of v4l2-compliance."""
        for clause in CONTRACT:
            results = self.of(clause)
            if untested and not results:
                yield f"\t{clause.id}: NOT TESTED"
            for status in reversed(_WORSE):
                names = [r.exporter for r in results if r.status == status]
                if names:
                    yield f"\t{clause.id}: {_LABELS[status]} ({', '.join(names)})"

    def total(self) -> str:
        worst = [max((r.status for r in self.of(clause)), key=_WORSE.index)
                 for clause in CONTRACT if self.of(clause)]
        return (f"Total for {self._kernel}: {len(CONTRACT.clauses)}, "
                f"Succeeded: {worst.count('pass')}, Failed: {worst.count('fail')}, "
                f"Expected failures: {worst.count('xfail')}, "
                f"Not Applicable: {worst.count('not-applicable')}, "
                f"Not tested: {len(CONTRACT.clauses) - len(worst)}")

    @property
    def complete(self) -> bool:
        return all(self.of(clause) for clause in CONTRACT)

    def write_json(self, path: Path) -> None:
        document = {"kernel": self._kernel, "clauses": [asdict(result) for result in self]}
        path.write_text(json.dumps(document, indent=1) + "\n")

    def write_html(self, path: Path) -> None:
        title = f"dma-buf contract: {self._kernel}"
        body = "\n".join(_group(title, [c for c in CONTRACT if c.group == group], self)
                         for group, title in CONTRACT.groups.items())
        path.write_text(_PAGE.format(title=html.escape(title), total=html.escape(self.total()),
                                     body=body))


_PAGE = """<!DOCTYPE html>
<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }}
section {{ border-top: 1px solid #ccc; padding: .5em 0 }}
h3 {{ margin: .3em 0 }} td {{ padding: .1em .8em .1em 0; vertical-align: top }}
.pass {{ color: #070 }} .fail {{ color: #c00; font-weight: bold }}
.xfail {{ color: #a60 }} .not-applicable {{ color: #777 }} blockquote {{ color: #555 }}
</style></head><body><h1>{title}</h1><p>{total}</p>
{body}
</body></html>
"""


def _group(title: str, clauses: list[Clause], results: Results) -> str:
    return f"<h2>{html.escape(title)}</h2>\n" + "\n".join(
        _section(clause, results.of(clause)) for clause in clauses)


def _section(clause: Clause, results: list[Result]) -> str:
    seed = "".join(f"<blockquote>S{n}: {html.escape(CONTRACT.seed[f'S{n}'])}</blockquote>"
                   for n in clause.seed)
    others = [(f"Linux {name}", text) for name, text in clause.kernels.items()]
    facts = [("Source", clause.source), ("Linux 6.12", clause.expected), *others,
             ("Since", clause.since)]
    notes = "".join(f"<tr><td>{name}</td><td>{html.escape(text)}</td></tr>"
                    for name, text in facts if text)
    rows = "".join(
        f'<tr><td>{r.exporter}</td><td class="{r.status}">{_LABELS[r.status]}</td>'
        f"<td>{'<br>'.join(map(html.escape, r.evidence))}</td><td>{r.duration:.2f} s</td></tr>"
        for r in results)
    return (f'<section id="{clause.id}"><h3>{clause.id}</h3><p>{html.escape(clause.text)}</p>'
            f"{seed}<table>{notes}</table><table>{rows}</table></section>")
