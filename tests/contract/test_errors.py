# SPDX-License-Identifier: GPL-2.0-or-later
"""ERR: bad input."""

import pytest

from .dmabuf import READ, io, ior, iow, iowr


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
