# SPDX-License-Identifier: GPL-2.0-or-later
"""The display attaches while the camera streams: buffers move, and nothing is lost."""

import signal

import pytest
import xxhash

from contract.dmabuf import Dmabuf
from contract.probe import Buffer, Device, Probe
from contract.project import LOW_WINDOW, LOWER
from drivers.test_camera import EXACT_TIME
from harness.buffers import HIGH, POOL, buffers
from harness.guest import Guest
from harness.kms import Kms
from harness.polling import until
from model import camera_pattern
from model.camera import XRGB8888

from .conftest import assert_hashes_agree

WIDTH, HEIGHT = 320, 180
EARLY, BUFFERS, FRAMES = 30, 4, 16
OPTIONS = (f"--pattern --size {WIDTH}x{HEIGHT} --buffers {BUFFERS} --attach-after {EARLY} "
           f"--frames {FRAMES} --hash ")


@pytest.fixture
def scattered(guest: Guest) -> Guest:
    """A guest whose buffers are in pieces of one page, as after long use."""
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    return guest


def assert_moved(run) -> None:
    """From pages of the upper bank to one piece in the pool, each buffer once."""
    for buffer in run.report["buffers"]:
        before, after = buffer["places"]
        assert {int(address, 16) in HIGH for address in before["cpu_addresses"]} == {True}
        assert min(before["pieces"]) > 1
        assert {int(address, 16) in POOL for address in after["cpu_addresses"]} == {True}
        assert set(after["pieces"]) == {1}


def assert_nothing_lost(run) -> None:
    """And the frames that began after the moves were read where they had been written."""
    summary = run.summary
    # With every third frame from EARLY on the display gets a buffer; some are under way then.
    attached = EARLY + 3 * (BUFFERS - 1)
    assert attached <= summary["before_attach"] <= attached + BUFFERS
    assert summary["captured"] == summary["before_attach"] + FRAMES
    assert summary["dropped_by_camera"] == summary["errors"] == summary["underruns"] == 0
    sequences = [frame["sequence"] for frame in run.report["frames"]]
    assert sequences == list(range(summary["captured"]))
    assert_hashes_agree(run)


def assert_pattern(run) -> None:
    """Every frame is what the camera had to write, before, during and after the moves."""
    for frame in run.report["frames"]:
        lines = camera_pattern.lines(XRGB8888, WIDTH, HEIGHT, frame["sequence"])
        assert int(frame["camera_hash"], 16) == xxhash.xxh64_intdigest(b"".join(lines[0]))


@pytest.mark.parametrize(("allocator", "processes", "pixels"), [
    ("camera", 1, "XR24"), ("camera", 2, "NV12"), ("heap", 1, "NV12"), ("heap", 2, "XR24")])
def test_the_stream_goes_on(scattered: Guest, pipeline, allocator, processes, pixels) -> None:
    run = pipeline(scattered, OPTIONS + f"--free-running --allocator {allocator} "
                   f"--processes {processes} --format {pixels}")
    assert_nothing_lost(run)
    assert_moved(run)
    assert run.summary["shown"] == FRAMES
    if pixels == "XR24":
        assert_pattern(run)


def test_no_frame_is_late(boot, pipeline) -> None:
    """At 60 frames/s, by a clock that does not depend on the host."""
    guest = boot(**EXACT_TIME)
    guest.run("echo 1 >/sys/module/baton_buf/parameters/scatter")
    run = pipeline(guest, OPTIONS + "--fps 60 --mode 640x480@60")
    assert_nothing_lost(run)
    assert_moved(run)
    times = [frame["timestamp_ns"] for frame in run.report["frames"]]
    intervals = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert all(abs(interval - 1e9 / 60) < 1e5 for interval in intervals)


