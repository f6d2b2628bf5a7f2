/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * Baton display engine 1.0: registers
 *
 * The one description of the programming interface, included by the device
 * model, the Linux driver and, parsed, by the model's tests. Include a
 * definition of REG32() and FIELD() first. Behaviour: docs/hardware/display.md.
 *
 * Registers are 32 bits wide, little endian, accessed as aligned words. A
 * 64-bit quantity is a LO/HI pair; reading LO latches HI.
 * Access types in the comments: ro, rw, w1c (write one to clear), wo. Registers
 * marked "latched" are double buffered: what is written takes effect, all
 * together, at the vblank that follows a write to DISP_COMMIT; reading them
 * gives what was written. Reserved bits read as zero; a write that sets one
 * changes nothing and raises CONFIG_ERROR (w1c registers ignore such bits).
 */
#ifndef BATON_DISPLAY_REGS_H
#define BATON_DISPLAY_REGS_H

#define BATON_DISPLAY_MMIO_SIZE 0x1000

REG32(DISP_ID, 0x000)                   /* ro "BDIS" */
#define BATON_DISPLAY_ID 0x42444953
REG32(DISP_VERSION, 0x004)              /* ro */
    FIELD(DISP_VERSION, MINOR, 0, 16)
    FIELD(DISP_VERSION, MAJOR, 16, 16)
REG32(DISP_CAPS, 0x008)                 /* ro, what this instance implements */
    FIELD(DISP_CAPS, PLANES, 0, 4)      /* number of planes: 3 */
    FIELD(DISP_CAPS, VRR, 4, 1)         /* variable refresh */
    FIELD(DISP_CAPS, HASH, 5, 1)        /* plane hashes */
    FIELD(DISP_CAPS, CRC, 6, 1)         /* CRC of the composed picture */

REG32(DISP_CTRL, 0x00c)                 /* rw */
    FIELD(DISP_CTRL, ENABLE, 0, 1)      /* timing generator; clearing blanks at once */
    FIELD(DISP_CTRL, VRR, 1, 1)         /* stretch vblank until a commit or VRR_VMAX */
    FIELD(DISP_CTRL, HASH, 2, 1)        /* hash what each plane reads; record */
    FIELD(DISP_CTRL, CRC, 3, 1)         /* CRC of each composed frame; record */
    FIELD(DISP_CTRL, RESET, 31, 1)      /* w1, self-clearing: all registers to reset */

REG32(DISP_STATUS, 0x010)               /* ro */
    FIELD(DISP_STATUS, RUNNING, 0, 1)
    FIELD(DISP_STATUS, VBLANK, 1, 1)    /* in vertical blanking */
    FIELD(DISP_STATUS, COMMIT, 2, 1)    /* a commit waits for vblank */

/* Interrupt line = IRQ_STATUS & IRQ_ENABLE, level */
REG32(DISP_IRQ_STATUS, 0x014)           /* w1c */
    FIELD(DISP_IRQ_STATUS, VBLANK, 0, 1)       /* first line after the active ones */
    FIELD(DISP_IRQ_STATUS, LATCH, 1, 1)        /* a commit took effect */
    FIELD(DISP_IRQ_STATUS, FRAME_DONE, 2, 1)   /* picture complete; recorded with CTRL.HASH or CRC */
    FIELD(DISP_IRQ_STATUS, UNDERRUN, 3, 1)     /* memory slower than the scanout */
    FIELD(DISP_IRQ_STATUS, BUS_ERROR, 4, 1)    /* ERR_ADDR has the bus address */
    FIELD(DISP_IRQ_STATUS, CONFIG_ERROR, 5, 1) /* a register value was refused */
REG32(DISP_IRQ_ENABLE, 0x018)           /* rw, same layout as IRQ_STATUS */
REG32(DISP_COMMIT, 0x01c)               /* wo */
    FIELD(DISP_COMMIT, GO, 0, 1)        /* 1: latch at next vblank, with RUNNING 0 at once; 0: withdraw */

/*
 * Timing. Writable while CTRL.ENABLE is 0; a write while it is 1 changes
 * nothing and raises CONFIG_ERROR. Checked when ENABLE is set: an illegal
 * combination leaves ENABLE 0 and raises CONFIG_ERROR. Totals and sync
 * positions as in a DRM mode: active <= sync start < sync end <= total.
 */
REG32(DISP_PIXEL_CLOCK, 0x020)          /* rw, kHz, 1000 to 1200000 */
REG32(DISP_HACTIVE, 0x024)              /* rw, pixels */
    FIELD(DISP_HACTIVE, ACTIVE, 0, 16)  /* even, 64 to 3840 */
    FIELD(DISP_HACTIVE, TOTAL, 16, 16)
