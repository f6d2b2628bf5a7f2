/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: frame timing and the transfer of a frame in slices
 *
 * Everything happens at nominal times of the virtual clock: a deadline follows
 * from the one before and not from when the host got round to it, and whether
 * memory is too slow is decided on these times alone.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "camera.h"
#include "trace.h"

static bool is_freerunning(BatonCameraState *s)
{
    return CAMERA_FIELD(s, CTRL, FREERUN);
}

unsigned camera_num_slices(BatonCameraState *s)
{
    return DIV_ROUND_UP(CAMERA_FIELD(s, SIZE, HEIGHT),
                        BATON_CAMERA_SLICE_LINES);
}

static unsigned slice_lines(BatonCameraState *s)
{
    unsigned first = s->frame.slice * BATON_CAMERA_SLICE_LINES;

    return MIN(BATON_CAMERA_SLICE_LINES,
               CAMERA_FIELD(s, SIZE, HEIGHT) - first);
}

/* When the sensor has delivered the last line of a slice: readout takes 7/8 */
static int64_t slice_ready(BatonCameraState *s, unsigned slice)
{
    unsigned height = CAMERA_FIELD(s, SIZE, HEIGHT);
    uint64_t lines = MIN((slice + 1) * BATON_CAMERA_SLICE_LINES, height);

    return s->frame.start +
           CAMERA_REG(s, INTERVAL) * UINT64_C(7) * lines / (8 * height);
}

/* Time on the bus at DMA_RATE, at least 1 ns */
static int64_t slice_duration(BatonCameraState *s)
{
    uint64_t bytes = slice_lines(s) * camera_line_bytes(s, 0) +
                     slice_lines(s) / 2 * camera_line_bytes(s, 1);

    return DIV_ROUND_UP(bytes * 1000, CAMERA_REG(s, DMA_RATE));
}

/*
 * The FIFO holds two slices, one in transfer and one being filled: it
 * overflows if the first is still there when a third one begins to arrive.
 */
static void begin_slice(BatonCameraState *s, int64_t bus_free)
{
    CameraFrame *f = &s->frame;
    int64_t full;

    if (is_freerunning(s)) {
        f->deadline = bus_free + slice_duration(s);
        return;
    }
    f->deadline = MAX(bus_free, slice_ready(s, f->slice)) + slice_duration(s);
    full = slice_ready(s, f->slice + 1);
    f->overruns = f->slice + 2 < camera_num_slices(s) && f->deadline > full;
    if (f->overruns) {
        f->deadline = full;
    }
}

static void hash_slice(BatonCameraState *s, unsigned lines)
{
    const uint8_t *plane0 = s->slice_buffer[0], *plane1 = s->slice_buffer[1];
    unsigned bytes0 = camera_line_bytes(s, 0), bytes1 = camera_line_bytes(s, 1);

    if (!bytes1) {
        baton_xxh64_update(&s->frame.hash, plane0, lines * bytes0);
        return;
    }
    for (unsigned y = 0; y < lines; y += 2) {
        baton_xxh64_update(&s->frame.hash, plane0, bytes0);
        baton_xxh64_update(&s->frame.hash, plane1, bytes1);
        baton_xxh64_update(&s->frame.hash, plane0 + bytes0, bytes0);
        plane0 += 2 * bytes0;
        plane1 += bytes1;
    }
}

/* Lines without padding between them go out in one piece. */
static bool write_lines(BatonCameraState *s, unsigned plane, unsigned first,
                        unsigned count, CameraError *error)
{
    unsigned pitch = plane ? CAMERA_FIELD(s, PITCH, PLANE1)
                           : CAMERA_FIELD(s, PITCH, PLANE0);
    unsigned line_bytes = camera_line_bytes(s, plane);
    const uint8_t *data = s->slice_buffer[plane];
    uint64_t offset = (uint64_t)first * pitch;

    if (pitch == line_bytes) {
        return camera_plane_write(s, plane, offset, data, count * line_bytes,
                                  error);
    }
    for (; count; count--, offset += pitch, data += line_bytes) {
        if (!camera_plane_write(s, plane, offset, data, line_bytes, error)) {
            return false;
        }
    }
    return true;
}

