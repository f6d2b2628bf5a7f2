/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera engine 1.0: registers and in-memory structures
 *
 * The one description of the programming interface, included by the device
 * model, the Linux driver and, parsed, by the model's tests. Include a
 * definition of REG32() and FIELD() first. Behaviour: docs/hardware/camera.md.
 *
 * Registers are 32 bits wide, little endian, accessed as aligned words. A
 * 64-bit quantity is a LO/HI pair; reading LO of a counter latches its HI.
 * Access types in the comments: ro, rw, w1c (write one to clear), wo. Reserved
 * bits read as zero; a write that sets one changes nothing and raises
 * CONFIG_ERROR (w1c registers ignore such bits).
 */
#ifndef BATON_CAMERA_REGS_H
#define BATON_CAMERA_REGS_H

#define BATON_CAMERA_MMIO_SIZE 0x1000

REG32(CAM_ID, 0x000)                    /* ro "BCAM" */
#define BATON_CAMERA_ID 0x4243414d
REG32(CAM_VERSION, 0x004)               /* ro */
    FIELD(CAM_VERSION, MINOR, 0, 16)
    FIELD(CAM_VERSION, MAJOR, 16, 16)
REG32(CAM_CAPS, 0x008)                  /* ro, what this instance implements */
    FIELD(CAM_CAPS, SG, 0, 1)           /* segment lists */
    FIELD(CAM_CAPS, RECALL, 1, 1)       /* RECALL and RESTORE */
    FIELD(CAM_CAPS, HASH, 2, 1)         /* frame hash */
    FIELD(CAM_CAPS, PATTERN, 3, 1)      /* built-in pattern generator */
    FIELD(CAM_CAPS, SOURCE, 4, 1)       /* a sensor is connected */

REG32(CAM_CTRL, 0x00c)                  /* rw */
    FIELD(CAM_CTRL, ENABLE, 0, 1)       /* run; clearing abandons the frame */
    FIELD(CAM_CTRL, FREERUN, 1, 1)      /* no frame clock; fixed in ENABLE */
    FIELD(CAM_CTRL, HASH, 2, 1)         /* hash each frame */
    FIELD(CAM_CTRL, PATTERN, 3, 1)      /* not the sensor; fixed in ENABLE */
    FIELD(CAM_CTRL, RESET, 31, 1)       /* w1: all registers to reset */

REG32(CAM_STATUS, 0x010)                /* ro */
    FIELD(CAM_STATUS, RUNNING, 0, 1)    /* enabled and not halted */
    FIELD(CAM_STATUS, IN_FRAME, 1, 1)   /* a frame is being written */
    FIELD(CAM_STATUS, HALTED, 2, 1)     /* ring error; ENABLE = 0 recovers */

/* Interrupt line = IRQ_STATUS & IRQ_ENABLE, level */
REG32(CAM_IRQ_STATUS, 0x014)            /* w1c */
    FIELD(CAM_IRQ_STATUS, FRAME_START, 0, 1)
    FIELD(CAM_IRQ_STATUS, FRAME_DONE, 1, 1) /* descriptor written back */
    FIELD(CAM_IRQ_STATUS, DROP, 2, 1)   /* no descriptor or no frame */
    FIELD(CAM_IRQ_STATUS, OVERRUN, 3, 1) /* memory too slow */
    FIELD(CAM_IRQ_STATUS, BUS_ERROR, 4, 1) /* ERR_ADDR has the bus address */
    FIELD(CAM_IRQ_STATUS, DESC_ERROR, 5, 1) /* bad descriptor or list */
    FIELD(CAM_IRQ_STATUS, CONFIG_ERROR, 6, 1) /* a register value was refused */
    FIELD(CAM_IRQ_STATUS, SOURCE, 7, 1) /* SRC_* changed, frame failed */
REG32(CAM_IRQ_ENABLE, 0x018)            /* rw, same layout as IRQ_STATUS */

/*
 * Frame set-up. Writable while CTRL.ENABLE is 0; a write while it is 1 changes
 * nothing and raises CONFIG_ERROR. Checked when ENABLE is set: an illegal
 * combination leaves ENABLE 0 and raises CONFIG_ERROR. SIZE is 64x64 to
 * 3840x2160, and the sensor's own unless the pattern is used; PITCH is at least
 * a line; DMA_RATE is the bandwidth of the bus, from the next slice on.
 */
REG32(CAM_FORMAT, 0x020)                /* rw */
    FIELD(CAM_FORMAT, PIXEL, 0, 4)      /* BATON_CAMERA_FORMAT_* */
#define BATON_CAMERA_FORMAT_XRGB8888 0  /* DRM_FORMAT_XRGB8888, 4 bytes */
#define BATON_CAMERA_FORMAT_RGB565   1  /* DRM_FORMAT_RGB565, 2 bytes */
#define BATON_CAMERA_FORMAT_NV12     2  /* DRM_FORMAT_NV12, two planes */
REG32(CAM_SIZE, 0x024)                  /* rw, pixels, even */
    FIELD(CAM_SIZE, WIDTH, 0, 16)
    FIELD(CAM_SIZE, HEIGHT, 16, 16)
