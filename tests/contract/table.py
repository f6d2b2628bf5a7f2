# SPDX-License-Identifier: GPL-2.0-or-later
"""`make contract-table`: what clauses.toml says of kernels, and the last results, exporter x
clause, into docs/contract.md."""

import json
import re

from harness import cli, paths

from .clauses import CONTRACT, Clause
from .kernel import KERNELS
from .report import COLUMNS, OUT

DOCUMENT = paths.ROOT / "docs" / "contract.md"
_SIGNS = {"pass": "ok", "fail": "**FAIL**", "xfail": "xfail", "not-applicable": "n/a",
          "not_applicable": "n/a", "defect": "xfail"}


def table(document: dict) -> str:
    cells = {(result["id"], result["exporter"]): _SIGNS[result["status"]]
             for result in document["clauses"]}
    lines = [f"Linux {document['kernel']}:", "", f"| clause | {' | '.join(COLUMNS)} |",
             "|---" * (len(COLUMNS) + 1) + "|"]
    for clause in CONTRACT:
        row = " | ".join(cells.get((clause.id, column), "") for column in COLUMNS)
        lines.append(f"| {clause.id} | {row} |")
    return "\n".join(lines) + "\n"


def _particulars(clause: Clause, kernel: str) -> list[str]:
    found = [clause.kernels[kernel]] if kernel in clause.kernels else []
    for kind in ("not_applicable", "defect"):
        found += [f"{_SIGNS[kind]} ({', '.join(each.exporters)}): {each.reason}"
                  for each in getattr(clause, kind) if kernel in each.kernels]
    return found


def kernels() -> str:
    """Which clauses are about some kernels only, or are expected otherwise there."""
    lines = ["| clause | kernel | |", "|---|---|---|"]
    for clause in CONTRACT:
        for kernel in KERNELS:
            if found := _particulars(clause, kernel):
                lines.append(f"| {clause.id} | {kernel} | {'; '.join(found)} |")
    return "\n".join(lines) + "\n"


def _replace(mark: str, text: str) -> None:
    between = re.compile(f"(?<=<!-- {mark} -->\n).*?(?=<!-- end of {mark} -->)", re.DOTALL)
    DOCUMENT.write_text(between.sub(lambda _: text, DOCUMENT.read_text()))


def main() -> int:
    path = OUT / "contract.json"
    if not path.exists():
        raise cli.UserError(f"{path.relative_to(paths.ROOT)} is missing: run 'make contract'")
    _replace("kernels", kernels())
    _replace("table", table(json.loads(path.read_text())))
    print(f"  {DOCUMENT.relative_to(paths.ROOT)}")
    return 0


if __name__ == "__main__":
    cli.run(main)