static bool write_slice(BatonCameraState *s, CameraError *error)
{
    unsigned first = s->frame.slice * BATON_CAMERA_SLICE_LINES;
    unsigned lines = slice_lines(s);

    camera_source_lines(s, first, lines, s->slice_buffer[0],
                        s->slice_buffer[1]);
    if (s->frame.hashed) {
        hash_slice(s, lines);
    }
    if (!write_lines(s, 0, first, lines, error)) {
        return false;
    }
    return !camera_line_bytes(s, 1) ||
           write_lines(s, 1, first / 2, lines / 2, error);
}

static uint32_t failure_irq(unsigned code)
{
    switch (code) {
    case BATON_CAMERA_DESC_OVERRUN:
        return R_CAM_IRQ_STATUS_OVERRUN_MASK;
    case BATON_CAMERA_DESC_BUS_ERROR:
    case BATON_CAMERA_DESC_RING_ERROR:
        return R_CAM_IRQ_STATUS_BUS_ERROR_MASK;
    case BATON_CAMERA_DESC_SOURCE:
        return R_CAM_IRQ_STATUS_SOURCE_MASK;
    default:
        return R_CAM_IRQ_STATUS_DESC_ERROR_MASK;
    }
}

static void report_failure(BatonCameraState *s, const CameraError *error)
{
    if (error->code == BATON_CAMERA_DESC_OVERRUN) {
        CAMERA_REG(s, OVERRUNS)++;
    } else {
        CAMERA_REG(s, ERRORS)++;
    }
    if (error->code != BATON_CAMERA_DESC_OVERRUN &&
        error->code != BATON_CAMERA_DESC_SOURCE) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: descriptor %u: error %u, plane %u, "
                      "bus address 0x%" PRIx64 "\n", camera_name(s),
                      CAMERA_REG(s, HEAD), error->code, error->plane,
                      error->addr);
    }
    camera_note_error(s, error);
    camera_raise(s, failure_irq(error->code));
}

static void halt(BatonCameraState *s, const CameraError *error)
{
    s->halted = true;
    report_failure(s, error);
}

static void end_frame(BatonCameraState *s, const CameraError *result)
{
    CameraError ring_error;
    bool done = result->code == BATON_CAMERA_DESC_DONE;
    uint64_t hash = 0;

    if (done && s->frame.hashed) {
        hash = baton_xxh64_digest(&s->frame.hash);
    }
    trace_baton_camera_frame_end(camera_name(s), s->frame.sequence,
                                 CAMERA_REG(s, HEAD), result->code, hash);
    baton_monitor_event(s->dma.port, (BatonLogRecord) {
        .kind = BATON_MONITOR_FRAME_DONE, .status = done ? 0 : result->code,
        .a = s->frame.sequence, .b = hash, .c = CAMERA_REG(s, HEAD),
        .d = done && s->frame.hashed,
    });
    s->frame.active = false;

    if (!camera_ring_write_back(s, result->code, hash, result->addr,
                                &ring_error)) {
        halt(s, &ring_error);
    } else {
        if (done) {
            CAMERA_REG(s, FRAMES)++;
        } else {
            report_failure(s, result);
        }
        camera_ring_advance(s);
        camera_raise(s, R_CAM_IRQ_STATUS_FRAME_DONE_MASK);
    }
    camera_source_release(s);   /* may start the next frame */
}

static void end_frame_with(BatonCameraState *s, unsigned code)
{
    const CameraError result = { .code = code };

    end_frame(s, &result);
}

/* False: there is no descriptor or no sensor frame. */
static bool start_frame(BatonCameraState *s, int64_t start)
{
    CameraFrame *f = &s->frame;
    CameraError error = {};
    bool fetched;

    if (!camera_source_ready(s, s->sequence) || !camera_ring_ready(s)) {
        return false;
    }
    f->start = start;
    f->sequence = s->sequence++;
    f->slice = 0;
    f->overruns = false;
    f->pattern = camera_uses_pattern(s);
    f->hashed = CAMERA_FIELD(s, CTRL, HASH);
    baton_xxh64_init(&f->hash);

    fetched = camera_ring_fetch(s, &error);
    if (error.code == BATON_CAMERA_DESC_RING_ERROR) {
        halt(s, &error);
        return true;
    }
    trace_baton_camera_frame_start(camera_name(s), f->sequence,
                                   CAMERA_REG(s, HEAD), start);
    baton_monitor_event(s->dma.port, (BatonLogRecord) {
        .kind = BATON_MONITOR_FRAME_START, .a = f->sequence,
        .b = CAMERA_REG(s, HEAD), .c = start,
    });
    f->active = true;
    camera_raise(s, R_CAM_IRQ_STATUS_FRAME_START_MASK);
    if (!fetched) {
        end_frame(s, &error);
    } else if (!camera_source_take(s, f->sequence)) {
        end_frame_with(s, BATON_CAMERA_DESC_SOURCE);
    } else {
        begin_slice(s, start);
    }
    return true;
}

