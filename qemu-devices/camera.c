/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton camera: registers, interrupt, migration */
#include "qemu/osdep.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "migration/vmstate.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "camera.h"
#include "trace.h"

typedef enum CameraAccess {
    UNASSIGNED, RO, RW, WO, W1C,
} CameraAccess;

typedef struct CameraReg {
    CameraAccess access;
    bool locked;                /* not writable while ENABLE is set */
    uint32_t bits;              /* writable; a 1 elsewhere is refused */
} CameraReg;

#define IRQ_BITS 0xff
#define CTRL_BITS (R_CAM_CTRL_ENABLE_MASK | R_CAM_CTRL_FREERUN_MASK | \
                   R_CAM_CTRL_HASH_MASK | R_CAM_CTRL_PATTERN_MASK | \
                   R_CAM_CTRL_RESET_MASK)
#define CTRL_LOCKED_BITS (R_CAM_CTRL_FREERUN_MASK | R_CAM_CTRL_PATTERN_MASK)

static const CameraReg camera_reg_table[CAMERA_NUM_REGS] = {
    [R_CAM_ID]            = { RO },
    [R_CAM_VERSION]       = { RO },
    [R_CAM_CAPS]          = { RO },
    [R_CAM_CTRL]          = { RW, false, CTRL_BITS },
    [R_CAM_STATUS]        = { RO },
    [R_CAM_IRQ_STATUS]    = { W1C, false, UINT32_MAX },
    [R_CAM_IRQ_ENABLE]    = { RW, false, IRQ_BITS },
    [R_CAM_FORMAT]        = { RW, true, R_CAM_FORMAT_PIXEL_MASK },
    [R_CAM_SIZE]          = { RW, true, UINT32_MAX },
    [R_CAM_PITCH]         = { RW, true, UINT32_MAX },
    [R_CAM_INTERVAL]      = { RW, true, UINT32_MAX },
    [R_CAM_DMA_RATE]      = { RW, false, UINT32_MAX },
    [R_CAM_RING_LO]       = { RW, true, ~(BATON_CAMERA_DESC_SIZE - 1u) },
    [R_CAM_RING_HI]       = { RW, true, R_CAM_RING_HI_ADDR_MASK },
    [R_CAM_RING_SIZE]     = { RW, true, R_CAM_RING_SIZE_ENTRIES_MASK },
    [R_CAM_HEAD]          = { RO },
    [R_CAM_TAIL]          = { RW, false, R_CAM_TAIL_INDEX_MASK },
    [R_CAM_RECALL]        = { WO, false, R_CAM_RECALL_INDEX_MASK },
    [R_CAM_RESTORE]       = { WO, false, R_CAM_RESTORE_INDEX_MASK },
    [R_CAM_RECALL_RESULT] = { RO },
    [R_CAM_SRC_KIND]      = { RO },
    [R_CAM_SRC_SIZE]      = { RO },
    [R_CAM_SRC_INTERVAL]  = { RO },
    [R_CAM_SRC_COLOR]     = { RO },
    [R_CAM_SRC_STATUS]    = { RO },
    [R_CAM_FRAMES]        = { RO },
    [R_CAM_DROPS]         = { RO },
    [R_CAM_OVERRUNS]      = { RO },
    [R_CAM_ERRORS]        = { RO },
    [R_CAM_BYTES_LO]      = { RO },
    [R_CAM_BYTES_HI]      = { RO },
    [R_CAM_TIME_LO]       = { RO },
    [R_CAM_TIME_HI]       = { RO },
    [R_CAM_ERR_STATUS]    = { RW, false, UINT32_MAX },
    [R_CAM_ERR_ADDR_LO]   = { RO },
    [R_CAM_ERR_ADDR_HI]   = { RO },
};

const char *camera_name(BatonCameraState *s)
{
    return object_get_canonical_path_component(OBJECT(s));
}

unsigned camera_line_bytes(BatonCameraState *s, unsigned plane)
{
    static const uint8_t bytes_per_pixel[][CAMERA_NUM_PLANES] = {
        [BATON_CAMERA_FORMAT_XRGB8888] = { 4, 0 },
        [BATON_CAMERA_FORMAT_RGB565] = { 2, 0 },
        [BATON_CAMERA_FORMAT_NV12] = { 1, 1 },
    };

    return CAMERA_FIELD(s, SIZE, WIDTH) *
           bytes_per_pixel[CAMERA_FIELD(s, FORMAT, PIXEL)][plane];
}

static void update_irq(BatonCameraState *s)
{
    qemu_set_irq(s->irq,
                 !!(CAMERA_REG(s, IRQ_STATUS) & CAMERA_REG(s, IRQ_ENABLE)));
}

