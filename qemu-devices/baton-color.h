/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: YCbCr to RGB conversion shared by the engines
 *
 * Both engines use this one conversion, so that a picture has the same RGB
 * values whether it becomes RGB at the camera or at the display.
 */
#ifndef HW_BATON_COLOR_H
#define HW_BATON_COLOR_H

/*
 * Convert one line of NV12 to XRGB8888 (X = 0xff).
 *
 * @y holds width luma samples, @cbcr the (width + 1) / 2 pairs of chroma
 * samples of that line; a pair applies to the two pixels it stands for
 * (nearest neighbour). @encoding is BATON_COLOR_*. With Y' = Y (full range) or
 * Y - 16, Cb' = Cb - 128, Cr' = Cr - 128 and coefficients rounded to 1/8192,
 *
 *   R = (cy Y'            + crv Cr' + 4096) >> 13
 *   G = (cy Y' - cgu Cb'  - cgv Cr' + 4096) >> 13
 *   B = (cy Y' + cbu Cb'            + 4096) >> 13
 *
 * clamped to 0..255. Input below black or above white is not clamped before
 * the multiplication.
 */
void baton_color_nv12_to_xrgb(uint32_t *dst, const uint8_t *y,
                              const uint8_t *cbcr, unsigned width,
                              unsigned encoding, bool full_range);

#endif
