/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton display engine: pixel formats and blending */

#include "qemu/osdep.h"
#include "display.h"

/*
 * With -O2 and -fwrapv compilers vectorise a loop of fixed length over pointers
 * that move on, and not one with an index that might wrap around.
 */
#define BLOCK 32

static inline uint32_t expand_rgb565(uint16_t v)
{
    uint32_t r = v >> 11, g = v >> 5 & 0x3f, b = v & 0x1f;

    return 0xff000000 | (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 |
           (b << 3 | b >> 2);
}

void baton_display_rgb565_to_xrgb(uint32_t *restrict dst,
                                  const uint16_t *restrict src, unsigned width)
{
    for (; width >= BLOCK; width -= BLOCK, dst += BLOCK, src += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            dst[i] = expand_rgb565(src[i]);
        }
    }
    while (width--) {
        dst[width] = expand_rgb565(src[width]);
    }
}

/*
 * Two 8-bit channels at once, in bits 7:0 and 23:16:
 * src + round(dst * (255 - alpha) / 255), at most 255
 */
static inline uint32_t blend_pair(uint32_t dst, uint32_t src, uint32_t beta)
{
    uint32_t v = (dst & 0xff00ff) * beta + 0x800080;
    uint32_t over;

    v = ((v + (v >> 8 & 0xff00ff)) >> 8 & 0xff00ff) + (src & 0xff00ff);
    over = v & 0x1000100;
    return (v | (over - (over >> 8))) & 0xff00ff;
}

static inline uint32_t blend_pixel(uint32_t dst, uint32_t src)
{
    uint32_t beta = 255 - (src >> 24);

    return blend_pair(dst, src, beta) |
           (blend_pair(dst >> 8, src >> 8, beta) & 0xff) << 8 | 0xff000000;
}

void baton_display_blend_argb(uint32_t *restrict dst,
                              const uint32_t *restrict src, unsigned width)
{
    for (; width >= BLOCK; width -= BLOCK, dst += BLOCK, src += BLOCK) {
        for (int i = 0; i < BLOCK; i++) {
            dst[i] = blend_pixel(dst[i], src[i]);
        }
    }
    while (width--) {
        dst[width] = blend_pixel(dst[width], src[width]);
    }
}
