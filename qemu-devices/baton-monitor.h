/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton bus monitor: counts and records what the bus masters transfer
 *
 * baton-monitor.c       counters, ring and registers
 * baton-monitor-host.c  the log and the clock for the host
 *
 * Programming interface: docs/hardware/monitor.md.
 */
#ifndef HW_BATON_MONITOR_H
#define HW_BATON_MONITOR_H

#include "hw/registerfields.h"
#include "hw/sysbus.h"
#include "qom/object.h"
#include "baton-monitor-log.h"
#include "regs/baton-monitor-regs.h"

/* Records are kept in the byte order of the registers. */
QEMU_BUILD_BUG_MSG(HOST_BIG_ENDIAN, "needs a little-endian host");
QEMU_BUILD_BUG_ON(sizeof(BatonLogRecord) != A_REC_E_HI + 4 - A_REC_SEQ_LO);

#define TYPE_BATON_MONITOR "baton-monitor"
OBJECT_DECLARE_SIMPLE_TYPE(BatonMonitorState, BATON_MONITOR)

#define MONITOR_NUM_REGS (R_MON_LOG_SELECT + 1)
#define MONITOR_RECORDS 1024

typedef enum MonitorCounter {
    READ_BYTES, WRITE_BYTES, READS, WRITES, ERRORS, NUM_COUNTERS,
} MonitorCounter;

typedef struct MonitorVblank {
    uint64_t time;
    uint64_t insns;
    uint32_t frame;
} MonitorVblank;

/* The monitor's port on the bus of one master */
typedef struct BatonMonitorPort {
    BatonMonitorState *monitor;
    char name[16];
    uint64_t counter[NUM_COUNTERS];
    uint32_t counter_hi[NUM_COUNTERS];  /* latched by reading LO */
    MonitorVblank vblank;
    MonitorVblank vblank_read;          /* latched by reading TIME_LO */
} BatonMonitorPort;

typedef struct MonitorHost {
    char *log_name;
    char *clock_name;
    FILE *log;
    BatonClock *clock;
    uint64_t seq;               /* of the next record in the log */
    uint64_t first;             /* SEQ of the first one there */
    uint64_t records;           /* that are there */
} MonitorHost;

struct BatonMonitorState {
    SysBusDevice parent_obj;

    MemoryRegion iomem;
    bool active;                /* somebody wants to know of transfers */
    GArray *banks;              /* BatonRange */
    unsigned num_ports;
    BatonMonitorPort ports[BATON_MONITOR_MASTERS];
    MonitorHost host;

    uint32_t regs[MONITOR_NUM_REGS];
    uint64_t seq;               /* of the next record in the ring */
    BatonLogRecord selected;
    BatonLogRecord ring[MONITOR_RECORDS];
};

/* The machine, before realize: BatonRange, as they follow each other in RAM */
void baton_monitor_set_banks(BatonMonitorState *s, GArray *banks);
void baton_monitor_add_master(BatonMonitorState *s, const char *name);

/* NULL if there is no monitor */
BatonMonitorPort *baton_monitor_port(BatonMonitorState *s, const char *name);

static inline bool baton_monitor_watches(const BatonMonitorPort *port)
{
    return port && port->monitor->active;
}

/* @kind READ or WRITE, answered; @offset into RAM */
void baton_monitor_transfer(BatonMonitorPort *port, unsigned kind,
                            unsigned plane, hwaddr bus, hwaddr offset,
                            uint64_t len);
void baton_monitor_bus_error(BatonMonitorPort *port, unsigned kind,
                             unsigned plane, hwaddr bus);

/* @event: kind, plane, status and a to d. @port may be NULL. */
void baton_monitor_event(BatonMonitorPort *port, BatonLogRecord event);

/* baton-monitor-host.c */
bool monitor_host_open(BatonMonitorState *s, Error **errp);
void monitor_host_set_interval(MonitorHost *host, uint32_t interval);
/* Does nothing if there is no log. */
void monitor_host_log(MonitorHost *host, BatonLogRecord record);
/* A state was loaded. */
void monitor_host_rewind_log(BatonMonitorState *s);

#endif
