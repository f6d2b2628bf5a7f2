# SPDX-License-Identifier: GPL-2.0-or-later
"""TEA: devices and processes that go away."""

import random
from contextlib import suppress

import pytest

from harness import pixels
from harness.kms import Kms
from harness.program import Refused
from harness.v4l2 import V4l2

from .clauses import PROJECT
from .dmabuf import O_CLOEXEC, O_RDWR, PAGE, START, WRITE, Dmabuf
from .exporters import BY_NAME, BatonHeap, Display, Vkms
from .probe import Probe
from .project import states, wait_until_given_back

CAMERA, DISPLAY = "30000000.camera", "31000000.display"


def _unbind(guest, device: str) -> None:
    driver = f"/sys/bus/platform/devices/{device}/driver"
    guest.run(f"test -e {driver} && echo {device} >{driver}/unbind")


def _of(*names: str):
    """For tests that boot a guest of their own."""
    return pytest.mark.parametrize("name", [
        pytest.param(name, marks=pytest.mark.clause(exporter=name)) for name in names])


@pytest.mark.clause("TEA-01")
@_of("baton", "display")
def test_a_camera_that_goes_away_gives_its_buffers_back(boot, evidence, name):
    guest = boot()
    dmabuf, camera = Dmabuf(guest), V4l2(guest)
    size = camera.set_format("XR24", 320, 256).sizes[0]
    exporter = BY_NAME[name](dmabuf)
    fds = [exporter.make(size).fd for _ in range(3)]
    camera.start_import([[camera.number("adopt", dmabuf("pid")[0], fd)] for fd in fds])
    camera.capture()
    attached = [dmabuf.info(fd).devices for fd in fds]
    _unbind(guest, CAMERA)
    left = [dmabuf.info(fd).devices for fd in fds]
    evidence(f"attached {attached}; after unbind {left}")
    assert (attached, left) == ([(CAMERA,)] * 3, [()] * 3)
    camera.close()
    dmabuf.close()


@pytest.mark.clause("TEA-01")
@_of("baton", "camera")
def test_a_display_that_goes_away_gives_its_buffers_back(boot, evidence, name):
    guest = boot()
    dmabuf, kms = Dmabuf(guest), Kms(guest)
    data = pixels.noise("XR24", 128, 96, 1)
    fd = BY_NAME[name](dmabuf).make(len(data)).fd
    picture = kms.picture("XR24", 128, 96, data)
    kms.show(kms.mode(128, 96), primary=picture)
    handle = kms.number("import", kms.number("adopt", dmabuf("pid")[0], fd))
    kms("set", "primary", "FB_ID", kms.add_fb("XR24", 128, 96, handle, 512))
    kms.commit()
    attached = dmabuf.info(fd).devices
    _unbind(guest, DISPLAY)
    kms.close()
    left = dmabuf.info(fd).devices
    evidence(f"attached {attached}; after unbind and close {left}")
    assert (attached, left) == ((DISPLAY,), ())
    dmabuf.close()


@pytest.mark.clause("TEA-02")
@pytest.mark.parametrize(("name", "device"), [
    pytest.param("camera", CAMERA, marks=pytest.mark.clause(exporter="camera")),
    pytest.param("display", DISPLAY, marks=pytest.mark.clause(exporter="display"))])
def test_a_buffer_outlives_its_exporter(boot, evidence, name, device):
    guest = boot()
    dmabuf = Dmabuf(guest)
    exporter = BY_NAME[name](dmabuf)
    buffer = exporter.make()
    static = Vkms(dmabuf)
    static.open()
    static.import_(buffer.fd)
    probe = Probe(dmabuf)
    dynamic = probe.buffer(buffer.fd).attach(probe.device(), dynamic=True)
    address = dmabuf.map(buffer.fd, buffer.size)
    dmabuf("fill", address, buffer.size, 3)
    _unbind(guest, device)
    wrong = dmabuf.number("check", address, buffer.size, 3)
    other = Vkms(dmabuf)
    other.open()
    refusals = other.import_refused(buffer.fd), dynamic.map_outcome()
    evidence(f"after unbind {wrong} words wrong; a new import, a new mapping {refusals}")
    assert wrong == 0
    assert refusals == ("ENODEV", "ENODEV")
    probe.close()
    dmabuf("unmap", address, buffer.size)
    dmabuf("close", buffer.fd)
    dmabuf("close", exporter.fd)
    assert dmabuf.bufinfo()
    dmabuf("close", static.fd)
    assert dmabuf.bufinfo() == []


def _faults(dmabuf: Dmabuf, address: int) -> int:
    """How often the program faults when it looks there."""
    before = dmabuf.number("faults")
    with suppress(Refused):
        dmabuf.fetch(address, 8)
    return dmabuf.number("faults") - before


