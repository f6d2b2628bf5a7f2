# SPDX-License-Identifier: GPL-2.0-or-later
"""LIF: what an importer must hold, and give back."""

import pytest

from harness.kms import Kms
from harness.program import Program
from harness.v4l2 import V4l2

from .dmabuf import PAGE, Dmabuf
from .probe import Probe, flag
from .project import expect_bug, throw_away, wide

SIZE = 16 * PAGE


@pytest.mark.clause("LIF-02")
def test_neither_attach_nor_map_takes_a_reference(exporter, probe, evidence):
    buffer, device = probe.buffer(exporter.make(SIZE).fd), wide(probe)

    def references() -> tuple[int, int]:
        return buffer.info().references, device.info().references

    seen = [references()]
    attachment = buffer.attach(device)
    seen.append(references())
    mapping = attachment.map()
    seen.append(references())
    mapping.unmap()
    attachment.detach()
    seen.append(references())
    evidence(f"dma_buf, device: {seen}")
    assert len(set(seen)) == 1


def _hand_over(dmabuf: Dmabuf, probe: Probe, program: Program, size: int) -> int:
    """A buffer that an engine can use, of which PROGRAM has the only descriptor."""
    stub = probe.export(size, without=(), flags=flag("EXPORT_CONTIGUOUS") | flag("EXPORT_LOW"))
    fd = program.number("adopt", dmabuf("pid")[0], stub.fd)
    dmabuf("close", stub.fd)
    return fd


@pytest.mark.clause("LIF-02", "LIF-04")
def test_the_display_holds_what_it_imported(dmabuf, programs, probe, evidence):
    """For as long as there is a framebuffer."""
    kms = programs(Kms)
    fd = _hand_over(dmabuf, probe, kms, 128 * 96 * 4)
    handle = kms.number("import", fd)
    fb = kms.add_fb("XR24", 128, 96, handle, 128 * 4)
    kms("free", handle)
    kms("close", fd)
    held = probe.unpinned_ops()
    kms("rmfb", fb)
    after = probe.unpinned_ops()
    evidence(f"no descriptor, no handle: {held}; no framebuffer: {after}")
    assert held == ["ATTACH", "MAP"]
    assert after == ["UNMAP", "DETACH", "RELEASE"]


@pytest.mark.clause("LIF-02", "LIF-04")
def test_the_camera_holds_what_is_queued(dmabuf, programs, probe, evidence):
    camera = programs(V4l2)
    fd = _hand_over(dmabuf, probe, camera, camera.set_format("XR24", 64, 64).sizes[0])
    camera.start_import([[fd]])
    camera("close", fd)
    held = probe.unpinned_ops()
    camera("off")
    camera("request", "dmabuf", 0)
    after = probe.unpinned_ops()
    evidence(f"no descriptor: {held}; not queued any more: {after}")
    assert held == ["ATTACH", "MAP"]
    assert after == ["UNMAP", "DETACH", "RELEASE"]


@pytest.mark.clause("LIF-04")
def test_an_attachment_that_is_left_is_reported(boot, evidence):
    guest, probe = throw_away(boot)
    stub = probe.export()
    buffer = probe.buffer(stub.fd)
    buffer.attach(wide(probe))
    probe.dmabuf("close", stub.fd)
    probe.events()
    with guest.expect_splat("WARNING.*dma_buf_release"):
        buffer.drop(force=True)
        assert probe.ops() == ["RELEASE"]
    evidence("a warning after release ran")


@pytest.mark.clause("LIF-04")
def test_a_vmap_that_is_left_is_a_bug(boot, evidence):
    guest, probe = throw_away(boot)
    stub = probe.export()
    buffer = probe.buffer(stub.fd)
    buffer.vmap()
    probe.dmabuf("close", stub.fd)
    with expect_bug(guest, "dma_buf_release"):
        probe.start("DROP", id=buffer.id, flags=1)
    evidence("BUG_ON")
