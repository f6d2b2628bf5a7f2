/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton bus monitor: counters, ring and registers */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "system/cpu-timers.h"
#include "baton-dt.h"
#include "baton-monitor.h"
#include "trace.h"

#define CTRL_BITS (R_MON_CTRL_COUNT_MASK | R_MON_CTRL_TRANSFERS_MASK | \
                   R_MON_CTRL_EVENTS_MASK | R_MON_CTRL_RESET_MASK)

#define MONITOR_REG(s, reg) ((s)->regs[R_MON_ ## reg])
#define MONITOR_FIELD(s, reg, field) \
    FIELD_EX32((s)->regs[R_MON_ ## reg], MON_ ## reg, field)

static const struct {
    bool readable;
    uint32_t writable;          /* bits; a 1 elsewhere is refused */
} monitor_reg_table[MONITOR_NUM_REGS] = {
    [R_MON_ID]           = { true },
    [R_MON_VERSION]      = { true },
    [R_MON_CAPS]         = { true },
    [R_MON_CTRL]         = { true, CTRL_BITS },
    [R_MON_MARK]         = { true, UINT32_MAX },
    [R_MON_REFUSED]      = { true },
    [R_MON_TIME_LO]      = { true },
    [R_MON_TIME_HI]      = { true },
    [R_MON_INSNS_LO]     = { true },
    [R_MON_INSNS_HI]     = { true },
    [R_MON_INTERVAL]     = { true },
    [R_MON_LOG_COUNT_LO] = { true },
    [R_MON_LOG_COUNT_HI] = { true },
    [R_MON_LOG_SELECT]   = { true, UINT32_MAX },
};

static uint64_t retired_insns(void)
{
    return icount_enabled() ? icount_get_raw() : 0;
}

static void update_active(BatonMonitorState *s)
{
    s->active = s->host.log || MONITOR_FIELD(s, CTRL, COUNT) ||
                MONITOR_FIELD(s, CTRL, TRANSFERS);
}

static void keep_record(BatonMonitorState *s, BatonLogRecord record)
{
    record.seq = s->seq++;
    s->ring[record.seq % MONITOR_RECORDS] = record;
}

static void record_transfer(BatonMonitorPort *port, BatonLogRecord record)
{
    BatonMonitorState *s = port->monitor;

    record.time = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    record.interval = MONITOR_REG(s, INTERVAL);
    record.master = port - s->ports;
    monitor_host_log(&s->host, record);
    if (MONITOR_FIELD(s, CTRL, TRANSFERS)) {
        keep_record(s, record);
    }
}

static hwaddr cpu_address(const BatonMonitorState *s, hwaddr offset)
{
    for (unsigned i = 0; i < s->banks->len; i++) {
        const BatonRange *bank = &g_array_index(s->banks, BatonRange, i);

        if (offset < bank->size) {
            return bank->base + offset;
        }
        offset -= bank->size;
    }
    g_assert_not_reached();     /* windows are of DRAM */
}

void baton_monitor_transfer(BatonMonitorPort *port, unsigned kind,
                            unsigned plane, hwaddr bus, hwaddr offset,
                            uint64_t len)
{
    bool is_write = kind == BATON_MONITOR_WRITE;

    if (MONITOR_FIELD(port->monitor, CTRL, COUNT)) {
        port->counter[is_write ? WRITE_BYTES : READ_BYTES] += len;
        port->counter[is_write ? WRITES : READS]++;
    }
    record_transfer(port, (BatonLogRecord) {
        .kind = kind, .plane = plane, .a = bus,
        .b = cpu_address(port->monitor, offset), .c = len,
    });
}

void baton_monitor_bus_error(BatonMonitorPort *port, unsigned kind,
                             unsigned plane, hwaddr bus)
{
    if (MONITOR_FIELD(port->monitor, CTRL, COUNT)) {
        port->counter[ERRORS]++;
    }
    record_transfer(port, (BatonLogRecord) {
        .kind = kind, .plane = plane, .status = BATON_MONITOR_BUS_ERROR,
        .a = bus, .b = UINT64_MAX,
    });
}

static void make_event(BatonMonitorState *s, BatonLogRecord event)
{
    event.time = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    event.interval = ++MONITOR_REG(s, INTERVAL);
    event.e = retired_insns();
    trace_baton_monitor_event(event.interval, event.master, event.kind,
                              event.plane, event.status, event.a, event.b);
    monitor_host_set_interval(&s->host, event.interval);
    monitor_host_log(&s->host, event);
    if (MONITOR_FIELD(s, CTRL, EVENTS)) {
        keep_record(s, event);
    }
}

void baton_monitor_event(BatonMonitorPort *port, BatonLogRecord event)
{
    if (!port) {
        return;
    }
    if (event.kind == BATON_MONITOR_VBLANK) {
        port->vblank = (MonitorVblank) {
            .time = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
            .insns = retired_insns(),
            .frame = event.a,
        };
    }
    event.master = port - port->monitor->ports;
    make_event(port->monitor, event);
}

void baton_monitor_set_banks(BatonMonitorState *s, GArray *banks)
{
    s->banks = g_array_ref(banks);
}

void baton_monitor_add_master(BatonMonitorState *s, const char *name)
{
    if (s->num_ports < BATON_MONITOR_MASTERS) {
        BatonMonitorPort *port = &s->ports[s->num_ports];

        port->monitor = s;
        strpadcpy(port->name, sizeof(port->name), name, 0);
    }
    s->num_ports++;             /* realize refuses too many */
}

BatonMonitorPort *baton_monitor_port(BatonMonitorState *s, const char *name)
{
    for (unsigned i = 0; s && i < s->num_ports; i++) {
        if (!strncmp(s->ports[i].name, name, sizeof(s->ports[i].name))) {
            return &s->ports[i];
        }
    }
    return NULL;
}

/* The interval goes on: whoever compares it with a log sees each one once. */
static void monitor_reset(BatonMonitorState *s)
{
    uint32_t interval = MONITOR_REG(s, INTERVAL);

    memset(s->regs, 0, sizeof(s->regs));
    MONITOR_REG(s, INTERVAL) = interval;
    s->seq = 0;
    s->selected = (BatonLogRecord) {};
    for (unsigned i = 0; i < s->num_ports; i++) {
        BatonMonitorPort *port = &s->ports[i];

        memset(port->counter, 0, sizeof(port->counter));
        memset(port->counter_hi, 0, sizeof(port->counter_hi));
        port->vblank = port->vblank_read = (MonitorVblank) {};
    }
    update_active(s);
}

static void select_record(BatonMonitorState *s, uint32_t low)
{
    /* The youngest record with that low half, unless it is still to come */
    uint32_t age = (uint32_t)s->seq - low;

    MONITOR_REG(s, LOG_SELECT) = low;
    if (age && age <= MIN(s->seq, MONITOR_RECORDS)) {
        s->selected = s->ring[low % MONITOR_RECORDS];
    } else {
        s->selected = (BatonLogRecord) {};
    }
}

static uint32_t read_pair(uint64_t value, uint32_t *latched_hi)
{
    *latched_hi = value >> 32;
    return value;
}

static uint32_t read_counter(BatonMonitorPort *port, hwaddr addr)
{
    unsigned i = (addr - A_MASTER_READ_BYTES_LO) / 8;

    return addr % 8 ? port->counter_hi[i] :
                      read_pair(port->counter[i], &port->counter_hi[i]);
}

static uint32_t read_master(BatonMonitorPort *port, hwaddr addr)
{
    switch (addr) {
    case A_MASTER_NAME0 ... A_MASTER_NAME3:
        return ldl_le_p(port->name + addr);
    case A_MASTER_READ_BYTES_LO ... A_MASTER_ERRORS_HI:
        return read_counter(port, addr);
    case A_MASTER_VBLANK_TIME_LO:
        port->vblank_read = port->vblank;
        return port->vblank_read.time;
    case A_MASTER_VBLANK_TIME_HI:
        return port->vblank_read.time >> 32;
    case A_MASTER_VBLANK_INSNS_LO:
        return port->vblank_read.insns;
    case A_MASTER_VBLANK_INSNS_HI:
        return port->vblank_read.insns >> 32;
    default:
        return port->vblank_read.frame;
    }
}

static uint32_t read_caps(BatonMonitorState *s)
{
    uint32_t caps = FIELD_DP32(0, MON_CAPS, MASTERS, s->num_ports);

    caps = FIELD_DP32(caps, MON_CAPS, INSNS, icount_enabled() != 0);
    return FIELD_DP32(caps, MON_CAPS, RECORDS, MONITOR_RECORDS);
}

static uint32_t read_register(BatonMonitorState *s, hwaddr addr)
{
    switch (addr) {
    case A_MON_ID:
        return BATON_MONITOR_ID;
    case A_MON_VERSION:
        return FIELD_DP32(0, MON_VERSION, MAJOR, 1);
    case A_MON_CAPS:
        return read_caps(s);
    case A_MON_TIME_LO:
        return read_pair(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
                         &MONITOR_REG(s, TIME_HI));
    case A_MON_INSNS_LO:
        return read_pair(retired_insns(), &MONITOR_REG(s, INSNS_HI));
    case A_MON_LOG_COUNT_LO:
        return read_pair(s->seq, &MONITOR_REG(s, LOG_COUNT_HI));
    default:
        return s->regs[addr / 4];
    }
}

static BatonMonitorPort *find_port(BatonMonitorState *s, hwaddr addr)
{
    unsigned i = (addr - BATON_MONITOR_MASTER_BASE) /
                 BATON_MONITOR_MASTER_STRIDE;

    return addr >= BATON_MONITOR_MASTER_BASE && i < s->num_ports &&
           addr % BATON_MONITOR_MASTER_STRIDE <= A_MASTER_VBLANK_FRAME ?
           &s->ports[i] : NULL;
}

static uint64_t monitor_read(void *opaque, hwaddr addr, unsigned size)
{
    BatonMonitorState *s = opaque;
    BatonMonitorPort *port = find_port(s, addr);
    uint32_t value = 0;

    if (port) {
        value = read_master(port, addr % BATON_MONITOR_MASTER_STRIDE);
    } else if (addr >= A_REC_SEQ_LO && addr <= A_REC_E_HI) {
        value = ldl_le_p((uint8_t *)&s->selected + (addr - A_REC_SEQ_LO));
    } else if (addr / 4 < MONITOR_NUM_REGS &&
               monitor_reg_table[addr / 4].readable) {
        value = read_register(s, addr);
    } else {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: read of 0x%" HWADDR_PRIx
                      ", which is not readable\n", DEVICE(s)->id, addr);
    }
    trace_baton_monitor_read(addr, value);
    return value;
}

static void write_register(BatonMonitorState *s, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case A_MON_CTRL:
        if (value & R_MON_CTRL_RESET_MASK) {
            monitor_reset(s);
            return;
        }
        MONITOR_REG(s, CTRL) = value;
        update_active(s);
        break;
    case A_MON_MARK:
        MONITOR_REG(s, MARK) = value;
        make_event(s, (BatonLogRecord) {
            .kind = BATON_MONITOR_MARK, .master = BATON_MONITOR_NO_MASTER,
            .a = value,
        });
        break;
    case A_MON_LOG_SELECT:
        select_record(s, value);
        break;
    }
}

