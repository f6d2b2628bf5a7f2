# SPDX-License-Identifier: GPL-2.0-or-later
"""Manual, header and device agree: reset values, access types, reserved bits."""

import pytest

from harness.regs import camera as regs
from model import manual
from model.camera import NV12, XRGB8888, Camera

MANUAL = manual.load("camera")
ALL = 0xffff_ffff
CONFIG_ERROR = regs.CAM_IRQ_STATUS.CONFIG_ERROR
BAD_CONFIG = regs.BATON_CAMERA_DESC_BAD_CONFIG

WRITABLE = [name for name, reg in MANUAL.items() if reg.access.startswith("rw")]
STOPPED = [name for name, reg in MANUAL.items() if reg.access == "rw (stopped)"]
READ_ONLY = [name for name, reg in MANUAL.items()
             if reg.access == "ro" and reg.reset is not None]


def valid_bits(name: str) -> int:
    if name == "CAM_RING_LO":
        return ALL & ~0x3f
    if name == "CAM_IRQ_ENABLE":
        name = "CAM_IRQ_STATUS"
    fields = regs.registers[name].fields.values()
    return sum(fields) if fields else ALL


def expect_refused(camera: Camera, offset: int) -> None:
    assert camera.ack() == CONFIG_ERROR
    assert camera.error == (BAD_CONFIG, offset)


def test_manual_has_the_registers_of_the_header():
    assert {name: reg.offset for name, reg in MANUAL.items()} == regs.registers


def test_manual_has_the_access_types_of_the_header():
    assert {name: reg.access.split(" (")[0] for name, reg in MANUAL.items()} == \
        {name: reg.access for name, reg in regs.registers.items()}


def test_manual_has_the_fields_of_the_header():
    assert {name: reg.fields for name, reg in MANUAL.items()} == \
        {name: {field: (bits.shift, bits.length) for field, bits in reg.fields.items()}
         for name, reg in regs.registers.items()}


def check_reset_values(camera: Camera) -> None:
    for name, reg in MANUAL.items():
        if reg.reset is not None:
            assert camera.read(reg.offset) == reg.reset, name


def test_reset_values(camera):
    check_reset_values(camera)


def test_reset_bit_restores_reset_values(camera):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.write(regs.CAM_IRQ_ENABLE, 0xff)
    camera.write(regs.CAM_DMA_RATE, 5)
    camera.write(regs.CAM_RECALL, 7)
    camera.write(regs.CAM_TAIL, 0x100)
    camera.enable(regs.CAM_CTRL.HASH)
    camera.m.clock_step(25_000_000)
    camera.read64(regs.CAM_BYTES_LO)
    camera.write(regs.CAM_CTRL, regs.CAM_CTRL.RESET | regs.CAM_CTRL.ENABLE)
    check_reset_values(camera)


@pytest.mark.parametrize("name", READ_ONLY)
def test_read_only(camera, name):
    reg = MANUAL[name]
    camera.write(reg.offset, ALL)
    assert camera.read(reg.offset) == reg.reset
    assert camera.irqs == 0
    assert "not writable" in camera.m.log


@pytest.mark.parametrize("name", WRITABLE)
def test_writable_bits_read_back(camera, name):
    offset = MANUAL[name].offset
    camera.write(regs.CAM_RING_SIZE, 256)
    bits = valid_bits(name)
    if name == "CAM_CTRL":
        bits &= ~(regs.CAM_CTRL.ENABLE | regs.CAM_CTRL.RESET)
    for bit in range(32):
        if bits >> bit & 1:
            camera.write(offset, 1 << bit)
            assert camera.read(offset) == 1 << bit
    assert camera.irqs == 0


@pytest.mark.parametrize("name", [*WRITABLE, "CAM_RECALL", "CAM_RESTORE"])
def test_reserved_bits_are_refused(camera, name):
    offset = MANUAL[name].offset
    before = camera.read(offset)
    for bit in range(32):
        if not valid_bits(name) >> bit & 1:
            camera.write(offset, 1 << bit)
            assert camera.read(offset) == before
            expect_refused(camera, offset)


@pytest.mark.parametrize("name", STOPPED)
def test_locked_while_running(camera, name):
    camera.setup()
    camera.enable()
    camera.ack()
    before = camera.read(MANUAL[name].offset)
    camera.write(MANUAL[name].offset, 0x40)
    assert camera.read(MANUAL[name].offset) == before
    expect_refused(camera, MANUAL[name].offset)


def test_freerun_and_pattern_are_fixed_while_running(camera):
    camera.setup()
    camera.enable()
    camera.ack()
    for bit in (regs.CAM_CTRL.FREERUN, regs.CAM_CTRL.PATTERN):
        camera.enable(bit)
        assert camera.read(regs.CAM_CTRL) == regs.CAM_CTRL.ENABLE
        expect_refused(camera, regs.CAM_CTRL)
    camera.enable(regs.CAM_CTRL.HASH)
    assert camera.read(regs.CAM_CTRL) == regs.CAM_CTRL.ENABLE | regs.CAM_CTRL.HASH
    assert camera.irqs == 0


def test_write_only_reads_as_zero(camera):
    for name in ("CAM_RECALL", "CAM_RESTORE"):
        camera.write(MANUAL[name].offset, 3)
        assert camera.read(MANUAL[name].offset) == 0


