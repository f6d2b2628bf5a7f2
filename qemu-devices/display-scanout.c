/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: reads the planes and composes the picture */

#include "qemu/osdep.h"
#include <zlib.h>
#include "display.h"
#include "baton-color.h"

typedef struct PlaneGeometry {
    unsigned format;
    unsigned x, y, width, height;
    unsigned src_x, src_y;
    unsigned pitch[2];
    unsigned line_bytes;
    bool full_range;
    unsigned encoding;
} PlaneGeometry;

static PlaneGeometry plane_geometry(const BatonDisplayPlane *p)
{
    uint32_t ctrl = p->active[R_PLANE_CTRL];
    PlaneGeometry g = {
        .format = FIELD_EX32(ctrl, PLANE_CTRL, FORMAT),
        .encoding = FIELD_EX32(ctrl, PLANE_CTRL, ENCODING),
        .full_range = FIELD_EX32(ctrl, PLANE_CTRL, FULL_RANGE),
        .x = FIELD_EX32(p->active[R_PLANE_POS], PLANE_POS, X),
        .y = FIELD_EX32(p->active[R_PLANE_POS], PLANE_POS, Y),
        .width = FIELD_EX32(p->active[R_PLANE_SIZE], PLANE_SIZE, WIDTH),
        .height = FIELD_EX32(p->active[R_PLANE_SIZE], PLANE_SIZE, HEIGHT),
        .src_x = FIELD_EX32(p->active[R_PLANE_SRC], PLANE_SRC, X),
        .src_y = FIELD_EX32(p->active[R_PLANE_SRC], PLANE_SRC, Y),
        .pitch = {
            FIELD_EX32(p->active[R_PLANE_PITCH], PLANE_PITCH, PLANE0),
            FIELD_EX32(p->active[R_PLANE_PITCH], PLANE_PITCH, PLANE1),
        },
    };

    g.line_bytes = g.width * baton_display_cpp(g.format);
    return g;
}

/* A range of picture lines: [first, end) */
typedef struct Lines {
    unsigned first, end;
} Lines;

static Lines slice_lines(const BatonDisplayState *s)
{
    unsigned first = s->slice * BATON_DISPLAY_SLICE_LINES;

    return (Lines) {
        first,
        MIN(first + BATON_DISPLAY_SLICE_LINES, baton_display_height(s)),
    };
}

/* The part of @lines on which the plane lies; empty if end <= first */
static Lines plane_lines(const PlaneGeometry *g, Lines lines)
{
    return (Lines) {
        MAX(lines.first, g->y), MIN(lines.end, g->y + g->height),
    };
}

static bool plane_is_read(const BatonDisplayPlane *p)
{
    return baton_display_plane_enabled(p) && !p->failed;
}

uint64_t baton_display_slice_bytes(const BatonDisplayState *s)
{
    uint64_t bytes = 0;

    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        PlaneGeometry g = plane_geometry(&s->planes[i]);
        Lines lines = plane_lines(&g, slice_lines(s));

        if (!plane_is_read(&s->planes[i]) || lines.end <= lines.first) {
            continue;
        }
        bytes += (uint64_t)(lines.end - lines.first) * g.line_bytes;
        if (g.format == BATON_DISPLAY_FORMAT_NV12) {
            /* CbCr comes with the plane's even lines */
            bytes += (uint64_t)g.line_bytes * ((lines.end - g.y + 1) / 2 -
                                               (lines.first - g.y + 1) / 2);
        }
    }
    return bytes;
}

static uint32_t *picture_line(BatonDisplayState *s, unsigned line)
{
    return s->back + line * baton_display_width(s);
}

static void fill_background(BatonDisplayState *s, Lines lines)
{
    uint32_t *p = picture_line(s, lines.first);
    uint32_t *end = picture_line(s, lines.end);

    while (p < end) {
        *p++ = s->background;
    }
}

/* Read @len bytes for a plane; the number of bytes until an error. */
static size_t fetch(BatonDisplayState *s, unsigned plane, uint64_t addr,
                    void *buf, size_t len)
{
    const uint64_t bus_end = 1ull << 32;    /* addresses do not wrap around */
    BatonDisplayPlane *p = &s->planes[plane];
    size_t done = addr < bus_end ? MIN(len, bus_end - addr) : 0;
    hwaddr fault = addr + done;

    if (baton_dma_read(&s->dma, plane, addr, buf, done, &fault) != MEMTX_OK) {
        done = fault - addr;
    }
    s->bytes += done;
    if (done < len) {
        p->failed = true;
        baton_display_error(s, BATON_DISPLAY_ERR_BUS, plane, fault);
    } else if (s->hash) {
        baton_xxh64_update(&p->hash, buf, len);
    }
    return done;
}