static void monitor_write(void *opaque, hwaddr addr, uint64_t value,
                          unsigned size)
{
    BatonMonitorState *s = opaque;
    uint32_t writable = addr / 4 < MONITOR_NUM_REGS ?
                        monitor_reg_table[addr / 4].writable : 0;

    trace_baton_monitor_write(addr, value);
    if (!writable) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: write of 0x%" HWADDR_PRIx
                      ", which is not writable\n", DEVICE(s)->id, addr);
    } else if (value & ~writable) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: value of register 0x%" HWADDR_PRIx
                      " refused\n", DEVICE(s)->id, addr);
        MONITOR_REG(s, REFUSED)++;
    } else {
        write_register(s, addr, value);
    }
}

static const MemoryRegionOps monitor_ops = {
    .read = monitor_read,
    .write = monitor_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* {"camera0": {"read-bytes": 0, ...}, ...} */
static void monitor_get_counters(Object *obj, Visitor *v, const char *name,
                                 void *opaque, Error **errp)
{
    static const char *const names[NUM_COUNTERS] = {
        "read-bytes", "write-bytes", "reads", "writes", "errors",
    };
    BatonMonitorState *s = BATON_MONITOR(obj);

    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    for (unsigned i = 0; i < s->num_ports; i++) {
        BatonMonitorPort *port = &s->ports[i];
        g_autofree char *master = g_strndup(port->name, sizeof(port->name));

        if (!visit_start_struct(v, master, NULL, 0, errp)) {
            return;
        }
        for (unsigned n = 0; n < NUM_COUNTERS; n++) {
            if (!visit_type_uint64(v, names[n], &port->counter[n], errp)) {
                return;
            }
        }
        visit_end_struct(v, NULL);
    }
    visit_end_struct(v, NULL);
}

static bool visit_record(Visitor *v, const BatonLogRecord *record,
                         Error **errp)
{
    BatonLogRecord r = *record;
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        { "seq", r.seq }, { "time", r.time }, { "interval", r.interval },
        { "kind", r.kind }, { "master", r.master }, { "plane", r.plane },
        { "status", r.status },
        { "a", r.a }, { "b", r.b }, { "c", r.c }, { "d", r.d }, { "e", r.e },
    };

    if (!visit_start_struct(v, NULL, NULL, 0, errp)) {
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        uint64_t value = fields[i].value;

        if (!visit_type_uint64(v, fields[i].name, &value, errp)) {
            return false;
        }
    }
    visit_end_struct(v, NULL);
    return true;
}

