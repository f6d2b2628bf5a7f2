/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * Baton bus monitor 1.0: registers
 *
 * The one description of the programming interface, included by the device
 * model, the Linux driver and, parsed, by the model's tests. Include a
 * definition of REG32() and FIELD() first. Behaviour: docs/hardware/monitor.md.
 *
 * Registers are 32 bits wide, little endian, accessed as aligned words. A
 * 64-bit quantity is a LO/HI pair; reading LO latches HI.
 * Access types in the comments: ro, rw. Reserved bits read as zero; a write
 * that sets one changes nothing and counts in MON_REFUSED.
 */
#ifndef BATON_MONITOR_REGS_H
#define BATON_MONITOR_REGS_H

#define BATON_MONITOR_MMIO_SIZE 0x1000

REG32(MON_ID, 0x000)                    /* ro "BMON" */
#define BATON_MONITOR_ID 0x424d4f4e
REG32(MON_VERSION, 0x004)               /* ro */
    FIELD(MON_VERSION, MINOR, 0, 16)
    FIELD(MON_VERSION, MAJOR, 16, 16)
REG32(MON_CAPS, 0x008)                  /* ro, what this instance implements */
    FIELD(MON_CAPS, MASTERS, 0, 8)      /* bus masters watched */
    FIELD(MON_CAPS, INSNS, 8, 1)        /* counts retired instructions */
    FIELD(MON_CAPS, RECORDS, 16, 16)    /* records in the ring, a power of two */

REG32(MON_CTRL, 0x00c)                  /* rw */
    FIELD(MON_CTRL, COUNT, 0, 1)        /* count transfers */
    FIELD(MON_CTRL, TRANSFERS, 1, 1)    /* record transfers */
    FIELD(MON_CTRL, EVENTS, 2, 1)       /* record events */
    FIELD(MON_CTRL, RESET, 31, 1)       /* w1, self-clearing: all registers to reset */
REG32(MON_MARK, 0x010)                  /* rw, a write is an event */
REG32(MON_REFUSED, 0x014)               /* ro, refused writes since reset */
REG32(MON_TIME_LO, 0x018)               /* ro, ns, the clock of the records */
REG32(MON_TIME_HI, 0x01c)               /* ro */
REG32(MON_INSNS_LO, 0x020)              /* ro, instructions retired by all CPUs; 0 without CAPS.INSNS */
REG32(MON_INSNS_HI, 0x024)              /* ro */
REG32(MON_INTERVAL, 0x028)              /* ro, events since power on, recorded or not; wraps */

/* The ring: a new record takes the place of the oldest one */
REG32(MON_LOG_COUNT_LO, 0x030)          /* ro, records made since reset: the next SEQ */
REG32(MON_LOG_COUNT_HI, 0x034)          /* ro */
REG32(MON_LOG_SELECT, 0x038)            /* rw, low half of a SEQ: copy that record to REC_* */

/* The record selected; all zero if it is not in the ring */
REG32(REC_SEQ_LO, 0x040)                /* ro */
REG32(REC_SEQ_HI, 0x044)                /* ro */
REG32(REC_TIME_LO, 0x048)               /* ro, ns */
REG32(REC_TIME_HI, 0x04c)               /* ro */
REG32(REC_INTERVAL, 0x050)              /* ro, MON_INTERVAL; of an event: with it */
REG32(REC_TYPE, 0x054)                  /* ro */
    FIELD(REC_TYPE, KIND, 0, 8)         /* BATON_MONITOR_* */
    FIELD(REC_TYPE, MASTER, 8, 8)       /* number, or BATON_MONITOR_NO_MASTER */
    FIELD(REC_TYPE, PLANE, 16, 8)       /* number, or BATON_MONITOR_CONTROL */
    FIELD(REC_TYPE, STATUS, 24, 8)      /* 0: all is well */
