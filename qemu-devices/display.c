/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: the device */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/madvise.h"
#include "qemu/timer.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "display.h"

#define PICTURE_BYTES (BATON_DISPLAY_MAX_WIDTH * BATON_DISPLAY_MAX_HEIGHT * 4)

static void baton_display_reset_enter(Object *obj, ResetType type)
{
    BatonDisplayState *s = BATON_DISPLAY(obj);

    baton_display_stop(s);
    baton_display_reset_regs(s);
}

static void baton_display_reset_hold(Object *obj, ResetType type)
{
    qemu_irq_lower(BATON_DISPLAY(obj)->irq);
}

/* Memory that no mode uses is never touched, so costs nothing. */
static uint32_t *alloc_picture(void)
{
    void *picture = qemu_anon_ram_alloc(PICTURE_BYTES, NULL, false, false);

    if (picture) {
        qemu_madvise(picture, PICTURE_BYTES, QEMU_MADV_HUGEPAGE);
    }
    return picture;
}

static void baton_display_realize(DeviceState *dev, Error **errp)
{
    BatonDisplayState *s = BATON_DISPLAY(dev);

    if (!s->dma.mr) {
        error_setg(errp, "property 'dma' is not set");
        return;
    }
    if (s->xres < BATON_DISPLAY_MIN_SIZE ||
        s->xres > BATON_DISPLAY_MAX_WIDTH || s->xres % 2 ||
        s->yres < BATON_DISPLAY_MIN_SIZE ||
        s->yres > BATON_DISPLAY_MAX_HEIGHT || s->yres % 2) {
        error_setg(errp, "xres/yres %ux%u: both must be even, %ux%u to %ux%u",
                   s->xres, s->yres,
                   BATON_DISPLAY_MIN_SIZE, BATON_DISPLAY_MIN_SIZE,
                   BATON_DISPLAY_MAX_WIDTH, BATON_DISPLAY_MAX_HEIGHT);
        return;
    }

    s->name = dev->id ?: TYPE_BATON_DISPLAY;
    baton_dma_init(&s->dma, s->name);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, baton_display_step, s);
    s->back = alloc_picture();
    s->front = alloc_picture();
    if (!s->back || !s->front) {
        error_setg(errp, "no memory for two pictures of %d bytes",
                   PICTURE_BYTES);
        return;
    }
    baton_display_make_edid(s);
    baton_display_init_ui(s);
}

static void baton_display_init(Object *obj)
{
    BatonDisplayState *s = BATON_DISPLAY(obj);
    SysBusDevice *sbd = SYS_BUS_DEVICE(obj);

    memory_region_init_io(&s->mmio, obj, &baton_display_ops, s,
                          TYPE_BATON_DISPLAY, BATON_DISPLAY_MMIO_SIZE);
    sysbus_init_mmio(sbd, &s->mmio);
    sysbus_init_irq(sbd, &s->irq);
}

static bool baton_display_running(void *opaque, int version_id)
{
    return BATON_DISPLAY(opaque)->phase != BATON_DISPLAY_OFF;
}

/* What the pictures of the frame in progress rely on */
static bool baton_display_state_legal(void *opaque, int version_id)
{
    BatonDisplayState *s = opaque;
    uint32_t addr;

    if (s->phase == BATON_DISPLAY_OFF) {
        return !s->front_valid;
    }
    if (s->phase > BATON_DISPLAY_SCAN || !baton_display_timing_legal(s) ||
        s->picture_bytes != baton_display_picture_bytes(s) ||
        s->slice >= DIV_ROUND_UP(baton_display_height(s),
                                 BATON_DISPLAY_SLICE_LINES)) {
        return false;
    }
    for (unsigned i = 0; i < BATON_DISPLAY_PLANES; i++) {
        if (baton_display_plane_enabled(&s->planes[i]) &&
            baton_display_check_plane(s, i, &addr) != BATON_DISPLAY_ERR_NONE) {
            return false;
        }
    }
    return true;
}

static bool baton_display_done_legal(void *opaque, int version_id)
{
    BatonDisplayState *s = opaque;

    return s->done_first < BATON_DISPLAY_DONE_RECORDS &&
           s->done_count <= BATON_DISPLAY_DONE_RECORDS;
}

static bool baton_display_front_valid(void *opaque, int version_id)
{
    return BATON_DISPLAY(opaque)->front_valid;
}

static int baton_display_post_load(void *opaque, int version_id)
{
    BatonDisplayState *s = opaque;

    if (s->phase != BATON_DISPLAY_OFF) {
        timer_mod_ns(s->timer, s->deadline);
    }
    s->redraw = true;
    return 0;
}