/* What is in the ring, oldest first */
static void monitor_get_records(Object *obj, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    BatonMonitorState *s = BATON_MONITOR(obj);
    uint64_t seq = s->seq - MIN(s->seq, MONITOR_RECORDS);

    if (!visit_start_list(v, name, NULL, 0, errp)) {
        return;
    }
    for (; seq < s->seq; seq++) {
        if (!visit_record(v, &s->ring[seq % MONITOR_RECORDS], errp)) {
            return;
        }
    }
    visit_end_list(v, NULL);
}

static void monitor_realize(DeviceState *dev, Error **errp)
{
    BatonMonitorState *s = BATON_MONITOR(dev);

    if (s->num_ports > BATON_MONITOR_MASTERS) {
        error_setg(errp, "%u bus masters, can watch at most %u", s->num_ports,
                   BATON_MONITOR_MASTERS);
        return;
    }
    if (monitor_host_open(s, errp)) {
        update_active(s);
    }
}

static void monitor_init(Object *obj)
{
    BatonMonitorState *s = BATON_MONITOR(obj);

    memory_region_init_io(&s->iomem, obj, &monitor_ops, s, TYPE_BATON_MONITOR,
                          BATON_MONITOR_MMIO_SIZE);
    sysbus_init_mmio(SYS_BUS_DEVICE(obj), &s->iomem);
}