REG32(REC_A_LO, 0x058)                  /* ro, A to E: see KIND, below */
REG32(REC_A_HI, 0x05c)                  /* ro */
REG32(REC_B_LO, 0x060)                  /* ro */
REG32(REC_B_HI, 0x064)                  /* ro */
REG32(REC_C_LO, 0x068)                  /* ro */
REG32(REC_C_HI, 0x06c)                  /* ro */
REG32(REC_D_LO, 0x070)                  /* ro */
REG32(REC_D_HI, 0x074)                  /* ro */
REG32(REC_E_LO, 0x078)                  /* ro, events: instructions retired so far */
REG32(REC_E_HI, 0x07c)                  /* ro */

/*
 * Transfers: A bus address, B CPU address, C bytes. One that is not answered has
 * STATUS BATON_MONITOR_BUS_ERROR, B all ones, C 0. Of events:
 *
 *              camera                                  display
 * FRAME_START  A sequence, B descriptor, C start, ns   A frame, B to D planes' addresses
 * FRAME_DONE   A sequence, B hash, C descriptor,       A frame, B hash, C address,
 *              D hashed                                D hashed: of one plane
 * DROP         A sequence
 * VBLANK                                               A frame
 * LATCH                                                A frame, B to D planes' addresses
 *
 * and MARK, of no master: A the value written to MON_MARK.
 */
#define BATON_MONITOR_READ        1
#define BATON_MONITOR_WRITE       2
#define BATON_MONITOR_FRAME_START 3
#define BATON_MONITOR_FRAME_DONE  4
#define BATON_MONITOR_DROP        5
#define BATON_MONITOR_MARK        6
#define BATON_MONITOR_VBLANK      7
#define BATON_MONITOR_LATCH       9
#define BATON_MONITOR_NO_MASTER 0xff
#define BATON_MONITOR_CONTROL 0xff      /* descriptors and segment lists */
#define BATON_MONITOR_BUS_ERROR 1       /* STATUS of a transfer that was not answered */
/* STATUS of a display's FRAME_DONE; a camera's: BATON_CAMERA_DESC_*, or 0 for DONE */
#define BATON_MONITOR_DISPLAY_UNDERRUN 1
#define BATON_MONITOR_DISPLAY_ERROR    2

/* Bus masters, in the order of the device tree */
#define BATON_MONITOR_MASTERS 16
#define BATON_MONITOR_MASTER_BASE 0x100
#define BATON_MONITOR_MASTER_STRIDE 0x80
REG32(MASTER_NAME0, 0x00)               /* ro, 16 bytes of ASCII, padded with zeros */
REG32(MASTER_NAME1, 0x04)               /* ro */
REG32(MASTER_NAME2, 0x08)               /* ro */
REG32(MASTER_NAME3, 0x0c)               /* ro */
REG32(MASTER_READ_BYTES_LO, 0x10)       /* ro, counted while CTRL.COUNT */
REG32(MASTER_READ_BYTES_HI, 0x14)       /* ro */
REG32(MASTER_WRITE_BYTES_LO, 0x18)      /* ro */
REG32(MASTER_WRITE_BYTES_HI, 0x1c)      /* ro */
REG32(MASTER_READS_LO, 0x20)            /* ro, transactions answered */
REG32(MASTER_READS_HI, 0x24)            /* ro */
REG32(MASTER_WRITES_LO, 0x28)           /* ro */
REG32(MASTER_WRITES_HI, 0x2c)           /* ro */
REG32(MASTER_ERRORS_LO, 0x30)           /* ro, transactions not answered */
REG32(MASTER_ERRORS_HI, 0x34)           /* ro */
/* The master's last vblank since reset */
REG32(MASTER_VBLANK_TIME_LO, 0x38)      /* ro, ns; latches the rest of the block */
REG32(MASTER_VBLANK_TIME_HI, 0x3c)      /* ro */
REG32(MASTER_VBLANK_INSNS_LO, 0x40)     /* ro, instructions retired until then */
REG32(MASTER_VBLANK_INSNS_HI, 0x44)     /* ro */
REG32(MASTER_VBLANK_FRAME, 0x48)        /* ro, its frame number */

#endif
