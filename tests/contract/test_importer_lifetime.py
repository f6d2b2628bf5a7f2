# SPDX-License-Identifier: GPL-2.0-or-later
"""LIF: what an importer must hold, and give back."""

import pytest

from .dmabuf import PAGE
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