static const VMStateDescription vmstate_baton_display_plane = {
    .name = "baton-display-plane",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(regs, BatonDisplayPlane, BATON_DISPLAY_PLANE_REGS),
        VMSTATE_UINT32_ARRAY(active, BatonDisplayPlane,
                             BATON_DISPLAY_PLANE_REGS),
        VMSTATE_BOOL(failed, BatonDisplayPlane),
        VMSTATE_STRUCT(hash, BatonDisplayPlane, 0, vmstate_baton_xxh64,
                       BatonXXH64),
        VMSTATE_BUFFER(cbcr, BatonDisplayPlane),
        VMSTATE_UINT32(done_hash_hi, BatonDisplayPlane),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_baton_display_done = {
    .name = "baton-display-done",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(frame, BatonDisplayDone),
        VMSTATE_UINT32(crc, BatonDisplayDone),
        VMSTATE_INT64(time, BatonDisplayDone),
        VMSTATE_UINT32_ARRAY(addr0, BatonDisplayDone, BATON_DISPLAY_PLANES),
        VMSTATE_UINT64_ARRAY(hash, BatonDisplayDone, BATON_DISPLAY_PLANES),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_baton_display = {
    .name = TYPE_BATON_DISPLAY,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = baton_display_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(regs, BatonDisplayState, BATON_DISPLAY_REGS),
        VMSTATE_STRUCT_ARRAY(planes, BatonDisplayState, BATON_DISPLAY_PLANES, 1,
                             vmstate_baton_display_plane, BatonDisplayPlane),
        VMSTATE_UINT32(background, BatonDisplayState),
        VMSTATE_UINT64(bytes, BatonDisplayState),
        VMSTATE_BOOL(commit, BatonDisplayState),
        VMSTATE_INT64(latch_time, BatonDisplayState),
        VMSTATE_STRUCT_ARRAY(done, BatonDisplayState,
                             BATON_DISPLAY_DONE_RECORDS, 1,
                             vmstate_baton_display_done, BatonDisplayDone),
        VMSTATE_UINT32(done_first, BatonDisplayState),
        VMSTATE_UINT32(done_count, BatonDisplayState),
        VMSTATE_VALIDATE("records of pictures", baton_display_done_legal),
        VMSTATE_UINT32(phase, BatonDisplayState),
        VMSTATE_INT64(deadline, BatonDisplayState),
        VMSTATE_INT64(vblank_start, BatonDisplayState),
        VMSTATE_INT64(active_start, BatonDisplayState),
        VMSTATE_INT64(fetch_end, BatonDisplayState),
        VMSTATE_UINT32(slice, BatonDisplayState),
        VMSTATE_BOOL(latched, BatonDisplayState),
        VMSTATE_BOOL(hash, BatonDisplayState),
        VMSTATE_BOOL(crc, BatonDisplayState),
        VMSTATE_BOOL(underrun, BatonDisplayState),
        VMSTATE_BOOL(error, BatonDisplayState),
        VMSTATE_UINT32(crc_value, BatonDisplayState),
        VMSTATE_UINT32(picture_bytes, BatonDisplayState),
        VMSTATE_BOOL(front_valid, BatonDisplayState),
        VMSTATE_VALIDATE("frame in progress", baton_display_state_legal),
        VMSTATE_VBUFFER_UINT32(back, BatonDisplayState, 1,
                               baton_display_running, picture_bytes),
        VMSTATE_VBUFFER_UINT32(front, BatonDisplayState, 1,
                               baton_display_front_valid, picture_bytes),
        VMSTATE_END_OF_LIST()
    }
};

static const Property baton_display_properties[] = {
    DEFINE_PROP_BATON_DMA(BatonDisplayState, dma),
    DEFINE_PROP_BATON_MONITOR(BatonDisplayState, dma),
    DEFINE_PROP_UINT32("xres", BatonDisplayState, xres, 1920),
    DEFINE_PROP_UINT32("yres", BatonDisplayState, yres, 1080),
};

static void baton_display_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Baton display engine";
    dc->realize = baton_display_realize;
    dc->vmsd = &vmstate_baton_display;
    device_class_set_props(dc, baton_display_properties);
    set_bit(DEVICE_CATEGORY_DISPLAY, dc->categories);
    rc->phases.enter = baton_display_reset_enter;
    rc->phases.hold = baton_display_reset_hold;
}

static const TypeInfo baton_display_info = {
    .name = TYPE_BATON_DISPLAY,
    .parent = TYPE_SYS_BUS_DEVICE,
    .instance_size = sizeof(BatonDisplayState),
    .instance_init = baton_display_init,
    .class_init = baton_display_class_init,
};

static void baton_display_register_types(void)
{
    type_register_static(&baton_display_info);
}

type_init(baton_display_register_types)
