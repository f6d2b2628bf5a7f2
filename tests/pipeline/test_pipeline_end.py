# SPDX-License-Identifier: GPL-2.0-or-later
"""How baton-pipeline ends: by signals, and with errors that say what to do."""

import signal

import pytest

from harness.guest import Guest

from .conftest import assert_hashes_agree

SHOWING = "baton-pipeline: showing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("processes", [1, 2])
def test_signal(guest: Guest, pipeline, number: int, processes: int) -> None:
    command = guest.spawn(
        "exec baton-pipeline --pattern --size 640x360 --hash "
        f"--processes {processes} --json /tmp/report.json 2>&1"
    )
    command.wait_output(SHOWING)
    command.kill(number)
    assert command.wait().status == 0, command.stdout
    run = pipeline.read(guest, "/tmp/report.json")
    assert run.summary["shown"] > 0
    assert_hashes_agree(run)
    assert guest.run("pidof baton-pipeline", check=False).status == 1


def test_hash_is_off_again(guest: Guest, pipeline) -> None:
    pipeline(guest, "--pattern --free-running --size 640x360 --frames 2 --hash")
    hashes = guest.run(
        "cat /sys/kernel/debug/baton-camera.0/hash /sys/kernel/debug/dri/0/hash"
    ).stdout.split()
    assert hashes == ["N", "0"]


def test_without_hash(guest: Guest, pipeline) -> None:
    run = pipeline(guest, "--pattern --free-running --size 640x360 --frames 2")
    assert {frame["camera_hash"] for frame in run.shown} == {None}


WRONG_OPTIONS = [
    ("--format YUYV", "--format YUYV: must be XR24, RG16 or NV12"),
    ("--allocator both", "--allocator both: must be camera, display or heap"),
    ("--plane cursor", "--plane cursor: must be primary or overlay"),
    ("--buffers 2", "--buffers 2: must be a number from 3 to 32"),
    ("--frames -1", "--frames -1: must be a number"),
    ("--frames 8x", "--frames 8x: must be a number"),
    ("--processes 3", "--processes 3: must be a number from 1 to 2"),
    ("--size 640", "--size 640: must be WIDTHxHEIGHT"),
    ("--size 640x0", "--size 640x0: must be WIDTHxHEIGHT"),
    ("--mode 640x480@fast", "--mode 640x480@fast: must be WIDTHxHEIGHT or"),
    ("--fps nan", "--fps nan: must be a number"),
    ("--copy --allocator display", "leave out --allocator"),
    ("--copy --attach-after 1", "leave out --copy and --allocator display"),
    ("--attach-late --allocator display", "leave out --copy and --allocator display"),
    ("--attach-after 1 --attach-late", "--attach-after and --attach-late exclude each other"),
    ("--wrong", "unrecognized option"),
    ("--frames", "requires an argument"),
    ("extra", "unexpected argument 'extra'"),
]


def test_wrong_options(boot, pipeline) -> None:
    guest = boot(kernel_args="baton.modules=no")
    for options, message in WRONG_OPTIONS:
        run = pipeline(guest, options, status=2)
        assert message in run.stderr


def test_help(boot) -> None:
    guest = boot(kernel_args="baton.modules=no")
    text = guest.run("baton-pipeline --help").stdout
    for option in ("--allocator", "--attach-after", "--attach-late", "--copy", "--processes",
                   "--free-running", "--json"):
        assert option in text


def test_no_camera(boot, pipeline) -> None:
    guest = boot(kernel_args="baton.modules=no")
    for processes in (1, 2):
        run = pipeline(guest, f"--processes {processes}", status=1)
        assert "no camera of driver baton-camera found: load its module" in run.stderr


def test_no_display(boot, pipeline) -> None:
    guest = boot(kernel_args="baton.modules=no")
    guest.run("modprobe baton-camera")
    run = pipeline(guest, "--pattern", status=1)
    assert "no display of driver baton-display found: load its module" in run.stderr


def test_no_permission(guest: Guest) -> None:
    result = guest.run(
        "echo nobody:x:65534:65534::/:/bin/sh >/etc/passwd; su nobody -c baton-pipeline",
        check=False,
    )
    assert result.status == 1
    assert "no permission for /dev/video*; try as root" in result.stderr


WRONG_VALUES = [
    ("--camera /dev/video9", "/dev/video9: No such file or directory"),
    ("--camera /dev/null", "/dev/null: not a V4L2 device"),
    ("--card /dev/null", "/dev/null: no DRM device with atomic mode setting"),
    ("--size 62x64", "the camera does not offer 62x64; the nearest is 64x64"),
    ("--size 640x360 --mode 320x240", "does not fit the mode of 320x240"),
    ("--json /nowhere/report", "/nowhere/report: No such file or directory"),
    ("--size 640x360 --buffers 32 --json /dev/full", "/dev/full: writing the report"),
]


def test_wrong_values(guest: Guest) -> None:
    for options, message in WRONG_VALUES:
        result = guest.run(
            f"baton-pipeline --pattern --free-running --frames 2 {options}", check=False
        )
        assert result.status == 1, f"{options}: {result.stderr}"
        assert message in result.stderr


def test_camera_in_use(guest: Guest, pipeline) -> None:
    first = guest.spawn("exec baton-pipeline --pattern --size 640x360 2>&1")
    first.wait_output(SHOWING)
    run = pipeline(guest, "--size 640x360", status=1)
    assert "another program uses the camera" in run.stderr
    first.kill(signal.SIGINT)
    assert first.wait().status == 0


def test_camera_process_dies(guest: Guest, pipeline) -> None:
    """The other process ends, with its report."""
    command = guest.spawn(
        "exec baton-pipeline --pattern --size 640x360 --processes 2 --json /tmp/report.json 2>&1"
    )
    command.wait_output(SHOWING)
    guest.run("kill -9 $(pidof baton-pipeline | tr ' ' '\\n' | sort -n | tail -n1)")
    assert command.wait().status == 1
    assert "the camera's process has ended" in command.stdout
    assert pipeline.read(guest, "/tmp/report.json").summary["shown"] > 0


def test_silent_camera(guest: Guest, pipeline) -> None:
    """A camera without frames is reported instead of waited for."""
    run = pipeline(guest, "--pattern --fps 0.25 --timeout 1", status=1)
    assert "no frame from the camera for 1 s" in run.stderr


def test_memory_that_cannot_be_shared(guest: Guest, pipeline) -> None:
    """vivid's memory is scattered: the display needs one piece."""
    guest.run("modprobe vivid multiplanar=2 no_error_inj=1")
    node = guest.run("grep -l vivid /sys/class/video4linux/video*/name | head -n1").stdout
    camera = "/dev/" + node.split("/")[-2]
    with guest.expect_splat("dma_direct_map_sg"):  # the kernel's own word on it
        run = pipeline(guest, f"--camera {camera} --size 640x360 --frames 4", status=1)
    assert "a buffer cannot be shared: the display refuses the camera's memory" in run.stderr


def test_foreign_drivers(guest: Guest, pipeline) -> None:
    """Other drivers work too, without hashes."""
    guest.run("modprobe vkms")
    card = "/dev/dri/" + guest.run("basename /sys/devices/*/vkms/drm/card*").stdout.strip()
    run = pipeline(guest, f"--card {card} --pattern --size 640x360 --frames 4 --hash")
    assert run.summary["shown"] > 0
    assert run.summary["underruns"] is None
    assert {frame["display_hash"] for frame in run.shown} == {None}
    assert "no hashes and addresses from the display" in run.stderr