/*
 * Within a frame the schedule is nominal, free running too: slices that are
 * due on a slow host follow each other without a turn of the main loop.
 */
static void slice_time(BatonCameraState *s)
{
    CameraFrame *f = &s->frame;
    CameraError error = {};

    if (f->overruns) {
        end_frame_with(s, BATON_CAMERA_DESC_OVERRUN);
    } else if (!camera_source_holds(s)) {
        end_frame_with(s, BATON_CAMERA_DESC_SOURCE);
    } else if (!write_slice(s, &error)) {
        end_frame(s, &error);
    } else if (++f->slice == camera_num_slices(s)) {
        end_frame_with(s, BATON_CAMERA_DESC_DONE);
    } else {
        begin_slice(s, f->deadline);
    }
}

/* Paced: the sensor begins a frame, whether there is room for it or not. */
static void frame_time(BatonCameraState *s, int64_t now)
{
    int64_t start = s->next_frame;

    /* A host that cannot keep up must not pile up frames. */
    if (now - start > CAMERA_REG(s, INTERVAL)) {
        start = now;
    }
    s->next_frame = start + CAMERA_REG(s, INTERVAL);

    if (s->frame.active) {
        end_frame_with(s, BATON_CAMERA_DESC_OVERRUN);
    }
    if (camera_running(s) && !start_frame(s, start)) {
        trace_baton_camera_drop(camera_name(s), s->sequence);
        baton_monitor_event(s->dma.port, (BatonLogRecord) {
            .kind = BATON_MONITOR_DROP, .a = s->sequence,
        });
        s->sequence++;
        CAMERA_REG(s, DROPS)++;
        camera_raise(s, R_CAM_IRQ_STATUS_DROP_MASK);
    }
}

static void start_next(BatonCameraState *s, int64_t start)
{
    while (camera_running(s) && !s->frame.active && start_frame(s, start)) {
        /* until a frame is on its way or nothing is left to do */
    }
}

static void arm_timer(BatonCameraState *s)
{
    if (!camera_running(s)) {
        timer_del(&s->timer);
    } else if (is_freerunning(s)) {
        if (s->frame.active) {
            timer_mod(&s->timer, s->frame.deadline);
        } else {
            timer_del(&s->timer);
        }
    } else if (s->frame.active) {
        timer_mod(&s->timer, MIN(s->frame.deadline, s->next_frame));
    } else {
        timer_mod(&s->timer, s->next_frame);
    }
}

static void engine_timer(void *opaque)
{
    BatonCameraState *s = opaque;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    if (is_freerunning(s)) {
        slice_time(s);
        start_next(s, MAX(s->frame.deadline, now));
    } else if (s->frame.active && s->frame.deadline <= s->next_frame) {
        slice_time(s);
    } else {
        frame_time(s, now);
    }
    arm_timer(s);
}

void camera_engine_init(BatonCameraState *s)
{
    timer_init_ns(&s->timer, QEMU_CLOCK_VIRTUAL, engine_timer, s);
}

void camera_engine_start(BatonCameraState *s)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

    s->sequence = 0;
    camera_source_restart(s);
    if (is_freerunning(s)) {
        start_next(s, now);
    } else {
        s->next_frame = now;
        frame_time(s, now);
    }
    arm_timer(s);
}

void camera_engine_stop(BatonCameraState *s)
{
    s->frame.active = false;
    s->halted = false;
    camera_source_release(s);
    arm_timer(s);
}

void camera_engine_wake(BatonCameraState *s)
{
    if (is_freerunning(s) && !s->frame.active) {
        start_next(s, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
        arm_timer(s);
    }
}
