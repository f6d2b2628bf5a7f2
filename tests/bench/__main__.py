# SPDX-License-Identifier: GPL-2.0-or-later
import shutil

from harness import cli, paths

from . import about, builds, instructions, monitor, moves, streams, witness
from .results import Results

OUT = paths.OUT / "bench"


def main() -> int:
    build = cli.setting("BENCH_BUILD", ("", "0", "1")) == "1"
    shutil.rmtree(OUT, ignore_errors=True)
    results = Results()
    about.release_kernel()
    try:
        streams.first_frame(results, OUT)
        streams.real_time(results, OUT)
        streams.free_running(results, OUT)
        monitor.cost(results, OUT)
        witness.cost(results, OUT)
        instructions.instructions(results, OUT)
        moves.moves(results, OUT)
        moves.moves_while_streaming(results, OUT)
        builds.edit_to_running(results, OUT)
        builds.demo_again(results)
        builds.sizes(results)
        if build:
            builds.from_nothing(results)
    finally:
        results.write(OUT / "bench.json", about.about())
    print(f"  {(OUT / 'bench.json').relative_to(paths.ROOT)}")
    return 0


cli.run(main)