void camera_raise(BatonCameraState *s, uint32_t irqs)
{
    CAMERA_REG(s, IRQ_STATUS) |= irqs;
    update_irq(s);
}

void camera_note_error(BatonCameraState *s, const CameraError *error)
{
    uint32_t status = 0;

    trace_baton_camera_error(camera_name(s), error->code, error->plane,
                             error->addr);
    if (CAMERA_REG(s, ERR_STATUS)) {
        return;
    }
    status = FIELD_DP32(status, CAM_ERR_STATUS, CODE, error->code);
    status = FIELD_DP32(status, CAM_ERR_STATUS, PLANE, error->plane);
    status = FIELD_DP32(status, CAM_ERR_STATUS, INDEX, CAMERA_REG(s, HEAD));
    CAMERA_REG(s, ERR_STATUS) = status;
    CAMERA_REG(s, ERR_ADDR_LO) = error->addr;
    CAMERA_REG(s, ERR_ADDR_HI) = error->addr >> 32;
}

static void refuse(BatonCameraState *s, hwaddr reg)
{
    const CameraError error = { BATON_CAMERA_DESC_BAD_CONFIG, 0, reg };

    qemu_log_mask(LOG_GUEST_ERROR, "%s: value of register 0x%" HWADDR_PRIx
                  " refused\n", camera_name(s), reg);
    camera_note_error(s, &error);
    camera_raise(s, R_CAM_IRQ_STATUS_CONFIG_ERROR_MASK);
}

static bool size_is_valid(BatonCameraState *s)
{
    uint32_t width = CAMERA_FIELD(s, SIZE, WIDTH);
    uint32_t height = CAMERA_FIELD(s, SIZE, HEIGHT);

    if (!camera_uses_pattern(s) && (width != s->source.format.width ||
                                    height != s->source.format.height)) {
        return false;
    }
    return width % 2 == 0 && height % 2 == 0 &&
           width >= BATON_CAMERA_MIN_SIZE && width <= BATON_CAMERA_MAX_WIDTH &&
           height >= BATON_CAMERA_MIN_SIZE && height <= BATON_CAMERA_MAX_HEIGHT;
}

static bool pitch_is_valid(BatonCameraState *s, unsigned plane, uint32_t pitch)
{
    unsigned line_bytes = camera_line_bytes(s, plane);

    if (!line_bytes) {
        return pitch == 0;
    }
    return pitch % BATON_CAMERA_PITCH_ALIGN == 0 && pitch >= line_bytes;
}

/* The first register with which the engine cannot run; 0, the ID, if none */
static hwaddr illegal_register(BatonCameraState *s)
{
    uint32_t entries = CAMERA_REG(s, RING_SIZE);

    if (CAMERA_FIELD(s, FORMAT, PIXEL) > BATON_CAMERA_FORMAT_NV12) {
        return A_CAM_FORMAT;
    }
    if (!size_is_valid(s)) {
        return A_CAM_SIZE;
    }
    if (!pitch_is_valid(s, 0, CAMERA_FIELD(s, PITCH, PLANE0)) ||
        !pitch_is_valid(s, 1, CAMERA_FIELD(s, PITCH, PLANE1))) {
        return A_CAM_PITCH;
    }
    if (CAMERA_REG(s, INTERVAL) < BATON_CAMERA_MIN_INTERVAL_NS) {
        return A_CAM_INTERVAL;
    }
    if (entries < 2 || entries > BATON_CAMERA_MAX_RING ||
        !is_power_of_2(entries)) {
        return A_CAM_RING_SIZE;
    }
    return 0;
}

static void camera_reset(BatonCameraState *s)
{
    camera_source_restart(s);
    memset(s->regs, 0, sizeof(s->regs));
    CAMERA_REG(s, DMA_RATE) = BATON_CAMERA_DMA_RATE_RESET;
    s->bytes = 0;
    camera_ring_clear(s);
    camera_engine_stop(s);
    update_irq(s);
}

static void write_ctrl(BatonCameraState *s, uint32_t value)
{
    uint32_t old = CAMERA_REG(s, CTRL);
    bool was_enabled = old & R_CAM_CTRL_ENABLE_MASK;
    bool enable = value & R_CAM_CTRL_ENABLE_MASK;

    if (value & R_CAM_CTRL_RESET_MASK) {
        camera_reset(s);
        return;
    }
    if (was_enabled && enable && ((old ^ value) & CTRL_LOCKED_BITS)) {
        refuse(s, A_CAM_CTRL);
        return;
    }
    CAMERA_REG(s, CTRL) = value;
    if (was_enabled && !enable) {
        camera_engine_stop(s);
    } else if (!was_enabled && enable) {
        hwaddr illegal = illegal_register(s);

        if (illegal) {
            CAMERA_REG(s, CTRL) &= ~R_CAM_CTRL_ENABLE_MASK;
            refuse(s, illegal);
            return;
        }
        camera_engine_start(s);
    }
}

