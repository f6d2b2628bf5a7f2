/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton display engine: timing generator
 *
 * A frame is its vertical blanking followed by its active lines. Every instant
 * derives from the instant before it, not from when the host got round to it,
 * and underruns are decided between such nominal instants, so that they do not
 * depend on the load of the host.
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "display.h"
#include "trace.h"

/* How far DMA may run ahead of the scanout */
#define FIFO_LINES (BATON_DISPLAY_FIFO_SLICES * BATON_DISPLAY_SLICE_LINES)

static int64_t lines_to_ns(const BatonDisplayState *s, uint32_t lines)
{
    uint64_t pixels = (uint64_t)lines *
        FIELD_EX32(s->regs[R_DISP_HACTIVE], DISP_HACTIVE, TOTAL);

    return pixels * 1000000 / s->regs[R_DISP_PIXEL_CLOCK];
}

static uint64_t ns_to_lines(const BatonDisplayState *s, int64_t ns)
{
    return muldiv64(ns, s->regs[R_DISP_PIXEL_CLOCK], 1000000) /
        FIELD_EX32(s->regs[R_DISP_HACTIVE], DISP_HACTIVE, TOTAL);
}

static unsigned blanking_lines(const BatonDisplayState *s)
{
    return FIELD_EX32(s->regs[R_DISP_VACTIVE], DISP_VACTIVE, TOTAL) -
           baton_display_height(s);
}

/* Lines before the picture at which the first slice may be read */
static unsigned lead_lines(const BatonDisplayState *s)
{
    return MIN(blanking_lines(s), FIFO_LINES);
}

/* Start of the first slice's DMA if vblank lasts @blanking lines */
static int64_t lead_start(const BatonDisplayState *s, uint32_t blanking)
{
    return s->vblank_start + lines_to_ns(s, blanking - lead_lines(s));
}

static int64_t slice_start(const BatonDisplayState *s, unsigned slice)
{
    return s->active_start +
           lines_to_ns(s, slice * BATON_DISPLAY_SLICE_LINES);
}

static void enter_phase(BatonDisplayState *s, BatonDisplayPhase phase,
                        int64_t deadline)
{
    s->phase = phase;
    s->deadline = deadline;
    timer_mod_ns(s->timer, deadline);
}

static void latch(BatonDisplayState *s, int64_t when)
{
    s->commit = false;
    s->latched = true;
    s->latch_time = when;
    s->regs[R_DISP_LATCH_FRAME] = s->regs[R_DISP_FRAME];
    s->background = s->regs[R_DISP_BACKGROUND];
    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        BatonDisplayPlane *p = &s->planes[i];

        memcpy(p->active, p->regs, sizeof(p->active));
    }
    trace_baton_display_latch(s->name, s->regs[R_DISP_FRAME],
                              s->planes[0].active[R_PLANE_ADDR0]);
    baton_display_planes_event(s, BATON_MONITOR_LATCH);
    baton_display_raise(s, R_DISP_IRQ_STATUS_LATCH_MASK);
}

/* Switch off what was latched but cannot be shown. */
static void check_planes(BatonDisplayState *s)
{
    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        BatonDisplayPlane *p = &s->planes[i];
        uint32_t addr = 0;
        unsigned code;

        if (!baton_display_plane_enabled(p)) {
            continue;
        }
        code = baton_display_check_plane(s, i, &addr);
        if (code != BATON_DISPLAY_ERR_NONE) {
            p->active[R_PLANE_CTRL] &= ~R_PLANE_CTRL_ENABLE_MASK;
            baton_display_error(s, code, i, addr);
        }
    }
}

static void latch_and_check(BatonDisplayState *s, int64_t when)
{
    latch(s, when);
    check_planes(s);
}

static void begin_vblank(BatonDisplayState *s, int64_t when)
{
    s->vblank_start = when;
    s->regs[R_DISP_FRAME]++;
    s->latched = false;
    s->slice = 0;
    trace_baton_display_vblank(s->name, s->regs[R_DISP_FRAME], when);
    baton_monitor_event(s->dma.port, (BatonLogRecord) {
        .kind = BATON_MONITOR_VBLANK, .a = s->regs[R_DISP_FRAME],
    });
    baton_display_raise(s, R_DISP_IRQ_STATUS_VBLANK_MASK);
    if (s->commit) {
        latch_and_check(s, when);
    }
    enter_phase(s, BATON_DISPLAY_BLANK, lead_start(s, blanking_lines(s)));
}

