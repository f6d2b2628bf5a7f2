/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: which sensor delivers the frame, and its lines in the format
 * that the engine writes
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qapi/error.h"
#include "baton-color.h"
#include "camera.h"
#include "trace.h"

void camera_source_realize(BatonCameraState *s, Error **errp)
{
    CameraSource *src = &s->source;
    bool is_live = qemu_chr_fe_backend_connected(&src->chr);

    if (src->file && is_live) {
        error_setg(errp, "%s: give either a file or a chardev, not both",
                   camera_name(s));
        return;
    }
    if (src->file) {
        src->kind = BATON_CAMERA_SRC_CLIP;
        camera_clip_open(src, errp);
    } else if (is_live) {
        src->kind = BATON_CAMERA_SRC_LIVE;
        camera_live_open(s, errp);
    }
}

void camera_source_set_state(BatonCameraState *s, uint32_t state)
{
    if (s->source.state != state) {
        trace_baton_camera_source(camera_name(s), state);
        s->source.state = state;
        camera_raise(s, R_CAM_IRQ_STATUS_SOURCE_MASK);
    }
}

void camera_source_restart(BatonCameraState *s)
{
    if (s->source.kind == BATON_CAMERA_SRC_CLIP) {
        camera_source_set_state(s, BATON_CAMERA_SRC_OK);
    }
}

static bool live_ready(BatonCameraState *s)
{
    const CameraSource *src = &s->source;

    return src->live.fresh &&
           src->front.format.width == CAMERA_FIELD(s, SIZE, WIDTH) &&
           src->front.format.height == CAMERA_FIELD(s, SIZE, HEIGHT);
}

bool camera_source_ready(BatonCameraState *s, uint32_t sequence)
{
    if (camera_uses_pattern(s)) {
        return true;
    }
    if (s->source.kind == BATON_CAMERA_SRC_LIVE) {
        return live_ready(s);
    }
    if (!s->source.loop && sequence >= s->source.clip.num_frames) {
        camera_source_set_state(s, BATON_CAMERA_SRC_END);
        return false;
    }
    return true;
}

bool camera_source_take(BatonCameraState *s, uint32_t sequence)
{
    CameraSource *src = &s->source;
    bool complete = true;

    if (camera_uses_pattern(s)) {
        return true;
    }
    if (src->kind == BATON_CAMERA_SRC_CLIP) {
        complete = camera_clip_read(src, sequence % src->clip.num_frames);
        camera_source_set_state(s, complete ? BATON_CAMERA_SRC_OK
                                            : BATON_CAMERA_SRC_TRUNCATED);
    }
    src->live.fresh = false;
    src->front_busy = complete;
    return complete;
}

void camera_source_release(BatonCameraState *s)
{
    if (s->source.front_busy) {
        s->source.front_busy = false;
        camera_live_release(s);
    }
}

/* Only a clip that was cut during a migration loses a frame in flight. */
bool camera_source_holds(BatonCameraState *s)
{
    if (s->frame.pattern || s->source.front_busy) {
        return true;
    }
    camera_source_set_state(s, BATON_CAMERA_SRC_TRUNCATED);
    return false;
}

void camera_source_reload(BatonCameraState *s)
{
    if (s->frame.active && !s->frame.pattern) {
        s->source.front_busy =
            camera_clip_read(&s->source, s->frame.sequence %
                             s->source.clip.num_frames);
    }
}

/* Compilers vectorise loops over this many samples at -O2. */
#define BLOCK 16

static inline uint16_t pack_cbcr(uint8_t cb, uint8_t cr)
{
    return cpu_to_le16(cr << 8 | cb);
}

static void interleave(uint16_t *restrict cbcr, const uint8_t *restrict cb,
                       const uint8_t *restrict cr, unsigned count)
{
    unsigned at;

    for (at = 0; at + BLOCK <= count; at += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            cbcr[at + i] = pack_cbcr(cb[at + i], cr[at + i]);
        }
    }
    for (; at < count; at++) {
        cbcr[at] = pack_cbcr(cb[at], cr[at]);
    }
}

static inline uint16_t pack_rgb565(uint32_t p)
{
    return cpu_to_le16((p >> 8 & 0xf800) | (p >> 5 & 0x07e0) |
                       (p >> 3 & 0x001f));
}

static void xrgb_to_rgb565(uint16_t *restrict dst,
                           const uint32_t *restrict src, unsigned width)
{
    unsigned x;

    for (x = 0; x + BLOCK <= width; x += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            dst[x + i] = pack_rgb565(src[x + i]);
        }
    }
    for (; x < width; x++) {
        dst[x] = pack_rgb565(src[x]);
    }
}

static void convert_line(uint8_t *dst, const uint8_t *luma,
                         const uint8_t *cbcr, const Y4MFormat *from,
                         unsigned format)
{
    uint32_t rgb[BATON_CAMERA_MAX_WIDTH];
    bool is_rgb565 = format == BATON_CAMERA_FORMAT_RGB565;
    uint32_t *xrgb = is_rgb565 ? rgb : (uint32_t *)dst;

    baton_color_nv12_to_xrgb(xrgb, luma, cbcr, from->width, from->encoding,
                             from->full_range);
    if (is_rgb565) {
        xrgb_to_rgb565((uint16_t *)dst, rgb, from->width);
    }
}

/* The two lines that share a line of chroma samples */
static void convert_line_pair(BatonCameraState *s, unsigned y,
                              uint8_t *plane0, uint8_t *plane1)
{
    const CameraBuffer *front = &s->source.front;
    unsigned width = front->format.width;
    size_t luma_bytes = (size_t)width * front->format.height;
    const uint8_t *luma = front->data + (size_t)y * width;
    const uint8_t *cb = front->data + luma_bytes + (size_t)y * width / 4;
    const uint8_t *cr = cb + luma_bytes / 4;
    unsigned line_bytes = camera_line_bytes(s, 0);
    unsigned format = CAMERA_FIELD(s, FORMAT, PIXEL);
    uint16_t cbcr[BATON_CAMERA_MAX_WIDTH / 2];

    if (format == BATON_CAMERA_FORMAT_NV12) {
        memcpy(plane0, luma, 2 * width);
        interleave((uint16_t *)plane1, cb, cr, width / 2);
        return;
    }

    interleave(cbcr, cb, cr, width / 2);
    for (int i = 0; i < 2; i++, luma += width, plane0 += line_bytes) {
        convert_line(plane0, luma, (uint8_t *)cbcr, &front->format, format);
    }
}

void camera_source_lines(BatonCameraState *s, unsigned first, unsigned count,
                         uint8_t *plane0, uint8_t *plane1)
{
    if (s->frame.pattern) {
        camera_pattern_lines(s, first, count, plane0, plane1);
        return;
    }
    for (unsigned y = first; y < first + count; y += 2) {
        convert_line_pair(s, y, plane0, plane1);
        plane0 += 2 * camera_line_bytes(s, 0);
        plane1 += camera_line_bytes(s, 1);
    }
}