/* With TAIL = HEAD the descriptor in flight would not be the engine's. */
static void write_tail(BatonCameraState *s, uint32_t tail)
{
    trace_baton_camera_doorbell(camera_name(s), CAMERA_REG(s, HEAD), tail);
    if (tail >= CAMERA_REG(s, RING_SIZE) ||
        (s->frame.active && tail == CAMERA_REG(s, HEAD))) {
        refuse(s, A_CAM_TAIL);
        return;
    }
    camera_ring_set_tail(s, tail);
    camera_engine_wake(s);
}

static uint32_t recall(BatonCameraState *s, unsigned index)
{
    if (!camera_ring_owns(s, index)) {
        return BATON_CAMERA_RECALL_NOT_OWNED;
    }
    if (s->frame.active && index == CAMERA_REG(s, HEAD)) {
        return BATON_CAMERA_RECALL_IN_FLIGHT;
    }
    s->withdrawn[index] = true;
    return BATON_CAMERA_RECALL_WITHDRAWN;
}

static uint32_t restore(BatonCameraState *s, unsigned index)
{
    if (!camera_ring_owns(s, index)) {
        return BATON_CAMERA_RECALL_NOT_OWNED;
    }
    if (!s->withdrawn[index]) {
        return BATON_CAMERA_RECALL_NOT_WITHDRAWN;
    }
    s->withdrawn[index] = false;
    return BATON_CAMERA_RECALL_RESTORED;
}

static uint32_t read_caps(BatonCameraState *s)
{
    uint32_t caps = R_CAM_CAPS_SG_MASK | R_CAM_CAPS_RECALL_MASK |
                    R_CAM_CAPS_HASH_MASK | R_CAM_CAPS_PATTERN_MASK;

    return FIELD_DP32(caps, CAM_CAPS, SOURCE,
                      s->source.kind != BATON_CAMERA_SRC_NONE);
}

static uint32_t read_status(BatonCameraState *s)
{
    uint32_t status = 0;

    status = FIELD_DP32(status, CAM_STATUS, RUNNING, camera_running(s));
    status = FIELD_DP32(status, CAM_STATUS, IN_FRAME, s->frame.active);
    return FIELD_DP32(status, CAM_STATUS, HALTED, s->halted);
}

static uint32_t read_src_size(BatonCameraState *s)
{
    uint32_t size = s->source.format.width;

    return FIELD_DP32(size, CAM_SRC_SIZE, HEIGHT, s->source.format.height);
}

static uint32_t read_src_color(BatonCameraState *s)
{
    uint32_t color = s->source.format.encoding;

    return FIELD_DP32(color, CAM_SRC_COLOR, FULL_RANGE,
                      s->source.format.full_range);
}

static uint32_t read_pair(uint64_t value, uint32_t *latched_hi)
{
    *latched_hi = value >> 32;
    return value;
}

static uint32_t read_register(BatonCameraState *s, hwaddr addr)
{
    switch (addr) {
    case A_CAM_ID:
        return BATON_CAMERA_ID;
    case A_CAM_VERSION:
        return FIELD_DP32(0, CAM_VERSION, MAJOR, 1);
    case A_CAM_CAPS:
        return read_caps(s);
    case A_CAM_STATUS:
        return read_status(s);
    case A_CAM_SRC_KIND:
        return s->source.kind;
    case A_CAM_SRC_SIZE:
        return read_src_size(s);
    case A_CAM_SRC_INTERVAL:
        return s->source.format.interval;
    case A_CAM_SRC_COLOR:
        return read_src_color(s);
    case A_CAM_SRC_STATUS:
        return s->source.state;
    case A_CAM_BYTES_LO:
        return read_pair(s->bytes, &CAMERA_REG(s, BYTES_HI));
    case A_CAM_TIME_LO:
        return read_pair(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
                         &CAMERA_REG(s, TIME_HI));
    default:
        return s->regs[addr / 4];
    }
}