REG32(CAM_PITCH, 0x028)                 /* rw, bytes, multiples of 16 */
    FIELD(CAM_PITCH, PLANE0, 0, 16)
    FIELD(CAM_PITCH, PLANE1, 16, 16)    /* NV12 CbCr plane, else 0 */
REG32(CAM_INTERVAL, 0x02c)              /* rw, ns, >= 1000000 */
REG32(CAM_DMA_RATE, 0x030)              /* rw at any time, MB/s (10^6), >= 1 */

/*
 * Descriptor ring: the engine owns the entries from HEAD up to, not including,
 * TAIL, so HEAD = TAIL is an empty ring and RING_SIZE - 1 entries a full one.
 * Writing RING_LO, RING_HI or RING_SIZE sets HEAD = TAIL = 0; clearing ENABLE
 * leaves the ring as it is, the abandoned frame's descriptor at HEAD.
 */
REG32(CAM_RING_LO, 0x040)               /* rw while disabled, 64-byte aligned */
REG32(CAM_RING_HI, 0x044)               /* rw while disabled */
    FIELD(CAM_RING_HI, ADDR, 0, 8)      /* bits 39:32 */
REG32(CAM_RING_SIZE, 0x048)             /* rw while disabled, power of two */
    FIELD(CAM_RING_SIZE, ENTRIES, 0, 9)
REG32(CAM_HEAD, 0x04c)                  /* ro, in flight, or taken next */
    FIELD(CAM_HEAD, INDEX, 0, 8)
REG32(CAM_TAIL, 0x050)                  /* rw, doorbell: first one not owned */
    FIELD(CAM_TAIL, INDEX, 0, 8)
/*
 * Take a queued descriptor back, or give it back after a RECALL. The answer
 * stands in RECALL_RESULT when the write returns. When the engine looks for the
 * next descriptor it passes over withdrawn entries at HEAD without a frame and
 * without write-back; from then on they are no longer the engine's.
 */
REG32(CAM_RECALL, 0x054)                /* wo */
    FIELD(CAM_RECALL, INDEX, 0, 8)
REG32(CAM_RESTORE, 0x058)               /* wo */
    FIELD(CAM_RESTORE, INDEX, 0, 8)
REG32(CAM_RECALL_RESULT, 0x05c)         /* ro */
    FIELD(CAM_RECALL_RESULT, RESULT, 0, 3)
#define BATON_CAMERA_RECALL_NONE      0 /* nothing asked since reset */
#define BATON_CAMERA_RECALL_WITHDRAWN 1 /* the engine will not touch it */
#define BATON_CAMERA_RECALL_IN_FLIGHT 2 /* being written; completes as usual */
#define BATON_CAMERA_RECALL_NOT_OWNED 3 /* not between HEAD and TAIL */
#define BATON_CAMERA_RECALL_RESTORED  4 /* queued again, in its old place */
#define BATON_CAMERA_RECALL_NOT_WITHDRAWN 5 /* RESTORE of another entry */

/* The sensor at this camera's input */
REG32(CAM_SRC_KIND, 0x060)              /* ro */
    FIELD(CAM_SRC_KIND, KIND, 0, 2)
#define BATON_CAMERA_SRC_NONE 0         /* pattern generator only */
#define BATON_CAMERA_SRC_CLIP 1         /* recorded sequence */
#define BATON_CAMERA_SRC_LIVE 2         /* external stream */
REG32(CAM_SRC_SIZE, 0x064)              /* ro, pixels; 0: unknown */
    FIELD(CAM_SRC_SIZE, WIDTH, 0, 16)
    FIELD(CAM_SRC_SIZE, HEIGHT, 16, 16)
REG32(CAM_SRC_INTERVAL, 0x068)          /* ro, ns per frame; 0: unknown */
REG32(CAM_SRC_COLOR, 0x06c)             /* ro, of the sensor's NV12 */
    FIELD(CAM_SRC_COLOR, ENCODING, 0, 2)
#define BATON_COLOR_BT601  0
#define BATON_COLOR_BT709  1
#define BATON_COLOR_BT2020 2
    FIELD(CAM_SRC_COLOR, FULL_RANGE, 2, 1)
REG32(CAM_SRC_STATUS, 0x070)            /* ro */
    FIELD(CAM_SRC_STATUS, STATE, 0, 4)
#define BATON_CAMERA_SRC_OK         0
#define BATON_CAMERA_SRC_WAITING    1   /* live: no header or frame yet */
#define BATON_CAMERA_SRC_END        2   /* stream ended or was disconnected */
#define BATON_CAMERA_SRC_MALFORMED  3   /* not YUV4MPEG2, or no frame header */
#define BATON_CAMERA_SRC_TRUNCATED  4   /* a frame was cut short */
#define BATON_CAMERA_SRC_UNSUPPORTED 5  /* size or chroma format out of range */

