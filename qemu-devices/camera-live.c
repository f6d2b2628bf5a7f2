/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: a YUV4MPEG2 stream on a character device as the sensor
 *
 * One frame is received while the engine reads another. When a frame is
 * complete it replaces the one before, taken or not; while the engine is in the
 * middle of that one, the stream has to wait.
 */
#include "qemu/osdep.h"
#include "migration/blocker.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/replay.h"
#include "camera.h"
#include "trace.h"

static void show_frame(BatonCameraState *s)
{
    CameraSource *src = &s->source;
    CameraBuffer shown = src->front;

    src->front = src->live.back;
    src->live.back = shown;
    src->live.back.format = src->format;
    src->live.back.data = g_realloc(shown.data, y4m_frame_bytes(&src->format));
    src->live.complete = false;
    src->live.fresh = true;
    camera_engine_wake(s);
}

static void frame_received(BatonCameraState *s)
{
    CameraLive *live = &s->source.live;

    live->in_frame = false;
    live->received = 0;
    camera_source_set_state(s, BATON_CAMERA_SRC_OK);
    if (s->source.front_busy) {
        live->complete = true;
    } else {
        show_frame(s);
    }
}

/* Whatever comes after this is ignored until the stream is opened again. */
static void stream_failed(BatonCameraState *s, unsigned state,
                          const char *why)
{
    warn_report("%s: live stream: %s", camera_name(s), why);
    s->source.format = (Y4MFormat) {};
    camera_source_set_state(s, state);
}

static void header_received(BatonCameraState *s)
{
    CameraSource *src = &s->source;
    g_autoptr(Error) err = NULL;
    unsigned state = y4m_parse_header(src->live.line, &src->format, &err);

    if (state != BATON_CAMERA_SRC_OK) {
        stream_failed(s, state, error_get_pretty(err));
        return;
    }
    src->live.back.format = src->format;
    src->live.back.data = g_realloc(src->live.back.data,
                                    y4m_frame_bytes(&src->format));
    camera_raise(s, R_CAM_IRQ_STATUS_SOURCE_MASK);
}

static void line_received(BatonCameraState *s)
{
    CameraSource *src = &s->source;
    CameraLive *live = &src->live;

    live->received = 0;
    if (!src->format.width) {
        header_received(s);
    } else if (y4m_is_frame_header(live->line)) {
        live->in_frame = true;
    } else {
        stream_failed(s, BATON_CAMERA_SRC_MALFORMED, "bad frame header");
    }
}

static void receive_header_byte(BatonCameraState *s, char byte)
{
    CameraLive *live = &s->source.live;

    if (byte == '\n') {
        live->line[live->received] = '\0';
        line_received(s);
    } else if (live->received == sizeof(live->line) - 1) {
        stream_failed(s, BATON_CAMERA_SRC_MALFORMED, "header line too long");
    } else {
        live->line[live->received++] = byte;
    }
}

static void receive_samples(BatonCameraState *s, const uint8_t *data, int size)
{
    CameraLive *live = &s->source.live;

    memcpy(live->back.data + live->received, data, size);
    live->received += size;
    if (live->received == y4m_frame_bytes(&live->back.format)) {
        frame_received(s);
    }
}

static bool stream_is_broken(CameraSource *src)
{
    return src->state == BATON_CAMERA_SRC_MALFORMED ||
           src->state == BATON_CAMERA_SRC_UNSUPPORTED;
}

static int live_can_receive(void *opaque)
{
    BatonCameraState *s = opaque;
    CameraLive *live = &s->source.live;

    if (stream_is_broken(&s->source)) {
        return CHR_READ_BUF_LEN;
    }
    if (live->complete) {
        return 0;
    }
    if (live->in_frame) {
        return y4m_frame_bytes(&live->back.format) - live->received;
    }
    return 1;   /* so that nothing behind a header line arrives with it */
}

/* @size is what live_can_receive() allowed, or less. */
static void live_receive(void *opaque, const uint8_t *data, int size)
{
    BatonCameraState *s = opaque;

    if (stream_is_broken(&s->source)) {
        return;
    }
    if (s->source.live.in_frame) {
        receive_samples(s, data, size);
    } else {
        receive_header_byte(s, *data);
    }
}

static void live_event(void *opaque, QEMUChrEvent event)
{
    BatonCameraState *s = opaque;
    CameraSource *src = &s->source;
    CameraLive *live = &src->live;

    if (event == CHR_EVENT_OPENED) {
        live->in_frame = false;
        live->received = 0;
        src->format = (Y4MFormat) {};
        camera_source_set_state(s, BATON_CAMERA_SRC_WAITING);
    } else if (event == CHR_EVENT_CLOSED && !stream_is_broken(src)) {
        camera_source_set_state(s, live->in_frame ? BATON_CAMERA_SRC_TRUNCATED
                                                  : BATON_CAMERA_SRC_END);
        live->in_frame = false;
        live->received = 0;
    }
}

void camera_live_open(BatonCameraState *s, Error **errp)
{
    CameraLive *live = &s->source.live;

    if (replay_mode != REPLAY_MODE_NONE) {
        error_setg(errp, "%s: a live stream cannot be recorded or replayed; "
                   "use a file", camera_name(s));
        return;
    }
    error_setg(&live->migration_blocker, "%s has a live stream, which cannot "
               "be migrated or saved; use a file", camera_name(s));
    if (migrate_add_blocker(&live->migration_blocker, errp) < 0) {
        return;
    }
    s->source.state = BATON_CAMERA_SRC_WAITING;
    qemu_chr_fe_set_handlers(&s->source.chr, live_can_receive, live_receive,
                             live_event, NULL, s, NULL, true);
}

void camera_live_release(BatonCameraState *s)
{
    if (s->source.live.complete) {
        show_frame(s);
        qemu_chr_fe_accept_input(&s->source.chr);
    }
}