static void write_register(BatonCameraState *s, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case A_CAM_CTRL:
        write_ctrl(s, value);
        break;
    case A_CAM_IRQ_STATUS:
        CAMERA_REG(s, IRQ_STATUS) &= ~value;
        update_irq(s);
        break;
    case A_CAM_IRQ_ENABLE:
        CAMERA_REG(s, IRQ_ENABLE) = value;
        update_irq(s);
        break;
    case A_CAM_DMA_RATE:
        if (!value) {
            refuse(s, addr);
            return;
        }
        CAMERA_REG(s, DMA_RATE) = value;
        break;
    case A_CAM_RING_LO:
    case A_CAM_RING_HI:
    case A_CAM_RING_SIZE:
        s->regs[addr / 4] = value;
        camera_ring_clear(s);
        break;
    case A_CAM_TAIL:
        write_tail(s, value);
        break;
    case A_CAM_RECALL:
        CAMERA_REG(s, RECALL_RESULT) = recall(s, value);
        trace_baton_camera_recall(camera_name(s), value,
                                  CAMERA_REG(s, RECALL_RESULT));
        break;
    case A_CAM_RESTORE:
        CAMERA_REG(s, RECALL_RESULT) = restore(s, value);
        trace_baton_camera_restore(camera_name(s), value,
                                   CAMERA_REG(s, RECALL_RESULT));
        camera_engine_wake(s);
        break;
    case A_CAM_ERR_STATUS:
        CAMERA_REG(s, ERR_STATUS) = 0;
        CAMERA_REG(s, ERR_ADDR_LO) = 0;
        CAMERA_REG(s, ERR_ADDR_HI) = 0;
        break;
    default:
        s->regs[addr / 4] = value;
    }
}

static const CameraReg *find_register(BatonCameraState *s, hwaddr addr)
{
    static const CameraReg unassigned = { UNASSIGNED };

    return addr / 4 < CAMERA_NUM_REGS ? &camera_reg_table[addr / 4]
                                      : &unassigned;
}

static uint64_t camera_read(void *opaque, hwaddr addr, unsigned size)
{
    BatonCameraState *s = opaque;
    const CameraReg *reg = find_register(s, addr);
    uint32_t value = 0;

    if (reg->access == UNASSIGNED || reg->access == WO) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: read of 0x%" HWADDR_PRIx
                      ", which is not readable\n", camera_name(s), addr);
    } else {
        value = read_register(s, addr);
    }
    trace_baton_camera_read(camera_name(s), addr, value);
    return value;
}

static void camera_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    BatonCameraState *s = opaque;
    const CameraReg *reg = find_register(s, addr);

    trace_baton_camera_write(camera_name(s), addr, value);
    if (reg->access == UNASSIGNED || reg->access == RO) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: write of 0x%" HWADDR_PRIx
                      ", which is not writable\n", camera_name(s), addr);
    } else if ((value & ~reg->bits) ||
               (reg->locked && CAMERA_FIELD(s, CTRL, ENABLE))) {
        refuse(s, addr);
    } else {
        write_register(s, addr, value);
    }
}