REG32(DISP_HSYNC, 0x028)                /* rw, pixels */
    FIELD(DISP_HSYNC, START, 0, 16)
    FIELD(DISP_HSYNC, END, 16, 16)
REG32(DISP_VACTIVE, 0x02c)              /* rw, lines */
    FIELD(DISP_VACTIVE, ACTIVE, 0, 16)  /* even, 64 to 2160 */
    FIELD(DISP_VACTIVE, TOTAL, 16, 16)
REG32(DISP_VSYNC, 0x030)                /* rw, lines */
    FIELD(DISP_VSYNC, START, 0, 16)
    FIELD(DISP_VSYNC, END, 16, 16)
REG32(DISP_VRR_VMAX, 0x034)             /* rw, longest frame with VRR, lines, >= VACTIVE.TOTAL if VRR */
    FIELD(DISP_VRR_VMAX, LINES, 0, 20)
REG32(DISP_DMA_RATE, 0x038)             /* rw at any time, bus bandwidth in MB/s (10^6), >= 1 */
REG32(DISP_BACKGROUND, 0x03c)           /* rw, latched: XRGB8888 where no plane is */
    FIELD(DISP_BACKGROUND, COLOR, 0, 24)

REG32(DISP_FRAME, 0x040)                /* ro, vblanks since reset; wraps */
REG32(DISP_SCANLINE, 0x044)             /* ro, 0 is the first active line */
REG32(DISP_TIME_LO, 0x048)              /* ro, ns, the clock of VBLANK_TIME */
REG32(DISP_TIME_HI, 0x04c)              /* ro */
REG32(DISP_VBLANK_TIME_LO, 0x050)       /* ro, ns, start of the last vblank */
REG32(DISP_VBLANK_TIME_HI, 0x054)       /* ro */
/* Oldest record of a completed picture; all zero if there is none */
REG32(DISP_DONE_FRAME, 0x058)           /* ro, value of DISP_FRAME while it was shown */
REG32(DISP_DONE_CRC, 0x05c)             /* ro, its CRC-32 */
REG32(DISP_BYTES_LO, 0x060)             /* ro, pixel bytes read from the bus since reset */
REG32(DISP_BYTES_HI, 0x064)             /* ro */
REG32(DISP_UNDERRUNS, 0x068)            /* ro, frames with an underrun since reset */
REG32(DISP_ERRORS, 0x06c)               /* ro, since reset: frames with a bus error, refusals */

/* The first error since ERR_STATUS was last written */
REG32(DISP_ERR_STATUS, 0x070)           /* any write clears it */
    FIELD(DISP_ERR_STATUS, CODE, 0, 4)
    FIELD(DISP_ERR_STATUS, PLANE, 4, 4)
#define BATON_DISPLAY_ERR_NONE     0
#define BATON_DISPLAY_ERR_BUS      1    /* access outside the window */
#define BATON_DISPLAY_ERR_UNDERRUN 2
#define BATON_DISPLAY_ERR_ALIGN    3    /* base or pitch not a multiple of 64 */
#define BATON_DISPLAY_ERR_FORMAT   4    /* format not supported by that plane */
#define BATON_DISPLAY_ERR_SIZE     5    /* empty, odd NV12, beyond the picture or the pitch */
#define BATON_DISPLAY_ERR_TIMING   6    /* illegal timing, or changed while running */
#define BATON_DISPLAY_ERR_REGISTER 7    /* reserved bit or illegal value written */
REG32(DISP_ERR_ADDR, 0x074)             /* ro, BUS, ALIGN: bus address; TIMING, REGISTER: offset */

/* Records of completed pictures: a FIFO; when it is full, a new one is lost */
#define BATON_DISPLAY_DONE_RECORDS 16
REG32(DISP_DONE_STATUS, 0x078)          /* ro */
    FIELD(DISP_DONE_STATUS, COUNT, 0, 5) /* records in the FIFO */
REG32(DISP_DONE_LOST, 0x07c)            /* ro, records lost since reset */
REG32(DISP_DONE_POP, 0x080)             /* wo */
    FIELD(DISP_DONE_POP, GO, 0, 1)      /* 1: drop the oldest record */
REG32(DISP_LATCH_FRAME, 0x084)          /* ro, value of DISP_FRAME at the last latch */
REG32(DISP_DONE_TIME_LO, 0x088)         /* ro, oldest record: ns, when its last line was out */
REG32(DISP_DONE_TIME_HI, 0x08c)         /* ro */
REG32(DISP_LATCH_TIME_LO, 0x090)        /* ro, ns, the last latch */
REG32(DISP_LATCH_TIME_HI, 0x094)        /* ro */