static bool draw_line(BatonDisplayState *s, unsigned plane,
                      const PlaneGeometry *g, unsigned line)
{
    BatonDisplayPlane *p = &s->planes[plane];
    uint32_t *dst = picture_line(s, line) + g->x;
    unsigned y = g->src_y + line - g->y;
    unsigned cpp = baton_display_cpp(g->format);

    if (fetch(s, plane, p->active[R_PLANE_ADDR0] + (uint64_t)y * g->pitch[0] +
              g->src_x * cpp, s->line, g->line_bytes) < g->line_bytes) {
        return false;
    }
    switch (g->format) {
    case BATON_DISPLAY_FORMAT_XRGB8888:
        memcpy(dst, s->line, g->line_bytes);
        break;
    case BATON_DISPLAY_FORMAT_RGB565:
        baton_display_rgb565_to_xrgb(dst, (uint16_t *)s->line, g->width);
        break;
    case BATON_DISPLAY_FORMAT_NV12:
        if (y % 2 == 0 &&
            fetch(s, plane, p->active[R_PLANE_ADDR1] +
                  (uint64_t)(y / 2) * g->pitch[1] + g->src_x,
                  p->cbcr, g->line_bytes) < g->line_bytes) {
            return false;
        }
        baton_color_nv12_to_xrgb(dst, (uint8_t *)s->line, p->cbcr, g->width,
                                 g->encoding, g->full_range);
        break;
    case BATON_DISPLAY_FORMAT_ARGB8888:
        baton_display_blend_argb(dst, s->line, g->width);
        break;
    }
    return true;
}

/* Opaque lines of the picture's own layout: one access, no conversion */
static bool is_contiguous(const BatonDisplayState *s, const PlaneGeometry *g)
{
    return g->format == BATON_DISPLAY_FORMAT_XRGB8888 &&
           g->width == baton_display_width(s) && g->pitch[0] == g->line_bytes;
}

/* Draw a plane's part of @lines; the first line that could not be drawn. */
static unsigned draw_plane(BatonDisplayState *s, unsigned plane,
                           const PlaneGeometry *g, Lines lines)
{
    unsigned line;

    if (plane == BATON_DISPLAY_PRIMARY && is_contiguous(s, g)) {
        uint64_t addr = s->planes[plane].active[R_PLANE_ADDR0] +
            (uint64_t)(g->src_y + lines.first - g->y) * g->pitch[0];

        return lines.first + fetch(s, plane, addr, picture_line(s, lines.first),
                                   (lines.end - lines.first) * g->line_bytes) /
                             g->line_bytes;
    }
    for (line = lines.first; line < lines.end; line++) {
        if (!draw_line(s, plane, g, line)) {
            break;
        }
    }
    return line;
}

/* The background, and the primary plane that may hide it altogether */
static void draw_bottom(BatonDisplayState *s, Lines lines)
{
    BatonDisplayPlane *p = &s->planes[BATON_DISPLAY_PRIMARY];
    PlaneGeometry g = plane_geometry(p);
    Lines part = plane_lines(&g, lines);
    unsigned drawn;

    if (!plane_is_read(p) || part.end <= part.first) {
        fill_background(s, lines);
        return;
    }
    if (g.width < baton_display_width(s)) {
        fill_background(s, lines);
    } else {
        fill_background(s, (Lines) { lines.first, part.first });
        fill_background(s, (Lines) { part.end, lines.end });
    }
    drawn = draw_plane(s, BATON_DISPLAY_PRIMARY, &g, part);
    fill_background(s, (Lines) { drawn, part.end });
}

static void update_crc(BatonDisplayState *s, Lines lines)
{
    unsigned width = baton_display_width(s);

    if (!s->crc) {
        return;
    }
    for (unsigned line = lines.first; line < lines.end; line++) {
        const uint32_t *src = picture_line(s, line);

        for (unsigned x = 0; x < width; x++) {
            s->line[x] = src[x] & 0xffffff;
        }
        s->crc_value = crc32(s->crc_value, (const Bytef *)s->line, width * 4);
    }
}