static const MemoryRegionOps camera_ops = {
    .read = camera_read,
    .write = camera_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void camera_realize(DeviceState *dev, Error **errp)
{
    BatonCameraState *s = BATON_CAMERA(dev);

    for (int i = 0; i < CAMERA_NUM_PLANES; i++) {
        s->slice_buffer[i] = g_malloc(BATON_CAMERA_SLICE_LINES *
                                      BATON_CAMERA_MAX_WIDTH *
                                      sizeof(uint32_t));
    }
    baton_dma_init(&s->dma, camera_name(s));
    camera_source_realize(s, errp);
}

static void camera_init(Object *obj)
{
    BatonCameraState *s = BATON_CAMERA(obj);

    memory_region_init_io(&s->iomem, obj, &camera_ops, s, TYPE_BATON_CAMERA,
                          BATON_CAMERA_MMIO_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(obj), &s->iomem);
    sysbus_init_irq(SYS_BUS_DEVICE(obj), &s->irq);
    camera_engine_init(s);
}

static void camera_reset_hold(Object *obj, ResetType type)
{
    camera_reset(BATON_CAMERA(obj));
}

static int camera_post_load(void *opaque, int version_id)
{
    camera_source_reload(opaque);
    return 0;
}

static bool camera_ring_legal(BatonCameraState *s)
{
    uint32_t entries = CAMERA_REG(s, RING_SIZE);

    if (entries & ~R_CAM_RING_SIZE_ENTRIES_MASK) {
        return false;
    }
    /* A write to RING_SIZE leaves both at 0. */
    return (CAMERA_REG(s, HEAD) < entries || !CAMERA_REG(s, HEAD)) &&
           (CAMERA_REG(s, TAIL) < entries || !CAMERA_REG(s, TAIL));
}

/* What the engine relies on between two turns of its timer */
static bool camera_state_legal(void *opaque, int version_id)
{
    BatonCameraState *s = opaque;
    const CameraFrame *f = &s->frame;

    if (!CAMERA_REG(s, DMA_RATE) || !camera_ring_legal(s)) {
        return false;
    }
    if (!CAMERA_FIELD(s, CTRL, ENABLE)) {
        return !f->active;
    }
    if (illegal_register(s)) {
        return false;
    }
    if (!f->active) {
        return true;
    }
    if (s->halted || f->pattern != camera_uses_pattern(s) ||
        f->slice >= camera_num_slices(s) ||
        CAMERA_REG(s, HEAD) == CAMERA_REG(s, TAIL)) {
        return false;
    }
    for (unsigned i = 0; i < CAMERA_NUM_PLANES; i++) {
        if (f->plane[i].count > UINT16_MAX ||
            f->plane[i].next > f->plane[i].count) {
            return false;
        }
    }
    return true;
}

static const VMStateDescription vmstate_camera_plane = {
    .name = "baton-camera/plane",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(list, CameraPlane),
        VMSTATE_UINT32(count, CameraPlane),
        VMSTATE_UINT32(next, CameraPlane),
        VMSTATE_UINT64(seg_addr, CameraPlane),
        VMSTATE_UINT64(seg_start, CameraPlane),
        VMSTATE_UINT64(seg_end, CameraPlane),
        VMSTATE_BUFFER(block, CameraPlane),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_camera_frame = {
    .name = "baton-camera/frame",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(active, CameraFrame),
        VMSTATE_BOOL(pattern, CameraFrame),
        VMSTATE_BOOL(hashed, CameraFrame),
        VMSTATE_BOOL(overruns, CameraFrame),
        VMSTATE_UINT32(sequence, CameraFrame),
        VMSTATE_UINT32(slice, CameraFrame),
        VMSTATE_INT64(start, CameraFrame),
        VMSTATE_INT64(deadline, CameraFrame),
        VMSTATE_STRUCT(hash, CameraFrame, 1, vmstate_baton_xxh64, BatonXXH64),
        VMSTATE_STRUCT_ARRAY(plane, CameraFrame, CAMERA_NUM_PLANES, 1,
                             vmstate_camera_plane, CameraPlane),
        VMSTATE_END_OF_LIST()
    },
};

#define SAME_CLIP "Start both sides with the same camera clip."

static const VMStateDescription vmstate_camera = {
    .name = "baton-camera",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = camera_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_EQUAL(source.kind, BatonCameraState, SAME_CLIP),
        VMSTATE_UINT32_EQUAL(source.format.width, BatonCameraState, SAME_CLIP),
        VMSTATE_UINT32_EQUAL(source.format.height, BatonCameraState, SAME_CLIP),
        VMSTATE_UINT32_EQUAL(source.clip.num_frames, BatonCameraState,
                             SAME_CLIP),
        VMSTATE_UINT32(source.state, BatonCameraState),
        VMSTATE_TIMER(timer, BatonCameraState),
        VMSTATE_UINT32_ARRAY(regs, BatonCameraState, CAMERA_NUM_REGS),
        VMSTATE_BOOL_ARRAY(withdrawn, BatonCameraState, BATON_CAMERA_MAX_RING),
        VMSTATE_BOOL(halted, BatonCameraState),
        VMSTATE_UINT64(bytes, BatonCameraState),
        VMSTATE_UINT32(sequence, BatonCameraState),
        VMSTATE_INT64(next_frame, BatonCameraState),
        VMSTATE_STRUCT(frame, BatonCameraState, 1, vmstate_camera_frame,
                       CameraFrame),
        VMSTATE_VALIDATE("frame in progress", camera_state_legal),
        VMSTATE_END_OF_LIST()
    },
};

static const Property camera_properties[] = {
    DEFINE_PROP_BATON_DMA(BatonCameraState, dma),
    DEFINE_PROP_BATON_MONITOR(BatonCameraState, dma),
    DEFINE_PROP_STRING("file", BatonCameraState, source.file),
    DEFINE_PROP_BOOL("loop", BatonCameraState, source.loop, true),
    DEFINE_PROP_CHR("chardev", BatonCameraState, source.chr),
};

static void camera_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Baton camera engine";
    dc->realize = camera_realize;
    dc->vmsd = &vmstate_camera;
    rc->phases.hold = camera_reset_hold;
    device_class_set_props(dc, camera_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    camera_pattern_init();
}

static const TypeInfo camera_types[] = {
    {
        .name = TYPE_BATON_CAMERA,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(BatonCameraState),
        .instance_init = camera_init,
        .class_init = camera_class_init,
    },
};

DEFINE_TYPES(camera_types)