/*
 * Planes, all latched: 0 primary, 1 overlay, 2 cursor, blended in this order.
 * A plane that is illegal when it is latched (or, latched while RUNNING is 0,
 * when ENABLE is set) raises CONFIG_ERROR and is not shown. No scaling: SIZE is
 * the size in memory and on the screen.
 */
#define BATON_DISPLAY_PLANES 3
#define BATON_DISPLAY_PRIMARY 0
#define BATON_DISPLAY_OVERLAY 1
#define BATON_DISPLAY_CURSOR  2
#define BATON_DISPLAY_PLANE_BASE 0x100
#define BATON_DISPLAY_PLANE_STRIDE 0x40
REG32(PLANE_CTRL, 0x00)                 /* rw */
    FIELD(PLANE_CTRL, ENABLE, 0, 1)
    FIELD(PLANE_CTRL, FORMAT, 4, 4)     /* BATON_DISPLAY_FORMAT_* */
    FIELD(PLANE_CTRL, ENCODING, 8, 2)   /* BATON_DISPLAY_ENC_*, NV12 only */
    FIELD(PLANE_CTRL, FULL_RANGE, 10, 1) /* NV12 only */
#define BATON_DISPLAY_FORMAT_XRGB8888 0 /* planes 0 and 1 */
#define BATON_DISPLAY_FORMAT_RGB565   1 /* planes 0 and 1 */
#define BATON_DISPLAY_FORMAT_NV12     2 /* planes 0 and 1 */
#define BATON_DISPLAY_FORMAT_ARGB8888 3 /* planes 1 and 2, premultiplied */
#define BATON_DISPLAY_ENC_BT601  0
#define BATON_DISPLAY_ENC_BT709  1
#define BATON_DISPLAY_ENC_BT2020 2
REG32(PLANE_ADDR0, 0x04)                /* rw, bus address, 64-byte aligned */
REG32(PLANE_ADDR1, 0x08)                /* rw, NV12 CbCr plane, 64-byte aligned */
REG32(PLANE_PITCH, 0x0c)                /* rw, bytes, multiples of 64 */
    FIELD(PLANE_PITCH, PLANE0, 0, 16)
    FIELD(PLANE_PITCH, PLANE1, 16, 16)
REG32(PLANE_SIZE, 0x10)                 /* rw, pixels; cursor at most 256x256 */
    FIELD(PLANE_SIZE, WIDTH, 0, 16)
    FIELD(PLANE_SIZE, HEIGHT, 16, 16)
REG32(PLANE_POS, 0x14)                  /* rw, pixels from the picture's top left */
    FIELD(PLANE_POS, X, 0, 16)
    FIELD(PLANE_POS, Y, 16, 16)
REG32(PLANE_SRC, 0x18)                  /* rw, first pixel within the framebuffer; even for NV12 */
    FIELD(PLANE_SRC, X, 0, 16)
    FIELD(PLANE_SRC, Y, 16, 16)
/* What is on the screen, and in the oldest record what crossed the bus for it */
REG32(PLANE_ACTIVE_ADDR0, 0x20)         /* ro, latched copy of ADDR0; 0 when off */
REG32(PLANE_ACTIVE_ADDR1, 0x24)         /* ro */
REG32(PLANE_DONE_ADDR0, 0x28)           /* ro, ADDR0 during frame DISP_DONE_FRAME */
REG32(PLANE_DONE_HASH_LO, 0x2c)         /* ro, hash; 0 unless CTRL.HASH and no error */
REG32(PLANE_DONE_HASH_HI, 0x30)         /* ro */

REG32(DISP_EDID, 0x800)                 /* ro, first word of the monitor's EDID */
#define BATON_DISPLAY_EDID_SIZE 256

#define BATON_DISPLAY_ALIGN 64
#define BATON_DISPLAY_SLICE_LINES 16    /* lines per DMA slice */
#define BATON_DISPLAY_FIFO_SLICES 2     /* how far DMA runs ahead of the scanout */
#define BATON_DISPLAY_MIN_SIZE 64
#define BATON_DISPLAY_MAX_WIDTH 3840
#define BATON_DISPLAY_MAX_HEIGHT 2160
#define BATON_DISPLAY_MAX_CURSOR 256
#define BATON_DISPLAY_MIN_CLOCK_KHZ 1000
#define BATON_DISPLAY_MAX_CLOCK_KHZ 1200000
#define BATON_DISPLAY_DMA_RATE_RESET 8000 /* MB/s */

#endif
