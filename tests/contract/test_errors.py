# SPDX-License-Identifier: GPL-2.0-or-later
"""ERR: bad input."""

import errno
import struct
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest

from .clauses import PROJECT
from .dmabuf import O_CLOEXEC, O_RDWR, PAGE, READ, Dmabuf, io, ior, iow, iowr
from .exporters import (
    CREATE_DUMB,
    DMABUF,
    EXPBUF,
    FD_TO_HANDLE,
    HANDLE_TO_FD,
    MMAP,
    REQBUFS,
    Camera,
    Display,
    Exporter,
    Heap,
    LowerDisplay,
    Video,
    Vkms,
)
from .probe import Probe
from .project import no_storage, set_parameter, states, wait_until_given_back


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
    """Allocations of the slab and of pages can fail, also those that may wait, without a word."""
    guest.run("cd /sys/kernel/debug/failslab && echo N >ignore-gfp-wait && echo 0 >verbose;"
              "cd ../fail_page_alloc && echo N >ignore-gfp-wait && echo 0 >verbose &&"
              "echo 0 >min-order")


ERRORS = {errno.ENOMEM, errno.ENFILE, errno.EBUSY}


def _sweep(dmabuf: Dmabuf, undo: Callable[[list[str]], None], *words: object,
           errors: set[int] = ERRORS) -> tuple[int, int]:
    """Let each allocation of a command fail in turn: how many there are, how many it survives."""
    survived = 0
    for nth in range(1, 500):
        before = dmabuf.bufinfo(), states(dmabuf.guest)
        failed, status, *rest = dmabuf("inject", nth, *words)
        if status == "ok":
            undo(rest)
        after = dmabuf.bufinfo(), states(dmabuf.guest)
        assert after == before, f"allocation {nth}: {status} {rest}"
        if failed == "0":
            assert status == "ok"
            return nth - 1, survived
        survived += status == "ok"
        assert status == "ok" or int(rest[0]) in errors, rest
    raise AssertionError("no end of allocations")


def _sweep_probe(probe: Probe, verb: str, fields: dict) -> tuple[int, int]:
    """Of a call that makes an object."""
    return _sweep(probe.dmabuf, partial(probe.drop, verb), *probe.words(verb, fields))


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
    assert states(dmabuf.guest) == []


@pytest.mark.clause("ERR-03", "EXP-04", exporter="camera")
def test_a_queue_whose_exports_fail_leaves_nothing(dmabuf, failing, evidence):
    """VIDIOC_REQBUFS makes a dma-buf of its own, and EXPBUF one for user space."""
    camera = Camera(dmabuf)
    fd = camera.open()
    camera.set_format(16 * PAGE)
    request = struct.pack("<5I", 1, camera.type, MMAP, 0, 0).hex()
    counts = [_sweep(dmabuf, lambda _: camera.request(0), "ioctl", fd, REQBUFS, request)]
    camera.request(1)
    request = struct.pack("<4Ii44x", camera.type, 0, 0, O_RDWR | O_CLOEXEC, -1).hex()

    def close(answer: list[str]) -> None:
        dmabuf("close", struct.unpack_from("<i", bytes.fromhex(answer[1]), 16)[0])

    # videobuf2 loses the code.
    counts.append(_sweep(dmabuf, close, "ioctl", fd, EXPBUF, request,
                         errors={errno.EINVAL, errno.ENOMEM}))
    evidence(f"allocations failed in turn (survived): REQBUFS, EXPBUF {counts}")
    assert all(count > survived for count, survived in counts)


