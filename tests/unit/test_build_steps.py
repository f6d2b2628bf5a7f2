# SPDX-License-Identifier: GPL-2.0-or-later
"""What the build's scripts do when they are interrupted, offline, or on a full disk."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.paths import ROOT

DEFAULT_INT = ["env", "--default-signal=INT"]  # a job in the background ignores it


class Checkout:
    """An empty folder that has the build's scripts, its own cache, and stubs of commands."""

    def __init__(self, path: Path):
        self.path, self.home = path / "checkout", path / "home"
        self.cache, self._stubs = path / "cache", path / "stubs"
        for folder in (self.path, self.home, self.cache, self._stubs):
            folder.mkdir()
        for name in (".ci", "Makefile", "versions.mk"):
            (self.path / name).symlink_to(ROOT / name)
        self.env = {**os.environ, "HOME": str(self.home), "BATON_CACHE": str(self.cache),
                    "PATH": f"{self._stubs}:{os.environ['PATH']}"}

    def stub(self, name: str, script: str) -> Path:
        """Let the command NAME be a script."""
        path = self._stubs / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    def run(self, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(command, cwd=self.path, env=self.env, capture_output=True, text=True)

    def lib(self, script: str) -> subprocess.CompletedProcess:
        """Run a script that uses the shell functions."""
        return self.run("bash", "-euc", f". .ci/lib.sh; {script}")


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    return Checkout(tmp_path)


def test_step_keeps_what_a_command_says_in_a_log(checkout):
    done = checkout.run(".ci/step", "quiet", "echo", "details")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (checkout.path / "build/log/quiet.log").read_text() == "details\n"


def test_step_that_fails_shows_its_log(checkout):
    done = checkout.run(".ci/step", "bad", "sh", "-c", "echo the reason; exit 3")
    assert done.returncode == 3
    assert "the reason" in done.stderr and "full log in build/log/bad.log" in done.stderr
    assert "baton:" not in done.stderr, "explained by what was not the cause"


def test_step_that_is_interrupted(checkout):
    os.mkfifo(checkout.path / "started")
    script = "echo >started; exec sleep 1000"
    with subprocess.Popen([*DEFAULT_INT, ".ci/step", "long", "sh", "-c", script],
                          cwd=checkout.path, env=checkout.env, start_new_session=True,
                          stderr=subprocess.PIPE, text=True) as step:
        (checkout.path / "started").read_text()
        os.killpg(step.pid, signal.SIGINT)
        said = step.communicate()[1]
    assert step.returncode == 130
    assert "long: interrupted; run the same command to go on" in said


@pytest.mark.parametrize("reason", [
    "Temporary failure resolving 'mirror.example'",
    "E: Failed to fetch http://mirror.example/x",
    "Failed to establish a new connection: [Errno 111] Connection refused",
])
def test_step_without_a_network(checkout, reason):
    done = checkout.run(".ci/step", "fetch", "sh", "-c", f'echo "{reason}"; exit 100')
    assert done.returncode == 100
    assert "the package mirror cannot be reached" in done.stderr


@pytest.mark.parametrize("full", ["checkout", "cache"])
def test_step_on_a_full_disk_that_holds_the_log_too(checkout, full):
    folder = {"checkout": ".", "cache": str(checkout.cache)}[full]
    checkout.stub("df", f'echo Avail; [ "${{@: -1}}" = {folder} ] && echo 0 || echo 99999999')
    done = checkout.run(".ci/step", "build", "false")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr


def test_step_that_cannot_write_its_log_does_not_start(checkout):
    (checkout.path / "build").write_text("in the way")
    done = checkout.run(".ci/step", "build", "touch", "ran")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "cannot create directory" in line
    assert not (checkout.path / "ran").exists()


def test_link_tree_patches_the_copy_only(checkout):
    source = checkout.path / "source"
    source.mkdir()
    (source / "file").write_text("old\n")
    (source / "other").write_text("same\n")
    patch = "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n"
    (checkout.path / "patch").write_text(patch)
    for _ in range(2):  # the second time over what the first left
        assert checkout.lib("link_tree source new patch").returncode == 0
        assert (checkout.path / "new/file").read_text() == "new\n"
        assert (source / "file").read_text() == "old\n"
    assert (checkout.path / "new/other").samefile(source / "other")
    assert checkout.lib("link_tree new again patch").returncode == 0, "a patch it has already"
    (source / "file").write_text("neither\n")
    done = checkout.lib("link_tree source new patch")
    assert done.returncode and "patch does not apply to source" in done.stderr


def test_keep_newest(checkout):
    folder = checkout.path / "kept"
    for age, name in enumerate(("new", "a name", "old", "older")):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    assert checkout.lib("keep_newest 2 kept").returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == ["a name", "new"]


APT = """case $* in
*indextargets*) echo Debian http://mirror.invalid/debian trixie ;;
*download*) [ -e "$HOME/offline" ] && exit 100; touch mate-backgrounds_1_all.deb ;;
esac"""


def test_fetch_goes_on_after_a_fetch_that_failed(checkout):
    checkout.stub("apt-get", APT)
    checkout.stub("dpkg-deb", 'mkdir -p "$3" && touch "$3/photo"')
    photos, work = checkout.cache / "src/photos", checkout.cache / "src/.photos"
    (work / "tree").mkdir(parents=True)
    (work / "tree/half").write_text("of an earlier fetch")
    (checkout.home / "offline").touch()
    assert checkout.run(".ci/fetch", "photos").returncode == 100
    assert not photos.exists()
    (checkout.home / "offline").unlink()
    done = checkout.run(".ci/fetch", "photos")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in photos.iterdir()] == ["photo"]
    assert not work.exists()
    checkout.stub("apt-get", "exit 1")
    assert checkout.run(".ci/fetch", "photos").returncode == 0, "it asked the mirror again"