/* Slice 0 and 1 may be read at once, each later one as the FIFO drains. */
static void begin_fetch(BatonDisplayState *s, int64_t not_before)
{
    int64_t start = not_before;

    if (s->slice >= BATON_DISPLAY_FIFO_SLICES) {
        start = MAX(start,
                    slice_start(s, s->slice - BATON_DISPLAY_FIFO_SLICES));
    }
    s->fetch_end = start + baton_display_slice_bytes(s) * 1000 /
                   s->regs[R_DISP_DMA_RATE];
    enter_phase(s, BATON_DISPLAY_FETCH,
                MIN(s->fetch_end, slice_start(s, s->slice)));
}

static void begin_picture(BatonDisplayState *s, int64_t when)
{
    s->active_start = when + lines_to_ns(s, lead_lines(s));
    baton_display_begin_picture(s);
    begin_fetch(s, when);
}

static void end_vblank(BatonDisplayState *s)
{
    if (FIELD_EX32(s->regs[R_DISP_CTRL], DISP_CTRL, VRR) && !s->latched) {
        uint32_t vmax = s->regs[R_DISP_VRR_VMAX];

        if (!s->commit) {
            enter_phase(s, BATON_DISPLAY_STRETCHED,
                        lead_start(s, vmax - baton_display_height(s)));
            return;
        }
        latch_and_check(s, s->deadline);
    }
    begin_picture(s, s->deadline);
}

static void wait_for_scanout(BatonDisplayState *s)
{
    enter_phase(s, BATON_DISPLAY_SCAN,
                s->active_start + lines_to_ns(s, baton_display_height(s)));
}

static void end_fetch(BatonDisplayState *s)
{
    if (s->fetch_end > slice_start(s, s->slice)) {
        s->underrun = true;
        baton_display_blank_rest(s);
        baton_display_error(s, BATON_DISPLAY_ERR_UNDERRUN, 0, 0);
        wait_for_scanout(s);
        return;
    }
    baton_display_read_slice(s);
    if ((s->slice + 1) * BATON_DISPLAY_SLICE_LINES < baton_display_height(s)) {
        s->slice++;
        begin_fetch(s, s->fetch_end);
    } else {
        wait_for_scanout(s);
    }
}

static void end_frame(BatonDisplayState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t next = s->deadline;

    baton_display_end_picture(s);
    /* A host that is a whole frame behind will not catch up: let time slip. */
    if (now - next > next - s->vblank_start) {
        trace_baton_display_rebase(s->name, now - next);
        next = now;
    }
    begin_vblank(s, next);
}

void baton_display_step(void *opaque)
{
    BatonDisplayState *s = opaque;

    switch (s->phase) {
    case BATON_DISPLAY_BLANK:
        end_vblank(s);
        break;
    case BATON_DISPLAY_STRETCHED:
        begin_picture(s, s->deadline);
        break;
    case BATON_DISPLAY_FETCH:
        end_fetch(s);
        break;
    case BATON_DISPLAY_SCAN:
        end_frame(s);
        break;
    default:
        g_assert_not_reached();
    }
}

void baton_display_start(BatonDisplayState *s)
{
    s->picture_bytes = baton_display_picture_bytes(s);
    check_planes(s);
    begin_vblank(s, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
}

void baton_display_stop(BatonDisplayState *s)
{
    timer_del(s->timer);
    s->phase = BATON_DISPLAY_OFF;
    s->front_valid = false;
    s->redraw = true;
}

void baton_display_commit(BatonDisplayState *s, bool go)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    s->commit = go;
    if (!go) {
        return;
    }
    if (s->phase == BATON_DISPLAY_OFF) {
        latch(s, now);
    } else if (s->phase == BATON_DISPLAY_STRETCHED) {
        now = MIN(now, s->deadline);
        latch_and_check(s, now);
        begin_picture(s, now);
    }
}

uint32_t baton_display_scanline(const BatonDisplayState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    bool vrr = FIELD_EX32(s->regs[R_DISP_CTRL], DISP_CTRL, VRR);
    uint32_t last = vrr ? s->regs[R_DISP_VRR_VMAX] :
        FIELD_EX32(s->regs[R_DISP_VACTIVE], DISP_VACTIVE, TOTAL);
    uint64_t line;

    if (s->phase == BATON_DISPLAY_OFF) {
        return 0;
    }
    if (s->phase < BATON_DISPLAY_FETCH || now < s->active_start) {
        line = baton_display_height(s) + ns_to_lines(s, now - s->vblank_start);
    } else {
        line = ns_to_lines(s, now - s->active_start);
    }
    return MIN(line, last - 1);
}
