# SPDX-License-Identifier: GPL-2.0-or-later
"""ERR: bad input."""

import errno
import os
import struct
from collections.abc import Callable

import pytest

from .clauses import PROJECT
from .dmabuf import O_CLOEXEC, O_RDWR, PAGE, READ, Dmabuf, io, ior, iow, iowr
from .exporters import FD_TO_HANDLE, Display, Vkms
from .probe import Probe
from .project import set_parameter, states


@pytest.mark.clause("ERR-01")
def test_a_dma_buf_is_no_stream(exporter, dmabuf, evidence):
    buffer = exporter.make()
    address = dmabuf.map(buffer.fd, buffer.size)
    with dmabuf.bracket(buffer.fd):
        dmabuf("fill", address, buffer.size, 6)
    outcomes = {"read": dmabuf.refused("read", buffer.fd, 64),
                "write": dmabuf.refused("write", buffer.fd, "00" * 64)}
    unknown = {dmabuf.ioctl_refused(buffer.fd, request, bytes(64))
               for request in (io("b", 99), iow("b", 4, 8), iowr("b", 0, 64), ior("b", 1, 8),
                               io("x", 0))}
    evidence(f"{outcomes}, ioctls {unknown}")
    assert set(outcomes.values()) == {"EINVAL"}
    assert unknown == {"ENOTTY"}
    with dmabuf.bracket(buffer.fd, READ):
        assert dmabuf.number("check", address, buffer.size, 6) == 0
    assert dmabuf.info(buffer.fd).fences == 0


@pytest.fixture
def failing(guest, dmabuf):
    """Allocations of the slab can fail, also those that may wait, without a word."""
    guest.run("cd /sys/kernel/debug/failslab && echo N >ignore-gfp-wait && echo 0 >verbose")


def _sweep(dmabuf: Dmabuf, undo: Callable[[list[str]], None], *words: object) -> tuple[int, int]:
    """Let each allocation of a command fail in turn: how many there are, how many it survives."""
    survived = 0
    for nth in range(1, 500):
        before = dmabuf.bufinfo()
        failed, status, *rest = dmabuf("inject", nth, *words)
        if status == "ok":
            undo(rest)
        assert dmabuf.bufinfo() == before, f"allocation {nth}: {status} {rest}"
        if failed == "0":
            assert status == "ok"
            return nth - 1, survived
        survived += status == "ok"
        assert status == "ok" or int(rest[0]) in (errno.ENOMEM, errno.ENFILE, errno.EBUSY), rest
    raise AssertionError("no end of allocations")


def _sweep_probe(probe: Probe, verb: str, fields: dict) -> tuple[int, int]:
    """Of a call that makes an object, whose id is the fourth word."""
    def drop(answer: list[str]) -> None:
        probe.call("DROP", id=struct.unpack_from("<4I", bytes.fromhex(answer[1]))[3])

    return _sweep(probe.dmabuf, drop, *probe.words(verb, fields))


@pytest.mark.clause("ERR-03", "EXP-04")
@pytest.mark.exporters("baton", "system", "cma")
def test_an_export_that_fails_leaves_nothing(exporter, dmabuf, failing, evidence):
    heap = dmabuf.number("open", f"/dev/dma_heap/{exporter.exp_name}", O_RDWR | O_CLOEXEC)
    request = struct.pack("<QIIQ", 16 * PAGE, 0, O_RDWR | O_CLOEXEC, 0).hex()

    def undo(answer: list[str]) -> None:
        dmabuf("close", struct.unpack_from("<QI", bytes.fromhex(answer[1]))[1])

    count, survived = _sweep(dmabuf, undo, "ioctl", heap, iowr("H", 0, 24), request)
    evidence(f"{count} allocations failed in turn, {survived} of them without an error")
    assert count > survived


@pytest.mark.clause("ERR-03")
@pytest.mark.exporters(*PROJECT, "system", "cma", "vivid", "vkms")
def test_an_attach_and_a_map_that_fail_leave_nothing(exporter, dmabuf, probe, failing, evidence):
    buffer = exporter.make()
    address = dmabuf.map(buffer.fd, buffer.size)
    with dmabuf.bracket(buffer.fd):
        dmabuf("fill", address, buffer.size, 1)
    theirs, device = probe.buffer(buffer.fd), probe.device()
    attach = {"buffer": theirs.id, "device": device.id}
    attached = _sweep_probe(probe, "ATTACH", attach)
    mapped = _sweep_probe(probe, "MAP", {"attachment": theirs.attach(device).id})
    evidence(f"allocations failed in turn (survived): attach {attached[0]} ({attached[1]}), "
             f"map {mapped[0]} ({mapped[1]})")
    assert dmabuf.number("check", address, buffer.size, 1) == 0