void baton_display_begin_picture(BatonDisplayState *s)
{
    uint32_t ctrl = s->regs[R_DISP_CTRL];

    s->hash = FIELD_EX32(ctrl, DISP_CTRL, HASH);
    s->crc = FIELD_EX32(ctrl, DISP_CTRL, CRC);
    s->crc_value = 0;
    s->underrun = false;
    s->error = false;
    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        s->planes[i].failed = false;
        baton_xxh64_init(&s->planes[i].hash);
    }
    baton_display_planes_event(s, BATON_MONITOR_FRAME_START);
}

void baton_display_read_slice(BatonDisplayState *s)
{
    Lines lines = slice_lines(s);

    draw_bottom(s, lines);
    for (int i = BATON_DISPLAY_OVERLAY; i < BATON_DISPLAY_PLANES; i++) {
        PlaneGeometry g = plane_geometry(&s->planes[i]);
        Lines part = plane_lines(&g, lines);

        if (plane_is_read(&s->planes[i]) && part.first < part.end) {
            draw_plane(s, i, &g, part);
        }
    }
    update_crc(s, lines);
}

/* Too late for this slice: it and the rest of the picture stay empty. */
void baton_display_blank_rest(BatonDisplayState *s)
{
    Lines lines = { slice_lines(s).first, baton_display_height(s) };

    fill_background(s, lines);
    update_crc(s, lines);
}

void baton_display_planes_event(BatonDisplayState *s, unsigned kind)
{
    uint64_t addr[BATON_DISPLAY_PLANES] = {};

    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        if (baton_display_plane_enabled(&s->planes[i])) {
            addr[i] = s->planes[i].active[R_PLANE_ADDR0];
        }
    }
    baton_monitor_event(s->dma.port, (BatonLogRecord) {
        .kind = kind, .a = s->regs[R_DISP_FRAME],
        .b = addr[0], .c = addr[1], .d = addr[2],
    });
}

/* 0 if there is none */
static uint64_t plane_hash(const BatonDisplayState *s,
                           const BatonDisplayPlane *p)
{
    return s->hash && plane_is_read(p) && !s->underrun ?
           baton_xxh64_digest(&p->hash) : 0;
}

static unsigned plane_status(const BatonDisplayState *s,
                             const BatonDisplayPlane *p)
{
    if (p->failed) {
        return BATON_MONITOR_DISPLAY_ERROR;
    }
    return s->underrun ? BATON_MONITOR_DISPLAY_UNDERRUN : 0;
}

/* The primary plane is reported even if it is off. */
static void done_events(BatonDisplayState *s)
{
    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        const BatonDisplayPlane *p = &s->planes[i];
        bool enabled = baton_display_plane_enabled(p);
        uint64_t hash = plane_hash(s, p);

        if (i == BATON_DISPLAY_PRIMARY || enabled) {
            baton_monitor_event(s->dma.port, (BatonLogRecord) {
                .kind = BATON_MONITOR_FRAME_DONE, .plane = i,
                .status = plane_status(s, p), .a = s->regs[R_DISP_FRAME],
                .b = hash, .c = enabled ? p->active[R_PLANE_ADDR0] : 0,
                .d = hash != 0,
            });
        }
    }
}

static void record_picture(BatonDisplayState *s)
{
    BatonDisplayDone record = {
        .frame = s->regs[R_DISP_FRAME],
        .crc = s->crc_value,
        .time = s->deadline,
    };

    for (int i = 0; i < BATON_DISPLAY_PLANES; i++) {
        BatonDisplayPlane *p = &s->planes[i];

        if (baton_display_plane_enabled(p)) {
            record.addr0[i] = p->active[R_PLANE_ADDR0];
        }
        record.hash[i] = plane_hash(s, p);
    }
    baton_display_push_done(s, &record);
}

void baton_display_end_picture(BatonDisplayState *s)
{
    uint32_t *front = s->back;

    s->back = s->front;
    s->front = front;
    s->front_valid = true;
    s->redraw = true;

    done_events(s);
    if (s->hash || s->crc) {
        record_picture(s);
    }
    baton_display_raise(s, R_DISP_IRQ_STATUS_FRAME_DONE_MASK);
}
