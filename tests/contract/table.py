# SPDX-License-Identifier: GPL-2.0-or-later
"""`make contract-table`: put the last results, exporter x clause, into docs/contract.md."""

import json
import re

from harness import cli, paths

from .clauses import CONTRACT
from .report import COLUMNS, OUT

DOCUMENT = paths.ROOT / "docs" / "contract.md"
_MARKS = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
_SIGNS = {"pass": "ok", "fail": "**FAIL**", "xfail": "xfail", "not-applicable": "n/a"}


def table(document: dict) -> str:
    cells = {(result["id"], result["exporter"]): _SIGNS[result["status"]]
             for result in document["clauses"]}
    lines = [f"Linux {document['kernel']}:", "", f"| clause | {' | '.join(COLUMNS)} |",
             "|---" * (len(COLUMNS) + 1) + "|"]
    for clause in CONTRACT:
        row = " | ".join(cells.get((clause.id, column), "") for column in COLUMNS)
        lines.append(f"| {clause.id} | {row} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    path = OUT / "contract.json"
    if not path.exists():
        raise cli.UserError(f"{path.relative_to(paths.ROOT)} is missing: run 'make contract'")
    text = table(json.loads(path.read_text()))
    DOCUMENT.write_text(_MARKS.sub(lambda _: text, DOCUMENT.read_text()))
    print(f"  {DOCUMENT.relative_to(paths.ROOT)}")
    return 0


if __name__ == "__main__":
    cli.run(main)