def test_only_the_picture_on_the_screen_is_pinned(scattered: Guest, pipeline) -> None:
    command = scattered.spawn("exec baton-pipeline " + OPTIONS +
                              "--free-running --hold --json /tmp/report.json")
    command.wait_output("holding")
    held = buffers(scattered)
    assert [buffer.generation for buffer in held] == [2] * BUFFERS
    assert {buffer.attached for buffer in held} == {("30000000.camera", "31000000.display")}
    assert sorted(buffer.pins for buffer in held) == [0] * (BUFFERS - 1) + [1]
    command.kill(signal.SIGINT)
    assert command.wait().status == 0
    assert_nothing_lost(pipeline.read(scattered, "/tmp/report.json"))
    assert buffers(scattered) == []


def attach_when_hidden(buffer: Buffer, device: Device) -> None:
    """What is on the screen is pinned, until its turn is over."""
    until(lambda: buffer.attach_outcome(device, dynamic=True), lambda outcome: outcome == "0",
          "the buffer to leave the screen")


def test_dumb_buffers_move_for_a_narrower_mask(boot, pipeline) -> None:
    """One after the other, while the rest is shown."""
    guest = boot(dtb="baton-windows")
    command = guest.spawn("exec baton-pipeline --pattern --allocator display --free-running "
                          f"--size {WIDTH}x{HEIGHT} --buffers {BUFFERS} --hash "
                          "--json /tmp/report.json 2>&1")
    command.wait_output("showing")
    pid = int(guest.run("pidof baton-pipeline").stdout)
    fds = guest.run(f"cd /proc/{pid}/fd && for fd in *; do "
                    "readlink $fd | grep -q dmabuf && echo $fd; done; true").stdout.split()
    assert len(fds) == BUFFERS
    probe = Probe(Dmabuf(guest))
    narrow = probe.device(mask=(1 << 29) - 1, windows=[LOW_WINDOW])
    for fd in fds:
        attach_when_hidden(probe.buffer(probe.dmabuf.number("adopt", pid, fd)), narrow)
    kms = Kms(guest)
    until(lambda: {frame.planes[0][0] for _, frame in sorted(kms.frames().items())[-32:]},
          lambda shown: len(shown) == BUFFERS and all(place in LOWER for place in shown),
          "all buffers to be shown from their new places")
    command.kill(signal.SIGINT)
    assert command.wait().status == 0
    run = pipeline.read(guest, "/tmp/report.json")
    for frame in run.shown:
        assert frame["camera_hash"] and frame["camera_hash"] == frame["display_hash"]
        written, read = (int(frame[f"{engine}_address"], 16) for engine in ("camera", "display"))
        assert written == read or (written in POOL and read in LOWER)
    for buffer in run.report["buffers"]:
        before, after = (int(place["cpu_addresses"][0], 16) for place in buffer["places"])
        assert (before in POOL, after in LOWER) == (True, True)
    assert run.summary["errors"] == run.summary["underruns"] == 0
    assert run.summary["dropped_by_camera"] == 0


def test_camera_process_is_killed(scattered: Guest) -> None:
    """The display goes on showing its last picture."""
    scattered.run("echo 1 >/sys/kernel/debug/dri/0/hash")
    command = scattered.spawn("exec baton-pipeline " + OPTIONS +
                              "--free-running --processes 2 --hold")
    command.wait_output("holding")
    kms = Kms(scattered)
    shown = kms.frame(int(kms("vblank", 2)[0])).planes[0]
    scattered.run("kill -9 $(pidof baton-pipeline | tr ' ' '\\n' | sort -n | tail -n1)")
    assert kms.frame(int(kms("vblank", 2)[0])).planes[0] == shown
    assert {buffer.attached for buffer in buffers(scattered)} == {("31000000.display",)}
    assert sum(buffer.pins for buffer in buffers(scattered)) == 1
    command.kill(signal.SIGINT)
    command.wait()
    assert buffers(scattered) == []


def test_no_room_for_all(boot, pipeline) -> None:
    """The display's pool holds two buffers of this size; the third stays where it is."""
    guest = boot(dtb="baton-window256")
    run = pipeline(guest, "--pattern --size 3840x2160 --free-running --buffers 4 --frames 20 "
                   "--attach-after 4 --hash", status=1)
    assert "the display refuses the camera's memory: Cannot allocate memory" in run.stderr
    assert run.summary["captured"] >= 6
    assert run.summary["errors"] == run.summary["dropped_by_camera"] == 0