@pytest.mark.clause("ERR-03")
@pytest.mark.exporters("baton", "camera")
def test_a_move_that_fails_leaves_all_as_it_was(exporter, dmabuf, failing, evidence):
    """Imports into a display. What fails after the move leaves the buffer in its new place."""
    guest = dmabuf.guest
    set_parameter(guest, "scatter", 1)
    buffer = exporter.make()
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 2)
    set_parameter(guest, "scatter", 0)
    card = Display(dmabuf)
    card.open()
    before = states(guest)
    devices = dmabuf.info(buffer.fd).devices

    unmoved = 0
    for nth in range(1, 300):
        failed, status, *rest = dmabuf("inject", nth, "ioctl", card.fd, FD_TO_HANDLE,
                                       struct.pack("<IIi", 0, 0, buffer.fd).hex())
        assert dmabuf.number("check", address, buffer.size, 2) == 0
        if status == "ok":
            break
        assert failed == "1"
        assert int(rest[0]) in (errno.ENOMEM, errno.EBUSY)
        assert dmabuf.info(buffer.fd).devices == devices
        now = states(guest)
        unmoved += now == before
        for old, new in zip(before, now, strict=True):
            moved = (new.storage, new.pieces, new.generation) == ("pool", 1, old.generation + 1)
            assert new.place == old.place or moved
    evidence(f"{nth - 1} refusals, after {unmoved} of them nothing had changed")
    assert unmoved
    assert sum(old.place != new.place for old, new in
               zip(before, states(guest), strict=True)) == 1


@pytest.mark.clause("ERR-04")
@pytest.mark.exporters("baton", "system")
def test_threads_that_race_for_descriptors(exporter, dmabuf, evidence):
    card = "/dev/dri/card0"
    if exporter.name == "system":  # the display would not reach its memory
        card = Vkms(dmabuf).card
    wrong = dmabuf.number("race", 8, 300, 1, f"/dev/dma_heap/{exporter.exp_name}", card)
    evidence(f"8 threads, 300 calls each: {wrong} failed with what they must not")
    assert wrong == 0
    assert dmabuf.bufinfo() == []


@pytest.mark.clause("TEA-04")
@pytest.mark.exporters("baton", "system")
def test_processes_that_are_killed_anywhere(exporter, dmabuf, evidence):
    rounds = int(os.environ.get("KILLS", "100"))
    card = "/dev/dri/card0" if exporter.name == "baton" else Vkms(dmabuf).card
    dmabuf("victims", rounds, 1, f"/dev/dma_heap/{exporter.exp_name}", card)
    dmabuf.guest.run("sleep 0.5")
    evidence(f"{rounds} processes killed; {len(dmabuf.bufinfo())} dma-bufs left")
    assert dmabuf.bufinfo() == []


MISUSES = {0: "EINVAL", 1: "EINVAL", 2: "0", 4: "EINVAL", 5: "0", 6: "0", 7: "EINVAL",
           8: "EINVAL", 9: "0", 10: "EINVAL", 11: "EINVAL"}


@pytest.mark.clause("ERR-02")
@pytest.mark.parametrize("call", MISUSES)
def test_nothing_is_no_buffer(dmabuf, probe, evidence, call):
    """Each entry point with NULL; dma_buf_fd() is silent."""
    buffer = probe.buffer(probe.export().fd)
    fields = {"call": call, "buffer": buffer.id, "attachment": buffer.attach(probe.device()).id}
    if call == 7:
        outcome = probe.outcome("MISUSE", **fields)
    else:
        with dmabuf.guest.expect_splat(r"WARNING: .*dma_buf_\w+"):
            outcome = probe.outcome("MISUSE", **fields)
    evidence(f"call {call}: {outcome}")
    assert outcome == MISUSES[call]


@pytest.mark.clause("ERR-02")
def test_detaching_from_another_buffer(dmabuf, probe, evidence):
    stubs = probe.export(), probe.export()
    attachment = probe.buffer(stubs[0].fd).attach(probe.device())
    other = probe.buffer(stubs[1].fd)
    with dmabuf.guest.expect_splat(r"WARNING: .*dma_buf_detach"):
        outcome = probe.outcome("MISUSE", call=3, buffer=other.id, attachment=attachment.id)
    devices = dmabuf.info(stubs[0].fd).devices
    evidence(f"{outcome}; still attached: {devices}")
    assert len(devices) == 1
    attachment.detach()
    assert dmabuf.info(stubs[0].fd).devices == ()
