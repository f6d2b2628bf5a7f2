# SPDX-License-Identifier: GPL-2.0-or-later
"""Where in a log of the bus an address was last written."""

import sys

import pytest

from harness import cli, lastwrite
from harness.buslog import FRAME_START, READ, WRITE, BusLog, Record
from harness.lastwrite import last_frame

CAMERA, OTHER = 0, 1
AT = 0x8000_0000


def start(master: int, frame: int, insns: int = 0) -> tuple:
    return FRAME_START, master, 0, frame, 0, 0, 0, insns


def transfer(kind: int, master: int, address: int, size: int, status: int = 0) -> tuple:
    return kind, master, status, address, address, size, 0, 0


def log(*records: tuple) -> BusLog:
    return BusLog(["camera0", "camera1"], True, [
        Record(seq, 10 * seq, 0, kind, master, 0, status, *rest)
        for seq, (kind, master, status, *rest) in enumerate(records)])


LOG = log(
    start(CAMERA, 7, 700), transfer(WRITE, CAMERA, AT, 64),
    start(CAMERA, 8, 800), start(OTHER, 20, 820),
    transfer(WRITE, CAMERA, AT, 32), transfer(WRITE, OTHER, AT + 64, 64),
    transfer(READ, OTHER, AT, 128), transfer(WRITE, OTHER, AT, 64, status=1),
    start(CAMERA, 9, 900), transfer(WRITE, CAMERA, AT + 4096, 64),
)


@pytest.mark.parametrize(("address", "frame", "write"), [
    (AT, 8, 4), (AT + 31, 8, 4), (AT + 32, 7, 1), (AT + 63, 7, 1), (AT + 64, 20, 5),
    (AT + 4096 + 63, 9, 9)])
def test_last_frame(address, frame, write):
    found, record = last_frame(LOG, address)
    assert (found.a, record.seq) == (frame, write)


@pytest.mark.parametrize("address", [AT - 1, AT + 128, AT + 4096 + 64])
def test_nobody(address):
    assert last_frame(LOG, address) is None


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lastwrite", *arguments])
    monkeypatch.setattr(lastwrite, "read_log", lambda path: LOG)
    return lastwrite.main()


def test_command(monkeypatch, capsys):
    assert run(monkeypatch, "bus.log", hex(AT + 32)) == 0
    assert capsys.readouterr().out == \
        "camera0 frame 7, begun at 0 ns, wrote to 0x80000020 at 10 ns\nreplay_seek 700\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["bus.log"], "usage: "), (["bus.log", "here"], "usage: "),
    (["bus.log", "0x10"], "bus.log: no engine wrote to 0x10")])
def test_errors(monkeypatch, arguments, message):
    with pytest.raises(cli.UserError, match=message):
        run(monkeypatch, *arguments)
