# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m harness.image FILE: an empty image in which QEMU keeps a machine's snapshots.

Nothing of it is a disk of the machine: -drive if=none,file=FILE
"""

import sys
from pathlib import Path

from . import cli
from .process import QemuProcess
from .qmp import Qmp

_SIZE = 1 << 20     # of the disk that there would be; snapshots are not limited by it


def _create(qmp: Qmp, **options) -> None:
    qmp.cmd("blockdev-create", job_id="create", options=options)
    qmp.wait_event("JOB_STATUS_CHANGE", status="concluded")
    jobs = qmp.cmd("query-jobs")
    qmp.cmd("job-dismiss", id="create")
    if error := jobs[0].get("error"):
        raise cli.UserError(f"{options['driver']} image: {error}")


def create_image(path: Path) -> Path:
    args = ["-M", "none", "-nodefaults", "-display", "none"]
    with QemuProcess(args, path.with_name(f"{path.name}.log")) as process:
        file = {"driver": "file", "filename": str(path)}
        _create(process.qmp, **file, size=0)
        process.qmp.cmd("blockdev-add", node_name="file", **file)
        _create(process.qmp, driver="qcow2", file="file", size=_SIZE)
    process.log.unlink()
    return path


def main() -> int:
    if len(sys.argv) != 2:
        raise cli.UserError("usage: python -m harness.image FILE")
    create_image(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    cli.run(main)
