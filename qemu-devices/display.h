/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton display engine: state shared by its parts
 *
 * display.c          the device: properties, reset, migration
 * display-regs.c     registers, interrupts, errors, checks of settings
 * display-timing.c   timing generator: vblank, latching, when slices are read
 * display-scanout.c  reads the planes' lines and composes the picture
 * display-pixels.c   pixel formats and blending
 * display-done.c     records of completed pictures
 * display-ui.c       console
 * display-edid.c     what the monitor says about itself
 *
 * Programming interface: docs/hardware/display.md.
 */
#ifndef HW_BATON_DISPLAY_H
#define HW_BATON_DISPLAY_H

#include "hw/registerfields.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "ui/console.h"
#include "baton-dma.h"
#include "baton-xxh64.h"
#include "regs/baton-display-regs.h"

/* Pictures are kept in the byte order of guest memory. */
QEMU_BUILD_BUG_MSG(HOST_BIG_ENDIAN, "needs a little-endian host");

#define TYPE_BATON_DISPLAY "baton-display"
OBJECT_DECLARE_SIMPLE_TYPE(BatonDisplayState, BATON_DISPLAY)

#define BATON_DISPLAY_REGS (R_DISP_LATCH_TIME_HI + 1)
#define BATON_DISPLAY_PLANE_REGS (R_PLANE_SRC + 1)

typedef enum BatonDisplayPhase {
    BATON_DISPLAY_OFF,
    BATON_DISPLAY_BLANK,        /* vblank, until DMA may start */
    BATON_DISPLAY_STRETCHED,    /* VRR: vblank goes on until a commit */
    BATON_DISPLAY_FETCH,        /* a slice is being read */
    BATON_DISPLAY_SCAN,         /* all read, until the last line is out */
} BatonDisplayPhase;

typedef struct BatonDisplayPlane {
    uint32_t regs[BATON_DISPLAY_PLANE_REGS];    /* as written */
    uint32_t active[BATON_DISPLAY_PLANE_REGS];  /* as latched */
    bool failed;                                /* bus error in this frame */
    BatonXXH64 hash;
    uint8_t cbcr[BATON_DISPLAY_MAX_WIDTH];      /* of the line pair in work */
    uint32_t done_hash_hi;                      /* latched by reading LO */
} BatonDisplayPlane;

/* The record of a completed picture */
typedef struct BatonDisplayDone {
    uint32_t frame;
    uint32_t crc;
    int64_t time;
    uint32_t addr0[BATON_DISPLAY_PLANES];
    uint64_t hash[BATON_DISPLAY_PLANES];
} BatonDisplayDone;

struct BatonDisplayState {
    SysBusDevice parent_obj;

    MemoryRegion mmio;
    qemu_irq irq;
    QEMUTimer *timer;
    QemuConsole *con;
    BatonDma dma;
    const char *name;           /* in messages */
    uint32_t xres, yres;        /* preferred mode */
    uint8_t edid[BATON_DISPLAY_EDID_SIZE];

    uint32_t regs[BATON_DISPLAY_REGS];
    BatonDisplayPlane planes[BATON_DISPLAY_PLANES];
    uint32_t background;        /* as latched */
    uint64_t bytes;
    bool commit;                /* waits for vblank */
    int64_t latch_time;

    BatonDisplayDone done[BATON_DISPLAY_DONE_RECORDS];  /* a ring */
    uint32_t done_first, done_count;

    /* The frame in progress; all times are nominal, on the virtual clock */
    uint32_t phase;
    int64_t deadline;           /* end of the phase */
    int64_t vblank_start;
    int64_t active_start;       /* first line of the picture, from FETCH on */
    int64_t fetch_end;
    uint32_t slice;             /* being read */
    bool latched;               /* in this vblank */
    bool hash, crc;             /* CTRL.HASH and CTRL.CRC when it started */
    bool underrun, error;
    uint32_t crc_value;

    /* Pictures of HACTIVE * VACTIVE pixels, lines without gaps */
    uint32_t picture_bytes;
    uint32_t *back;             /* being composed */
    uint32_t *front;            /* the last complete one */
    bool front_valid;
    bool redraw;                /* the console does not show it yet */
    uint32_t line[BATON_DISPLAY_MAX_WIDTH];     /* scratch memory */
};

/* display-regs.c */
extern const MemoryRegionOps baton_display_ops;
void baton_display_reset_regs(BatonDisplayState *s);
void baton_display_raise(BatonDisplayState *s, uint32_t irq_status);
void baton_display_error(BatonDisplayState *s, unsigned code, unsigned plane,
                         uint32_t addr);
bool baton_display_timing_legal(const BatonDisplayState *s);
unsigned baton_display_check_plane(const BatonDisplayState *s, unsigned plane,
                                   uint32_t *addr);

/* display-timing.c */
void baton_display_step(void *opaque);
void baton_display_start(BatonDisplayState *s);
void baton_display_stop(BatonDisplayState *s);
void baton_display_commit(BatonDisplayState *s, bool go);
uint32_t baton_display_scanline(const BatonDisplayState *s);

/* display-scanout.c */
/* FRAME_START or LATCH, with the planes' addresses, for the bus monitor */
void baton_display_planes_event(BatonDisplayState *s, unsigned kind);
void baton_display_begin_picture(BatonDisplayState *s);
uint64_t baton_display_slice_bytes(const BatonDisplayState *s);
void baton_display_read_slice(BatonDisplayState *s);
void baton_display_blank_rest(BatonDisplayState *s);
void baton_display_end_picture(BatonDisplayState *s);

/* display-done.c */
void baton_display_push_done(BatonDisplayState *s,
                             const BatonDisplayDone *record);
const BatonDisplayDone *baton_display_oldest_done(const BatonDisplayState *s);
void baton_display_pop_done(BatonDisplayState *s);

/* display-pixels.c: one line of pixels */
void baton_display_rgb565_to_xrgb(uint32_t *restrict dst,
                                  const uint16_t *restrict src, unsigned width);
void baton_display_blend_argb(uint32_t *restrict dst,
                              const uint32_t *restrict src, unsigned width);

/* display-ui.c */
void baton_display_init_ui(BatonDisplayState *s);

/* display-edid.c */
void baton_display_make_edid(BatonDisplayState *s);

static inline unsigned baton_display_cpp(unsigned format)
{
    switch (format) {
    case BATON_DISPLAY_FORMAT_NV12:
        return 1;
    case BATON_DISPLAY_FORMAT_RGB565:
        return 2;
    default:
        return 4;
    }
}

static inline bool baton_display_plane_enabled(const BatonDisplayPlane *p)
{
    return FIELD_EX32(p->active[R_PLANE_CTRL], PLANE_CTRL, ENABLE);
}

static inline unsigned baton_display_width(const BatonDisplayState *s)
{
    return FIELD_EX32(s->regs[R_DISP_HACTIVE], DISP_HACTIVE, ACTIVE);
}

static inline unsigned baton_display_height(const BatonDisplayState *s)
{
    return FIELD_EX32(s->regs[R_DISP_VACTIVE], DISP_VACTIVE, ACTIVE);
}

static inline uint32_t baton_display_picture_bytes(const BatonDisplayState *s)
{
    return baton_display_width(s) * baton_display_height(s) * 4;
}

#endif