static void monitor_reset_hold(Object *obj, ResetType type)
{
    monitor_reset(BATON_MONITOR(obj));
}

static int monitor_post_load(void *opaque, int version_id)
{
    BatonMonitorState *s = opaque;

    update_active(s);
    monitor_host_rewind_log(s);
    monitor_host_set_interval(&s->host, MONITOR_REG(s, INTERVAL));
    return 0;
}

static const VMStateDescription vmstate_record = {
    .name = "baton-monitor/record",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(seq, BatonLogRecord),
        VMSTATE_UINT64(time, BatonLogRecord),
        VMSTATE_UINT32(interval, BatonLogRecord),
        VMSTATE_UINT8(kind, BatonLogRecord),
        VMSTATE_UINT8(master, BatonLogRecord),
        VMSTATE_UINT8(plane, BatonLogRecord),
        VMSTATE_UINT8(status, BatonLogRecord),
        VMSTATE_UINT64(a, BatonLogRecord),
        VMSTATE_UINT64(b, BatonLogRecord),
        VMSTATE_UINT64(c, BatonLogRecord),
        VMSTATE_UINT64(d, BatonLogRecord),
        VMSTATE_UINT64(e, BatonLogRecord),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_vblank = {
    .name = "baton-monitor/vblank",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(time, MonitorVblank),
        VMSTATE_UINT64(insns, MonitorVblank),
        VMSTATE_UINT32(frame, MonitorVblank),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_port = {
    .name = "baton-monitor/port",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64_ARRAY(counter, BatonMonitorPort, NUM_COUNTERS),
        VMSTATE_UINT32_ARRAY(counter_hi, BatonMonitorPort, NUM_COUNTERS),
        VMSTATE_STRUCT(vblank, BatonMonitorPort, 1, vmstate_vblank,
                       MonitorVblank),
        VMSTATE_STRUCT(vblank_read, BatonMonitorPort, 1, vmstate_vblank,
                       MonitorVblank),
        VMSTATE_END_OF_LIST()
    },
};

static const VMStateDescription vmstate_monitor = {
    .name = TYPE_BATON_MONITOR,
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = monitor_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(regs, BatonMonitorState, MONITOR_NUM_REGS),
        VMSTATE_STRUCT_ARRAY(ports, BatonMonitorState, BATON_MONITOR_MASTERS,
                             1, vmstate_port, BatonMonitorPort),
        VMSTATE_UINT64(seq, BatonMonitorState),
        VMSTATE_UINT64(host.seq, BatonMonitorState),
        VMSTATE_STRUCT(selected, BatonMonitorState, 1, vmstate_record,
                       BatonLogRecord),
        VMSTATE_STRUCT_ARRAY(ring, BatonMonitorState, MONITOR_RECORDS, 1,
                             vmstate_record, BatonLogRecord),
        VMSTATE_END_OF_LIST()
    },
};

static const Property monitor_properties[] = {
    DEFINE_PROP_STRING("log", BatonMonitorState, host.log_name),
    DEFINE_PROP_STRING("clock", BatonMonitorState, host.clock_name),
};

static void monitor_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    dc->desc = "Baton bus monitor";
    dc->realize = monitor_realize;
    dc->vmsd = &vmstate_monitor;
    rc->phases.hold = monitor_reset_hold;
    device_class_set_props(dc, monitor_properties);
    object_class_property_add(klass, "counters", "dict", monitor_get_counters,
                              NULL, NULL, NULL);
    object_class_property_add(klass, "records", "list", monitor_get_records,
                              NULL, NULL, NULL);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo monitor_types[] = {
    {
        .name = TYPE_BATON_MONITOR,
        .parent = TYPE_SYS_BUS_DEVICE,
        .instance_size = sizeof(BatonMonitorState),
        .instance_init = monitor_init,
        .class_init = monitor_class_init,
    },
};

DEFINE_TYPES(monitor_types)
