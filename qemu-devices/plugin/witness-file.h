/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: what the CPU witness writes
 *
 * A header, then one record for each page that a CPU touched in an interval,
 * ordered by interval, page and CPU. All in host byte order.
 */
#ifndef BATON_WITNESS_FILE_H
#define BATON_WITNESS_FILE_H

#include <stdint.h>

#define WITNESS_MAGIC   "BATONCPU"
#define WITNESS_VERSION 1

typedef struct WitnessHeader {
    char magic[8];
    uint32_t version;
    uint32_t record_size;
    uint64_t records;
} WitnessHeader;

/* Who was the first to load or store in this page and interval */
typedef struct WitnessCode {
    uint64_t pc;
    uint64_t lr;
    uint32_t context;           /* CONTEXTIDR_EL1: the process */
    uint32_t reserved;
} WitnessCode;

/* The page of accesses whose physical address could not be found out */
#define WITNESS_UNKNOWN_PAGE UINT64_MAX

typedef struct WitnessRecord {
    uint64_t page;              /* physical address */
    uint32_t interval;
    uint32_t cpu;
    uint64_t bytes[2];          /* loaded, stored */
    WitnessCode code[2];
} WitnessRecord;

#endif