@pytest.mark.clause("TEA-03", exporter="display")
def test_an_unplugged_display_leaves_no_dangling_mapping(boot, evidence):
    """Its exports have storage of their own, which stays until the last user has gone."""
    guest = boot()
    dmabuf = Dmabuf(guest)
    display = Display(dmabuf)
    handle = display.create(4 * PAGE)
    buffer = display.export(handle)
    offset = display.map_offset(handle)
    mappings = [dmabuf.map(buffer, 4 * PAGE), dmabuf.map(display.fd, 4 * PAGE, offset=offset)]
    dmabuf("fill", mappings[0], 4 * PAGE, 2)
    dmabuf.fetch(mappings[1], 8)
    mapped = [_faults(dmabuf, address) for address in mappings]
    _unbind(guest, DISPLAY)
    unplugged = [_faults(dmabuf, address) for address in mappings]
    outcomes = []
    for address in mappings:
        try:
            outcomes.append(dmabuf.number("check", address, 4 * PAGE, 2))
        except AssertionError as refusal:
            outcomes.append(str(refusal))
    evidence(f"faults before {mapped}, after unbind {unplugged}; "
             f"words wrong by the fd, by the node: {outcomes}")
    assert mapped == [0, 0]
    assert all(unplugged)
    assert outcomes[0] == 0 or "No such device" in outcomes[0]
    dmabuf.close()


@pytest.mark.clause("TEA-04")
def test_a_killed_process_leaves_nothing(exporter, dmabuf, programs, evidence):
    """With an open bracket, a mapping, an import and a fence."""
    victim = programs()
    theirs = BY_NAME[exporter.name](victim)
    buffer = theirs.make()
    victim.map(buffer.fd, buffer.size)
    victim.sync(buffer.fd, START | WRITE)
    importer = (Display if exporter.name in ("baton", "camera", "cma") else Vkms)(victim)
    importer.open()
    importer.import_(buffer.fd)
    victim.attach_fence(buffer.fd, victim.timeline().fence(), WRITE)
    victim.start("poll", buffer.fd, 4, -1)
    assert dmabuf.bufinfo()
    victim.kill()
    wait_until_given_back(dmabuf)
    evidence("no buffer is left")


# What the pipeline allocates from, and how its camera gets the buffers.
ALLOCATORS = {"baton": "heap", "camera": "camera", "display": "display"}


@pytest.mark.clause("TEA-04")
@pytest.mark.exporters(*PROJECT)
def test_a_pipeline_that_is_killed_anywhere(exporter, dmabuf, kernel_config, pins_mapped, evidence):
    """At the edges of system calls, from its start to the end: idle, streaming, scanning out."""
    program = ("baton-pipeline", "--pattern", "--size", "640x480", "--mode", "640x480@60",
               "--frames", 20, "--allocator", ALLOCATORS[exporter.name])
    rounds = 6 if "CONFIG_KASAN=y" in kernel_config else 16
    whole = dmabuf.number("stop_at", 1 << 32, *program)
    part = whole * 9 // 10 // rounds  # another run can have fewer
    chance, held = random.Random(exporter.name), []
    for number in range(rounds):
        stop = number * part + chance.randrange(part)
        _, pid = dmabuf("stop_at", stop, *program)
        buffers = states(dmabuf.guest)
        held.append((bool(buffers), any(
            buffer.pins > (buffer.maps if pins_mapped else 0) for buffer in buffers)))
        dmabuf("kill", pid)
        wait_until_given_back(dmabuf)
    evidence(f"killed at {rounds} of {whole} edges of system calls, "
             f"{held.count((False, False))} times without buffers, "
             f"{held.count((True, True))} times while one was shown; none is left")
    assert set(held) == {(False, False), (True, False), (True, True)}


@pytest.mark.clause("TEA-04", exporter="baton")
def test_a_process_can_be_killed_while_it_waits_for_a_move(dmabuf, programs, evidence):
    guest = dmabuf.guest
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    fd = BatonHeap(dmabuf).make().fd
    dmabuf("fill", dmabuf.map(fd, 16 * PAGE), 16 * PAGE, 1)
    guest.run("echo 0 >/sys/module/baton_buf/parameters/scatter")
    timeline = dmabuf.timeline()
    dmabuf.attach_fence(fd, timeline.fence(), WRITE)
    victim = programs()
    card = victim.number("open", "/dev/dri/card0", O_RDWR | O_CLOEXEC)
    theirs = victim.adopt(dmabuf, fd)
    victim.send("ioctl", card, 0xC00C642E, f"{0:016x}{theirs:02x}000000")
    guest.run("sleep 0.1")
    assert dmabuf.info(fd).devices == ()
    victim.kill()
    evidence(f"killed in a waiting attach; {dmabuf.info(fd).devices} attached")
    assert dmabuf.info(fd).devices == ()
    assert dmabuf.poll(fd) == 0
    timeline.signal()
