/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: the pattern generator
 *
 * A diagonal ramp that moves by three steps a frame, with the sequence number
 * in big digits: docs/hardware/camera.md, "Pattern". A line of it is a slice of
 * a ramp computed once.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "camera.h"

#define PERIOD 256
#define DIGIT_PHASE 128
#define FRAME_STEP 3
#define RAMP_LENGTH (PERIOD + BATON_CAMERA_MAX_WIDTH)
#define DIGITS 8
#define DIGIT_ROWS 5
#define DIGIT_COLUMNS 4         /* with the gap */

static uint32_t ramp_xrgb[RAMP_LENGTH];
static uint16_t ramp_rgb565[RAMP_LENGTH];
static uint8_t ramp_luma[RAMP_LENGTH];
/* CbCr pairs of the phases 2 * i and of 2 * i + 1 */
static uint16_t ramp_cbcr[2][RAMP_LENGTH / 2];

/* Three bits a row, leftmost pixel first */
static const uint8_t font[10][DIGIT_ROWS] = {
    { 7, 5, 5, 5, 7 }, { 2, 6, 2, 2, 7 }, { 7, 1, 7, 4, 7 }, { 7, 1, 7, 1, 7 },
    { 5, 5, 7, 1, 1 }, { 7, 4, 7, 1, 7 }, { 7, 4, 7, 5, 7 }, { 7, 1, 1, 1, 1 },
    { 7, 5, 7, 5, 7 }, { 7, 5, 7, 1, 7 },
};

/* How a plane's lines are made from a ramp */
typedef struct Ramp {
    const void *base;
    unsigned unit;              /* bytes a sample */
    unsigned step;              /* pixels a sample */
} Ramp;

typedef struct DigitRow {
    uint32_t mask;              /* leftmost column in the top bit */
    unsigned x;
    unsigned scale;
} DigitRow;

void camera_pattern_init(void)
{
    for (int i = 0; i < RAMP_LENGTH; i++) {
        int phase = i % PERIOD;
        int r = phase, g = (2 * phase) & 255, b = 255 - phase;
        uint8_t cb = ((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128;
        uint8_t cr = ((112 * r - 94 * g - 18 * b + 128) >> 8) + 128;

        ramp_xrgb[i] = cpu_to_le32(0xffu << 24 | r << 16 | g << 8 | b);
        ramp_rgb565[i] = cpu_to_le16((r >> 3) << 11 | (g >> 2) << 5 | b >> 3);
        ramp_luma[i] = ((66 * r + 129 * g + 25 * b + 128) >> 8) + 16;
        ramp_cbcr[i % 2][i / 2] = cpu_to_le16(cr << 8 | cb);
    }
}

static DigitRow digit_row(BatonCameraState *s, unsigned y)
{
    unsigned width = CAMERA_FIELD(s, SIZE, WIDTH);
    unsigned height = CAMERA_FIELD(s, SIZE, HEIGHT);
    unsigned scale = MIN(width, height) / 64 * 2;
    unsigned top = ((height - DIGIT_ROWS * scale) / 2) & ~1;
    uint32_t number = s->frame.sequence;
    DigitRow row = {
        .x = ((width - DIGITS * DIGIT_COLUMNS * scale) / 2) & ~1,
        .scale = scale,
    };

    if (y < top || y >= top + DIGIT_ROWS * scale) {
        return row;
    }
    for (int i = 0; i < DIGITS; i++, number /= 10) {
        uint32_t bits = font[number % 10][(y - top) / scale];

        row.mask |= bits << (i * DIGIT_COLUMNS + 1);
    }
    return row;
}

static void pattern_line(BatonCameraState *s, uint8_t *dst, const Ramp *ramp,
                         unsigned phase, unsigned y)
{
    DigitRow row = digit_row(s, y);
    unsigned digit_phase = (phase + DIGIT_PHASE) % PERIOD;
    const uint8_t *plain = ramp->base + phase / ramp->step * ramp->unit;
    const uint8_t *digit = ramp->base + digit_phase / ramp->step * ramp->unit;
    size_t cell = row.scale / ramp->step * ramp->unit;
    size_t at = row.x / ramp->step * ramp->unit;

    memcpy(dst, plain, CAMERA_FIELD(s, SIZE, WIDTH) / ramp->step * ramp->unit);
    for (uint32_t mask = row.mask; mask; mask <<= 1, at += cell) {
        if (mask >> 31) {
            memcpy(dst + at, digit + at, cell);
        }
    }
}

static void pattern_plane(BatonCameraState *s, unsigned first, unsigned count,
                          const Ramp *ramp, uint8_t *dst)
{
    unsigned line_bytes = CAMERA_FIELD(s, SIZE, WIDTH) / ramp->step *
                          ramp->unit;

    for (unsigned y = first; y < first + count; y++, dst += line_bytes) {
        unsigned phase = (y + FRAME_STEP * s->frame.sequence) % PERIOD;

        pattern_line(s, dst, ramp, phase, y);
    }
}

static void pattern_cbcr(BatonCameraState *s, unsigned first, unsigned count,
                         uint8_t *dst)
{
    unsigned width = CAMERA_FIELD(s, SIZE, WIDTH);

    for (unsigned y = first; y < first + count; y += 2, dst += width) {
        unsigned phase = (y + FRAME_STEP * s->frame.sequence) % PERIOD;
        Ramp ramp = { ramp_cbcr[phase % 2], sizeof(uint16_t), 2 };

        pattern_line(s, dst, &ramp, phase, y);
    }
}

void camera_pattern_lines(BatonCameraState *s, unsigned first, unsigned count,
                          uint8_t *plane0, uint8_t *plane1)
{
    static const Ramp ramps[] = {
        [BATON_CAMERA_FORMAT_XRGB8888] = { ramp_xrgb, sizeof(uint32_t), 1 },
        [BATON_CAMERA_FORMAT_RGB565] = { ramp_rgb565, sizeof(uint16_t), 1 },
        [BATON_CAMERA_FORMAT_NV12] = { ramp_luma, sizeof(uint8_t), 1 },
    };
    unsigned format = CAMERA_FIELD(s, FORMAT, PIXEL);

    pattern_plane(s, first, count, &ramps[format], plane0);
    if (format == BATON_CAMERA_FORMAT_NV12) {
        pattern_cbcr(s, first, count, plane1);
    }
}
