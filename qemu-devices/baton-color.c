/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton: YCbCr to RGB conversion shared by the engines */

#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "baton-color.h"
#include "regs/baton-camera-regs.h"

#define COLOR_BITS 13
#define BLOCK 32

typedef struct Coefficients {
    int16_t cy, crv, cgu, cgv, cbu;
} Coefficients;

/* From Kr and Kb of BT.601-7, BT.709-6 and BT.2020-2, times 8192 */
static const Coefficients coefficients[][2] = {
    [BATON_COLOR_BT601] = {
        { 9539, 13075, 3209, 6660, 16525 },
        { 8192, 11485, 2819, 5850, 14516 },
    },
    [BATON_COLOR_BT709] = {
        { 9539, 14686, 1747, 4366, 17305 },
        { 8192, 12901, 1535, 3835, 15201 },
    },
    [BATON_COLOR_BT2020] = {
        { 9539, 13752, 1535, 5328, 17545 },
        { 8192, 12080, 1348, 4681, 15412 },
    },
};

static inline int16_t clamp8(int32_t v)
{
    int16_t p = v >> COLOR_BITS;    /* within -512..767, so 16 bits hold it */

    p = MAX(p, 0);
    return MIN(p, 255);
}

/*
 * Fixed trip counts, unit strides and 16-bit factors: this is the form that
 * compilers vectorise at -O2.
 */
static void convert_block(uint32_t *restrict dst, const uint8_t *restrict y,
                          const uint8_t *restrict cbcr, const Coefficients c,
                          int16_t y_offset)
{
    int16_t cb[BLOCK], cr[BLOCK];

    for (int i = 0; i < BLOCK / 2; i++) {
        cb[2 * i] = cb[2 * i + 1] = cbcr[2 * i] - 128;
        cr[2 * i] = cr[2 * i + 1] = cbcr[2 * i + 1] - 128;
    }
    for (int i = 0; i < BLOCK; i++) {
        int16_t luma = y[i] - y_offset;
        int32_t base = luma * c.cy + (1 << (COLOR_BITS - 1));
        uint16_t r = clamp8(base + cr[i] * c.crv);
        uint16_t g = clamp8(base - cb[i] * c.cgu - cr[i] * c.cgv);
        uint16_t b = clamp8(base + cb[i] * c.cbu);
        uint16_t gb = g << 8 | b;
        uint16_t xr = 0xff00 | r;

        dst[i] = (uint32_t)xr << 16 | gb;
    }
}

void baton_color_nv12_to_xrgb(uint32_t *dst, const uint8_t *y,
                              const uint8_t *cbcr, unsigned width,
                              unsigned encoding, bool full_range)
{
    const Coefficients *c = &coefficients[encoding][full_range];
    int16_t y_offset = full_range ? 0 : 16;
    unsigned x, rest;

    for (x = 0; x + BLOCK <= width; x += BLOCK) {
        convert_block(dst + x, y + x, cbcr + x, *c, y_offset);
    }

    rest = width - x;
    if (rest) {
        uint8_t tail_y[BLOCK] = {}, tail_cbcr[BLOCK] = {};
        uint32_t tail[BLOCK];

        memcpy(tail_y, y + x, rest);
        memcpy(tail_cbcr, cbcr + x, (rest + 1) & ~1);
        convert_block(tail, tail_y, tail_cbcr, *c, y_offset);
        memcpy(dst + x, tail, rest * sizeof(tail[0]));
    }
}