@pytest.mark.clause("ERR-03", "EXP-04", exporter="display")
def test_an_object_whose_exports_fail_leaves_nothing(dmabuf, failing, evidence):
    """A dumb buffer has a dma-buf of its own, and PRIME makes one for user space."""
    display = Display(dmabuf)
    fd = display.open()
    request = struct.pack("<6IQ", 16, PAGE // 4, 32, 0, 0, 0, 0).hex()

    def free(answer: list[str]) -> None:
        display.close_handle(struct.unpack("<6IQ", bytes.fromhex(answer[1]))[4])

    count, survived = _sweep(dmabuf, free, "ioctl", fd, CREATE_DUMB, request)
    outcomes = []
    failed = "1"
    while failed == "1":
        handle = display.create(16 * PAGE)  # which can keep the dma-buf, though there is no fd
        request = struct.pack("<IIi", handle, O_RDWR | O_CLOEXEC, -1).hex()
        failed, *answer = dmabuf("inject", len(outcomes) + 1, "ioctl", fd, HANDLE_TO_FD, request)
        if answer[0] == "ok":
            dmabuf("close", struct.unpack("<IIi", bytes.fromhex(answer[2]))[2])
        outcomes.append(answer[0] if answer[0] == "ok" else errno.errorcode[int(answer[1])])
        display.close_handle(handle)
        assert dmabuf.bufinfo() + states(dmabuf.guest) == []
    evidence(f"CREATE_DUMB: {count} allocations failed in turn, {survived} without an error; "
             f"HANDLE_TO_FD: {outcomes}")
    assert count > survived
    assert set(outcomes) == {"ENOMEM", "ok"} and outcomes[-1] == "ok"


@pytest.mark.clause("ERR-03")
@pytest.mark.exporters("baton")
def test_a_page_for_which_there_is_no_memory(exporter, dmabuf, guest, evidence):
    """The access fails; it is not tried for ever."""
    fd = exporter.make().fd
    address = dmabuf.map(fd, PAGE)
    with no_storage(guest):
        outcomes = [dmabuf.refused("fetch", address, 8), dmabuf.refused("store", address, "11")]
    too_much = dmabuf.refused("heap", exporter.exp_name, 1 << 41, O_RDWR)
    evidence(f"load and store: {outcomes}; 2 TiB: {too_much}")
    assert outcomes == ["ENXIO"] * 2  # SIGBUS
    assert too_much == "ENOMEM"
    assert dmabuf.fetch(address, 8) == bytes(8)


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


@pytest.mark.clause("ERR-03", "KCP-07")
@pytest.mark.exporters(*PROJECT)
def test_a_vmap_that_fails_holds_nothing(exporter, dmabuf, probe, failing, evidence):
    buffer = exporter.make()
    dmabuf("fill", dmabuf.map(buffer.fd, buffer.size), buffer.size, 1)
    fields = {"buffer": probe.buffer(buffer.fd).id}
    dmabuf.guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with dmabuf.guest.expect_splat("WARNING.*dma_buf_vmap"):
        count, survived = _sweep_probe(probe, "VMAP", fields)
    evidence(f"{count} allocations failed in turn, {survived} of them without an error")
    assert count > survived


def _first_use(probe: Probe, fd: int, verb: str, nth: int) -> list[str]:
    """Of a new buffer, whose NTH allocation fails; all is given back."""
    buffer, device = probe.buffer(fd), probe.device()
    fields = {"buffer": buffer.id}
    if verb == "ATTACH":
        fields["device"] = device.id
    elif verb == "MAP":
        fields = {"attachment": buffer.attach(device, dynamic=True).id}
    answer = probe.dmabuf("inject", nth, *probe.words(verb, fields))
    if answer[1] == "ok":
        probe.drop(verb, answer[2:])
    if verb == "MAP":
        probe.call("DROP", id=fields["attachment"])
    buffer.drop()
    device.drop()
    return answer


@pytest.mark.clause("ERR-03")
@pytest.mark.exporters("baton", "system", "cma")
@pytest.mark.parametrize(("verb", "splat"), [("ATTACH", None), ("MAP", None),
                                             ("VMAP", "WARNING.*dma_buf_vmap")])
def test_a_first_use_that_fails_leaves_nothing(exporter, dmabuf, probe, failing, evidence,
                                               verb, splat):
    """The heap baton allocates its storage then."""
    before, outcomes = (dmabuf.bufinfo(), states(dmabuf.guest)), []
    dmabuf.guest.run("echo 1 >/sys/kernel/debug/clear_warn_once")
    with dmabuf.guest.expect_splat(splat) if splat else nullcontext():
        for nth in range(1, 300):
            fd = exporter.make().fd
            failed, *answer = _first_use(probe, fd, verb, nth)
            dmabuf("close", fd)
            assert (dmabuf.bufinfo(), states(dmabuf.guest)) == before
            if failed == "0":
                break
            outcomes.append(answer[0] if answer[0] == "ok" else errno.errorcode[int(answer[1])])
    evidence(f"{verb}: {len(outcomes)} allocations failed in turn, {outcomes.count('ok')} of "
             "them without an error")
    assert answer[0] == "ok"
    assert set(outcomes) - {"ok"} == {"ENOMEM"}


@pytest.mark.clause("ERR-03")
@pytest.mark.exporters(*PROJECT)
def test_a_move_that_fails_leaves_all_as_it_was(exporter, dmabuf, failing, evidence):
    """Imports into a display. What fails after the move leaves the buffer in its new place."""
    guest = dmabuf.guest
    set_parameter(guest, "scatter", 1)
    buffer = exporter.make()
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 2)
    set_parameter(guest, "scatter", 0)
    card = LowerDisplay(dmabuf)
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


# How the program allocates from the file of an exporter.
KINDS = {"baton": "heap", "system": "heap", "camera": "video", "display": "dumb"}


def _path(exporter: Exporter) -> str:
    return (f"/dev/dma_heap/{exporter.exp_name}" if isinstance(exporter, Heap) else
            exporter.node if isinstance(exporter, Video) else exporter.card)


def _importer(exporter: Exporter) -> str:
    """A display for which the project's buffers move; it does not reach others' memory."""
    return LowerDisplay.card if exporter.name in PROJECT else Vkms(exporter.dmabuf).card


@pytest.mark.clause("ERR-04")
@pytest.mark.exporters(*PROJECT, "system")
def test_threads_that_race_for_descriptors(exporter, dmabuf, evidence):
    """The camera imports, too, if the buffers are not its own."""
    fd = dmabuf.number("open", _path(exporter), O_RDWR | O_CLOEXEC)
    camera = Camera(dmabuf)
    if exporter.name == "camera":
        camera.fd, queue, memory = fd, [], MMAP
    else:
        camera.open()
        queue, memory = [camera.fd], DMABUF
    camera.set_format(16 * PAGE)
    camera.request(camera.count, memory)
    wrong = dmabuf.number("race", 8, 300, 1, KINDS[exporter.name], fd, _importer(exporter), *queue)
    for each in (fd, *queue):
        dmabuf("close", each)
    evidence(f"8 threads, 300 calls each: {wrong} failed with what they must not")
    assert wrong == 0
    wait_until_given_back(dmabuf)


@pytest.mark.clause("TEA-04")
@pytest.mark.exporters(*PROJECT, "system")
def test_processes_that_are_killed_anywhere(exporter, dmabuf, kernel_config, evidence):
    rounds = 100 if "CONFIG_KASAN=y" in kernel_config else 1000
    dmabuf("victims", rounds, 1, KINDS[exporter.name], _path(exporter), _importer(exporter))
    wait_until_given_back(dmabuf)
    evidence(f"{rounds} processes killed; no buffer is left")


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