@pytest.mark.parametrize(("archive", "said"), [("10.0.13", False), ("10.0.14", True)])
def test_another_point_release_is_named(checkout, archive, said):
    checkout.stub("apt-get", APT + "\ntouch qemu_10.0.dsc")
    checkout.stub("dpkg-source", f'mkdir "$4" && echo {archive} >"$4/VERSION"')
    done = checkout.run(".ci/step", "fetch", ".ci/fetch", "qemu-10.0", "trixie", "10.0.13")
    assert done.returncode == 0, done.stderr
    assert (checkout.cache / "src/qemu-10.0/VERSION").read_text() == f"{archive}\n"
    assert (f"the archive has qemu {archive}; 10.0.13 was tested" in done.stderr) == said


PIP = """mkdir -p "${PIP_CACHE_DIR:-$HOME/.cache/pip}"
while [ $# -gt 0 ]; do [ "$1" = -w ] && mkdir -p "$2"; shift; done"""


def test_pip_keeps_its_downloads_in_the_cache(checkout):
    pip = checkout.stub("pip-stub", PIP)
    python = checkout.stub("python-stub", f'[ "$1" = -V ] || {{ mkdir -p "$3/bin"; '
                                          f'cp {pip} "$3/bin/pip"; }}')
    done = checkout.run(".ci/python", str(python))
    assert done.returncode == 0, done.stderr
    assert (checkout.path / "build/venv/.ready").exists()
    assert not list(checkout.home.iterdir())
    assert (checkout.cache / "pip").is_dir()


def test_clean_keeps_the_cache(checkout):
    for folder in (checkout.path / "build", checkout.path / "out", checkout.cache / "src"):
        folder.mkdir()
    done = checkout.run("make", "clean")
    assert done.returncode == 0, done.stderr
    assert str(checkout.cache) in done.stdout
    assert not (checkout.path / "build").exists() and not (checkout.path / "out").exists()
    assert (checkout.cache / "src").is_dir()


def test_help_lists_what_the_documents_name():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {"demo", "test", "run", "shell", "bench", "check", "clean", "help", "proof",
            "test-full", "BATON_CACHE", "BATON_STALL", "GUEST"} <= listed


def test_tests_write_nothing_outside_the_checkout(tmp_path):
    home, tmp = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    tmp.mkdir()
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(("PYTEST_", "XDG_"))}
    env |= {"HOME": str(home), "TMPDIR": str(tmp), "PYTHONPATH": "tests"}
    command = ["build/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider",
               "tests/unit/test_verdict.py", "tests/model/test_camera_live.py"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert not list(home.iterdir()) and not list(tmp.iterdir())