/* Counters since reset; they wrap. DROPS counts frame times without a frame. */
REG32(CAM_FRAMES, 0x080)                /* ro, frames completed without error */
REG32(CAM_DROPS, 0x084)                 /* ro */
REG32(CAM_OVERRUNS, 0x088)              /* ro */
REG32(CAM_ERRORS, 0x08c)                /* ro, frames failed otherwise */
REG32(CAM_BYTES_LO, 0x090)              /* ro, pixel bytes put on the bus */
REG32(CAM_BYTES_HI, 0x094)              /* ro */
REG32(CAM_TIME_LO, 0x098)               /* ro, ns, clock of the timestamps */
REG32(CAM_TIME_HI, 0x09c)               /* ro */

/* The first error since ERR_STATUS was last written */
REG32(CAM_ERR_STATUS, 0x0a0)            /* any write clears it and ERR_ADDR */
    FIELD(CAM_ERR_STATUS, CODE, 0, 4)   /* BATON_CAMERA_DESC_*, 0: none */
    FIELD(CAM_ERR_STATUS, PLANE, 4, 1)
    FIELD(CAM_ERR_STATUS, INDEX, 8, 8)  /* HEAD at that time */
REG32(CAM_ERR_ADDR_LO, 0x0a4)           /* ro, see the status codes */
REG32(CAM_ERR_ADDR_HI, 0x0a8)           /* ro */

/*
 * Frame descriptor, 64 bytes, little endian. The driver fills words 0 to 7,
 * the engine writes words 8 to 15 back when the frame ends.
 */
#define BATON_CAMERA_DESC_SIZE 64
#define BATON_CAMERA_DESC_COOKIE     0x00 /* u32, not interpreted */
#define BATON_CAMERA_DESC_RESERVED   0x04 /* u32, zero */
#define BATON_CAMERA_DESC_LIST0      0x08 /* u64, plane 0, 16-byte aligned */
#define BATON_CAMERA_DESC_LIST1      0x10 /* u64, plane 1, zero unless NV12 */
#define BATON_CAMERA_DESC_COUNT0     0x18 /* u16, segments, 1 to 65535 */
#define BATON_CAMERA_DESC_COUNT1     0x1a /* u16, zero unless NV12 */
#define BATON_CAMERA_DESC_RESERVED2  0x1c /* u32, zero */
#define BATON_CAMERA_DESC_STATUS     0x20 /* u32, see below: written last */
#define BATON_CAMERA_DESC_SEQUENCE   0x24 /* u32, frame time since ENABLE */
#define BATON_CAMERA_DESC_TIMESTAMP  0x28 /* u64, ns, frame start */
#define BATON_CAMERA_DESC_HASH       0x30 /* u64, 0 unless CTRL.HASH and DONE */
#define BATON_CAMERA_DESC_ERR_ADDR   0x38 /* u64, see the status codes */
/* Values of DESC_STATUS and ERR_STATUS.CODE, with what ERR_ADDR means */
#define BATON_CAMERA_DESC_PENDING    0  /* as the driver leaves it */
#define BATON_CAMERA_DESC_DONE       1
#define BATON_CAMERA_DESC_OVERRUN    2
#define BATON_CAMERA_DESC_BUS_ERROR  3  /* first address not answering */
#define BATON_CAMERA_DESC_BAD_DESC   4  /* the descriptor */
#define BATON_CAMERA_DESC_BAD_SEGMENT 5 /* the list entry */
#define BATON_CAMERA_DESC_SHORT_LIST 6  /* end of the list */
#define BATON_CAMERA_DESC_SOURCE     7  /* no complete frame; 0 */
#define BATON_CAMERA_DESC_BAD_CONFIG 8  /* ERR_STATUS: register offset */
#define BATON_CAMERA_DESC_RING_ERROR 9  /* ERR_STATUS: first address, HALTED */

/*
 * Segment list entry, 16 bytes. Address and length are multiples of 4096. The
 * engine reads entries as it needs them, up to 64 at a time, and ignores those
 * behind the end of the frame.
 */
#define BATON_CAMERA_SEG_SIZE   16
#define BATON_CAMERA_SEG_ADDR   0x00    /* u64 */
#define BATON_CAMERA_SEG_LENGTH 0x08    /* u32 */
#define BATON_CAMERA_SEG_RESERVED 0x0c  /* u32, zero */
#define BATON_CAMERA_SEG_ALIGN  4096

#define BATON_CAMERA_PITCH_ALIGN 16
#define BATON_CAMERA_SLICE_LINES 16     /* lines per DMA slice */
#define BATON_CAMERA_MIN_SIZE 64
#define BATON_CAMERA_MAX_WIDTH 3840
#define BATON_CAMERA_MAX_HEIGHT 2160
#define BATON_CAMERA_MAX_RING 256
#define BATON_CAMERA_MIN_INTERVAL_NS 1000000
#define BATON_CAMERA_DMA_RATE_RESET 8000 /* MB/s */

#endif
