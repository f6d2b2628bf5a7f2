# SPDX-License-Identifier: GPL-2.0-or-later
"""The register headers, as the tests see them."""

import pytest

from harness.regs import camera, display, regs


def test_registers_are_their_offsets():
    assert regs.CAM_CTRL == 0x00C
    assert regs.DISP_EDID == 0x800


def test_fields_are_their_masks():
    assert regs.CAM_CTRL.ENABLE == 1
    assert regs.CAM_SIZE.HEIGHT == 0xFFFF0000
    assert regs.CAM_SIZE.HEIGHT.put(1080) == 1080 << 16
    assert regs.CAM_SIZE.HEIGHT.get(1080 << 16 | 1920) == 1080
    with pytest.raises(ValueError, match="does not fit"):
        regs.CAM_SIZE.HEIGHT.put(1 << 16)


def test_unknown_names_are_errors():
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = regs.NO_SUCH
    with pytest.raises(AttributeError, match="NO_FIELD in CAM_CTRL"):
        _ = regs.CAM_CTRL.NO_FIELD


@pytest.mark.parametrize("header", [camera, display])
def test_every_register_has_an_access_type(header):
    for name, register in header.registers.items():
        assert register.access, name


@pytest.mark.parametrize("header", [camera, display])
def test_fields_do_not_overlap(header):
    for name, register in header.registers.items():
        seen = 0
        for field_name, field in register.fields.items():
            assert not seen & field, f"{name}.{field_name}"
            seen |= field
