/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton display engine: EDID
 *
 * VESA Enhanced EDID Standard release A revision 2 (EDID 1.4), with one CTA-861
 * extension. qemu_edid_generate() makes up its timings and has no room for
 * 3840x2160 in them; this monitor has those of CTA-861.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "display.h"

#define BLOCK_SIZE 128
#define DESCRIPTOR_SIZE 18
#define REFRESH_HZ 60

typedef struct Timing {
    unsigned width, height;
    unsigned clock;             /* 10 kHz */
    unsigned hfront, hsync, hblank;
    unsigned vfront, vsync, vblank;
    uint8_t vic;
} Timing;

/* CTA-861-G table 1, at 60 Hz */
static const Timing cta_timings[] = {
    { 1920, 1080, 14850,  88, 44, 280,  4,  5, 45, 16 },
    { 1280,  720,  7425, 110, 40, 370,  5,  5, 30,  4 },
    { 3840, 2160, 59400, 176, 88, 560,  8, 10, 90, 97 },
};

static Timing preferred_timing(unsigned width, unsigned height)
{
    /* Blanking as in CVT 1.2 with reduced blanking, except for its rounding */
    Timing t = {
        .width = width, .height = height,
        .hfront = 48, .hsync = 32, .hblank = 160,
        .vfront = 3, .vsync = 6, .vblank = MAX(height / 35, 16),
    };

    for (int i = 0; i < ARRAY_SIZE(cta_timings); i++) {
        if (cta_timings[i].width == width && cta_timings[i].height == height) {
            return cta_timings[i];
        }
    }
    t.clock = ((width + t.hblank) * (height + t.vblank) * REFRESH_HZ + 5000) /
              10000;
    return t;
}

/* Section 3.10.2 */
static void put_timing(uint8_t *desc, const Timing *t)
{
    /* A usual size, 96 dpi */
    unsigned mm_width = t->width * 254 / 960;
    unsigned mm_height = t->height * 254 / 960;

    stw_le_p(desc, t->clock);
    desc[2] = t->width;
    desc[3] = t->hblank;
    desc[4] = t->width >> 8 << 4 | t->hblank >> 8;
    desc[5] = t->height;
    desc[6] = t->vblank;
    desc[7] = t->height >> 8 << 4 | t->vblank >> 8;
    desc[8] = t->hfront;
    desc[9] = t->hsync;
    desc[10] = t->vfront << 4 | t->vsync;
    desc[12] = mm_width;
    desc[13] = mm_height;
    desc[14] = mm_width >> 8 << 4 | mm_height >> 8;
    desc[17] = 0x1e;            /* separate syncs, both positive */
}

/* Sections 3.10.3.3 and 3.10.3.4: what the engine can do, and a name */
static void put_range_and_name(uint8_t *desc)
{
    static const uint8_t range[DESCRIPTOR_SIZE] = {
        0, 0, 0, 0xfd, 0x00,
        24, 240,                /* Hz */
        15, 255,                /* kHz */
        BATON_DISPLAY_MAX_CLOCK_KHZ / 10000,
        0x01,                   /* no timing formula */
        '\n', ' ', ' ', ' ', ' ', ' ', ' ',
    };
    static const uint8_t name[DESCRIPTOR_SIZE] = {
        0, 0, 0, 0xfc, 0x00,
        'B', 'a', 't', 'o', 'n', '\n', ' ', ' ', ' ', ' ', ' ', ' ', ' ',
    };
    static const uint8_t dummy[DESCRIPTOR_SIZE] = { 0, 0, 0, 0x10 };

    memcpy(desc, range, DESCRIPTOR_SIZE);
    memcpy(desc + DESCRIPTOR_SIZE, name, DESCRIPTOR_SIZE);
    memcpy(desc + 2 * DESCRIPTOR_SIZE, dummy, DESCRIPTOR_SIZE);
}

static void put_checksum(uint8_t *block)
{
    uint8_t sum = 0;

    for (int i = 0; i < BLOCK_SIZE - 1; i++) {
        sum += block[i];
    }
    block[BLOCK_SIZE - 1] = -sum;
}

static void make_base_block(uint8_t *edid, const Timing *t)
{
    static const uint8_t head[] = {
        0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00,
        0x49, 0x14,             /* RHT, as QEMU's other monitors */
        0x44, 0x42, 0, 0, 0, 0, /* product, no serial number */
        0, 36,                  /* 2026 */
        1, 4,                   /* EDID 1.4 */
        0xa5,                   /* digital, 8 bits a colour, DisplayPort */
        0, 0,                   /* size: see below */
        120,                    /* gamma 2.2 */
        0x07,                   /* sRGB, native timing first, any rate */
        0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* sRGB */
        0x21, 0x08, 0x00,       /* 640x480, 800x600, 1024x768 at 60 Hz */
    };

    memcpy(edid, head, sizeof(head));
    edid[21] = MAX(t->width * 254 / 9600, 1);   /* cm */
    edid[22] = MAX(t->height * 254 / 9600, 1);
    memset(edid + 38, 0x01, 16);                /* no standard timings */
    put_timing(edid + 54, t);
    put_range_and_name(edid + 54 + DESCRIPTOR_SIZE);
    edid[126] = 1;                              /* extensions */
    put_checksum(edid);
}

/* CTA-861-G section 7.5 */
static void make_cta_block(uint8_t *cta)
{
    static const uint8_t video_capability[] = { 0xe2, 0x00, 0xca };
    uint8_t *p = cta + 4;

    cta[0] = 0x02;
    cta[1] = 0x03;
    cta[3] = 0x81;              /* no overscan; one native detailed timing */
    *p++ = 0x40 | ARRAY_SIZE(cta_timings);      /* video data block */
    for (int i = 0; i < ARRAY_SIZE(cta_timings); i++) {
        *p++ = cta_timings[i].vic;
    }
    memcpy(p, video_capability, sizeof(video_capability));
    p += sizeof(video_capability);
    cta[2] = p - cta;           /* where detailed timings would begin */
    put_checksum(cta);
}

void baton_display_make_edid(BatonDisplayState *s)
{
    Timing t = preferred_timing(s->xres, s->yres);

    make_base_block(s->edid, &t);
    make_cta_block(s->edid + BLOCK_SIZE);
}
