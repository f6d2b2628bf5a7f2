# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame of the contract suite; docs/contract.md tells how to write a test for it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from harness.errors import InfrastructureError
from harness.guest import Guest, GuestConfig
from harness.paths import BUILD
from harness.program import Program
from harness.shared import SharedGuest

from .clauses import CONTRACT, EXPORTERS
from .dmabuf import Dmabuf
from .exporters import BY_NAME, Exporter
from .kernel import KERNELS, is_one_of, kernel_name
from .probe import Mapping, Probe
from .report import clauses_of, exporter_of

# The console on the display would be a dma-buf, too.
KERNEL_ARGS = "drm_kms_helper.fbdev_emulation=0"
# With displays that reach half of the low bank, so that a buffer of display0 must move, too.
MACHINE = "baton-windows"
_CLEAN = pytest.StashKey[bool]()
AnyProgram = TypeVar("AnyProgram", bound=Program)


def pytest_configure(config: pytest.Config) -> None:
    for line in ("clause(id..., exporter=name): the clauses of the contract that it tests",
                 "exporters(name...): those that `exporter` stands for, one after the other",
                 "not_on(kernel...): not for these, as its clause says"):
        config.addinivalue_line("markers", line)


def _exemption(kind: str, clauses: list[str], exporter: str) -> str | None:
    """The reason why EXPORTER is exempt from all these clauses."""
    found = [CONTRACT.clauses[id_].exemption(kind, exporter, kernel_name()) for id_ in clauses]
    return found[0].reason if found and all(found) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "exporter" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("exporters")
    clauses = clauses_of(metafunc.definition)
    parameters = []
    for name in marker.args if marker else EXPORTERS:
        if _exemption("not_applicable", clauses, name):
            continue
        defect = _exemption("defect", clauses, name)
        marks = [pytest.mark.xfail(strict=True, reason=defect)] if defect else []
        parameters.append(pytest.param(name, marks=marks))
    metafunc.parametrize("exporter", parameters, indirect=True)


def _left_out(item: pytest.Item) -> bool:
    kernels = {name for mark in item.iter_markers("not_on") for name in mark.args}
    if unknown := kernels - set(KERNELS):
        raise pytest.UsageError(f"{item.nodeid}: no kernel {', '.join(sorted(unknown))}")
    return is_one_of(kernel_name(), kernels)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _left_out(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tell report.py, and the JUnit file, what the test is about."""
    item.user_properties += [("clause", CONTRACT.clauses[id_].id) for id_ in clauses_of(item)]
    item.user_properties.append(("exporter", exporter_of(item)))


@pytest.fixture
def boot(boot: Callable[..., Guest]) -> Callable[..., Guest]:
    """Guests like the shared one."""
    def start(kernel_args: str = "", dtb: str | Path = MACHINE, **config) -> Guest:
        return boot(dtb=dtb, kernel_args=f"{KERNEL_ARGS} {kernel_args}", **config)

    return start


@pytest.fixture(scope="session")
def shared_guest() -> Iterator[SharedGuest]:
    shared = SharedGuest("contract", GuestConfig(dtb=MACHINE, kernel_args=KERNEL_ARGS))
    yield shared
    shared.drop()


@pytest.fixture
def guest(request: pytest.FixtureRequest, shared_guest: SharedGuest, artifacts) -> Iterator[Guest]:
    """MACHINE, which earlier tests have used, too. No dma-buf may be left."""
    yield from shared_guest.lend(request, artifacts, lambda: request.node.stash.get(_CLEAN, False))


class Programs:
    """Starts programs of the guest: a = programs(), b = programs(), c = programs(Kms)."""

    def __init__(self, guest: Guest):
        self._guest = guest
        self._started: list[Program] = []
        self.leak: str | None = None

    def __call__(self, kind: type[AnyProgram] = Dmabuf) -> AnyProgram:
        program = kind(self._guest)
        self._started.append(program)
        return program

    def finish(self) -> None:
        """End them; then no dma-buf may be left, unless the test gave a reason in `leak`."""
        for program in self._started:
            if not program.ended:
                program.close()
        text = self._guest.run("cat /sys/kernel/debug/dma_buf/bufinfo").stdout
        left = not text.endswith("Total 0 objects, 0 bytes\n")
        assert self.leak or not left, f"dma-bufs are left:\n{text}"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item):
    item.stash[_CLEAN] = False
    result = yield
    if programs := item.funcargs.get("programs"):
        programs.finish()
    item.stash[_CLEAN] = not (programs and programs.leak)
    return result


@pytest.fixture
def programs(guest: Guest) -> Programs:
    return Programs(guest)


@pytest.fixture
def dmabuf(programs: Programs) -> Dmabuf:
    return programs()


@pytest.fixture
def exporter(request: pytest.FixtureRequest, dmabuf: Dmabuf) -> Exporter:
    if request.param not in BY_NAME:
        raise InfrastructureError(f"no exporter is called {request.param}")
    return BY_NAME[request.param](dmabuf)


@pytest.fixture
def evidence(record_property) -> Callable[[str], None]:
    """Record what was seen: evidence("st_ino 12 != 13")."""
    return partial(record_property, "evidence")


@pytest.fixture
def probe(dmabuf: Dmabuf) -> Probe:
    """Kernel importers and exporters in the same program."""
    return Probe(dmabuf)


@pytest.fixture
def core_keeps_tables() -> bool:
    """Whether the core maps from attach to detach if importer or exporter is static: 6.12 does."""
    return is_one_of(kernel_name(), ("6.12",))


@pytest.fixture
def pins_mapped(kernel_config: set[str]) -> bool:
    """Whether the core pins for each importer that maps, static or not."""
    return "# CONFIG_DMABUF_MOVE_NOTIFY is not set" in kernel_config


@pytest.fixture
def let_go(pins_mapped: bool) -> Callable[[Mapping], None]:
    """Drops a mapping, with which the buffer could not move, where it is pinned by that."""
    return Mapping.unmap if pins_mapped else lambda _: None


@pytest.fixture(scope="session")
def kernel_config() -> set[str]:
    """The lines of the kernel's configuration."""
    return set((BUILD / "linux" / ".config").read_text().splitlines())
