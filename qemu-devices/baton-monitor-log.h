/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton bus monitor: what it tells the host
 *
 * Files named by the monitor's properties "log" and "clock", in host byte
 * order, for tools and TCG plugins; see docs/hardware/monitor.md.
 */
#ifndef HW_BATON_MONITOR_LOG_H
#define HW_BATON_MONITOR_LOG_H

#include <stdint.h>

#define BATON_LOG_VERSION 1

/* BATON_MONITOR_* of the register header, and: */
#define BATON_LOG_NAME 0        /* a: 32 bytes of a master's name, or of ours */

/* The layout of the registers REC_* */
typedef struct BatonLogRecord {
    uint64_t seq;
    uint64_t time;
    uint32_t interval;
    uint8_t kind;
    uint8_t master;
    uint8_t plane;
    uint8_t status;
    uint64_t a, b, c, d, e;
} BatonLogRecord;

#define BATON_CLOCK_MAGIC "BATONCLK"
#define BATON_CLOCK_SIZE 4096

/* Mapped shared: readers see an event's interval before what follows it */
typedef struct BatonClock {
    char magic[8];
    uint64_t interval;
} BatonClock;

#endif
