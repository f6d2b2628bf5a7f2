# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever the tree: QEMU starts, or refuses it in words. It never crashes."""

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest

from harness.paths import dtb
from harness.process import qemu_binary
from machine.tree import Tree

ROUNDS = 40
CELLS = [0, 1, 2, 3, 4, 0x1000, 0x7fffffff, 0x80000000, 0xc0000000, 0xfffffff0, 0xffffffff]


def start_and_quit(file: Path) -> tuple[int, str]:
    done = subprocess.run(
        [qemu_binary(), "-M", "baton", "-dtb", file, "-m", "2G", "-smp", "2", "-accel", "qtest",
         "-S", "-display", "none", "-nodefaults", "-monitor", "stdio"],
        input="quit\n", capture_output=True, text=True, errors="replace", timeout=60)
    return done.returncode, done.stderr


def flip_bytes(rng: random.Random, data: bytearray) -> bytearray:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return data


def change_words(rng: random.Random, data: bytearray) -> bytearray:
    """Of the structure block, so that most of the tree still makes sense."""
    start, size = struct.unpack_from(">8xI24xI", data)[0], struct.unpack_from(">36xI", data)[0]
    for _ in range(rng.randint(1, 3)):
        struct.pack_into(">I", data, start + 4 * rng.randrange(size // 4), rng.choice(CELLS))
    return data


def change_cells(rng: random.Random, value: bytes) -> bytes:
    changed = bytearray(value)
    for at in range(0, len(value) - 3, 4):
        if rng.random() < 0.4:
            struct.pack_into(">I", changed, at, rng.choice(CELLS))
    return bytes(changed)


def edit_tree(rng: random.Random, data: bytearray) -> bytearray:
    tree = Tree()
    for _ in range(rng.randint(1, 3)):
        node = rng.choice(tree.nodes())
        properties = tree.properties(node)
        if not properties or rng.random() < 0.1:
            tree.fdt.del_node(node)
            continue
        name, value = rng.choice(list(properties.items()))
        action = rng.choice(["delete", "cut", "cells", "cells"])
        if action == "delete":
            tree.fdt.delprop(node, name)
        elif action == "cut":
            tree.fdt.setprop(node, name, value[:rng.randrange(len(value) + 1)])
        else:
            tree.fdt.setprop(node, name, change_cells(rng, value))
    tree.fdt.pack()
    return tree.fdt.as_bytearray()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mutate", [flip_bytes, change_words, edit_tree])
def test_mutated_tree(mutate, seed: int, artifacts: Path) -> None:
    rng = random.Random(f"{mutate.__name__} {seed}")
    file = artifacts / "tree.dtb"
    for _ in range(ROUNDS):
        file.write_bytes(mutate(rng, bytearray(dtb("baton").read_bytes())))
        status, message = start_and_quit(file)
        assert status in (0, 1), message
        if status:
            assert re.search(r"^qemu-system-aarch64: ", message, re.M), message