def test_interrupt_status_and_line(camera):
    camera.m.intercept_out("/machine/camera0")
    camera.write(regs.CAM_DMA_RATE, 0)
    assert camera.read(regs.CAM_DMA_RATE) == regs.BATON_CAMERA_DMA_RATE_RESET
    assert camera.irqs == CONFIG_ERROR
    assert not camera.m.irq()
    camera.write(regs.CAM_IRQ_ENABLE, regs.CAM_IRQ_STATUS.DROP)
    assert not camera.m.irq()
    camera.write(regs.CAM_IRQ_ENABLE, CONFIG_ERROR)
    assert camera.m.irq()
    camera.write(regs.CAM_IRQ_STATUS, ALL & ~CONFIG_ERROR)
    assert camera.m.irq()
    camera.write(regs.CAM_IRQ_STATUS, CONFIG_ERROR)
    assert not camera.m.irq()
    assert camera.irqs == 0


def test_any_interrupt_reaches_the_gic(camera):
    """Interrupt 64 (SPI 32) is pending, whichever bit of IRQ_STATUS is its cause."""
    pending = 0x2f00_0000 + 0x200 + 64 // 8     # GICD_ISPENDR2
    camera.write(regs.CAM_IRQ_ENABLE, 0xff)
    assert camera.m.readl(pending) == 0
    camera.write(regs.CAM_DMA_RATE, 0)
    assert camera.irqs == CONFIG_ERROR
    assert camera.m.readl(pending) == 1
    camera.ack()
    assert camera.m.readl(pending) == 0


def test_first_error_is_kept(camera):
    camera.write(regs.CAM_DMA_RATE, 0)
    camera.write(regs.CAM_CTRL, 0x100)
    assert camera.error == (BAD_CONFIG, regs.CAM_DMA_RATE)
    assert camera.error == (0, 0)
    camera.write(regs.CAM_CTRL, 0x100)
    assert camera.error == (BAD_CONFIG, regs.CAM_CTRL)


def test_offsets_without_register(camera):
    known = {reg.offset for reg in MANUAL.values()}
    for offset in range(0, regs.BATON_CAMERA_MMIO_SIZE, 4):
        if offset not in known:
            camera.write(offset, ALL)
            assert camera.read(offset) == 0, hex(offset)
    assert camera.irqs == 0
    check_reset_values(camera)


def test_only_words_are_accepted(camera):
    camera.m.writeb(camera.base + regs.CAM_IRQ_ENABLE, 1)
    camera.m.writew(camera.base + regs.CAM_IRQ_ENABLE, 1)
    assert camera.read(regs.CAM_IRQ_ENABLE) == 0
    assert camera.m.readw(camera.base + regs.CAM_ID) != regs.BATON_CAMERA_ID & 0xffff


ILLEGAL = [
    (regs.CAM_FORMAT, 3), (regs.CAM_FORMAT, 15),
    (regs.CAM_SIZE, 62 | 64 << 16), (regs.CAM_SIZE, 64 | 62 << 16),
    (regs.CAM_SIZE, 65 | 64 << 16), (regs.CAM_SIZE, 64 | 65 << 16),
    (regs.CAM_SIZE, 3842 | 64 << 16), (regs.CAM_SIZE, 64 | 2162 << 16), (regs.CAM_SIZE, 0),
    (regs.CAM_PITCH, 240), (regs.CAM_PITCH, 264), (regs.CAM_PITCH, 0),
    (regs.CAM_PITCH, 256 | 256 << 16),
    (regs.CAM_INTERVAL, regs.BATON_CAMERA_MIN_INTERVAL_NS - 1),
    *((regs.CAM_RING_SIZE, entries) for entries in (0, 1, 3, 257, 511)),
]


@pytest.mark.parametrize(("register", "value"), ILLEGAL)
def test_illegal_value_keeps_the_engine_off(camera, register, value):
    camera.setup()
    camera.queue(camera.buffer(0))
    camera.write(register, value)
    camera.enable(regs.CAM_CTRL.HASH)
    assert camera.read(regs.CAM_CTRL) == regs.CAM_CTRL.HASH
    assert camera.read(regs.CAM_STATUS) == 0
    expect_refused(camera, register)
    camera.m.clock_step(50_000_000)
    assert camera.irqs == 0


@pytest.mark.parametrize("pitch", [0, 48, 64, 72])
def test_pitch_of_the_second_plane(camera, pitch):
    camera.setup(fmt=NV12)
    camera.write(regs.CAM_PITCH, 64 | pitch << 16)
    camera.enable()
    enabled = camera.read(regs.CAM_CTRL) & regs.CAM_CTRL.ENABLE
    assert enabled == (pitch == 64)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (3840, 2160), (3840, 64), (64, 2160)])
def test_limits_of_size_are_legal(camera, width, height):
    camera.setup(width, height, XRGB8888)
    camera.enable()
    assert camera.read(regs.CAM_STATUS) == regs.CAM_STATUS.RUNNING


def test_tail_beyond_the_ring_is_refused(camera):
    camera.setup(entries=4)
    camera.write(regs.CAM_TAIL, 3)
    assert camera.irqs == 0
    camera.write(regs.CAM_TAIL, 4)
    assert camera.read(regs.CAM_TAIL) == 3
    expect_refused(camera, regs.CAM_TAIL)


@pytest.mark.parametrize("name", ["CAM_RING_LO", "CAM_RING_HI", "CAM_RING_SIZE"])
def test_ring_registers_empty_the_ring(camera, name):
    camera.setup()
    camera.write(regs.CAM_TAIL, 3)
    camera.write(MANUAL[name].offset, camera.read(MANUAL[name].offset))
    assert camera.read(regs.CAM_TAIL) == 0
    assert camera.read(regs.CAM_HEAD) == 0


def test_time_is_latched(camera):
    camera.m.clock_step(5_000_000_000)
    assert camera.read64(regs.CAM_TIME_LO) == camera.m.clock
    camera.m.clock_step(5_000_000_000)
    assert camera.read(regs.CAM_TIME_HI) == 5_000_000_000 >> 32
