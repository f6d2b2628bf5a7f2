/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/arm/bsa.h"
#include "standard-headers/linux/input-event-codes.h"
#include "baton-dt.h"

#include <libfdt.h>

#define DT_MAX_SIZE (1 * MiB)
#define DT_MAX_DEPTH 16
#define CPU_ADDRESS_BITS 40

/* A node whose children are reached by address */
typedef struct DtBus {
    int node;
    unsigned address_cells;
    unsigned size_cells;
    GArray *mmio;           /* BatonWindow: where the CPU sees the children */
    GArray *dma;            /* BatonWindow: where they see DRAM, or NULL */
} DtBus;

typedef struct DtClaim {
    BatonRange range;
    int node;
} DtClaim;

typedef struct DtParser {
    const void *fdt;
    const BatonModel *models;
    BatonDt *dt;
    int gic;
    GArray *claims;         /* DtClaim: CPU addresses in use */
    DECLARE_BITMAP(spis, BATON_NUM_SPIS);
} DtParser;

static const struct {
    const char *compatible;
    const char *model;
} cpu_models[] = {
    { "arm,cortex-a57", "cortex-a57" },
    { "arm,cortex-a72", "cortex-a72" },
    { "arm,cortex-a76", "cortex-a76" },
    { "arm,neoverse-n1", "neoverse-n1" },
};

/* Always false, so that a check can end in "return dt_error(...)". */
static bool G_GNUC_PRINTF(5, 6)
dt_error(Error **errp, const DtParser *p, int node, const char *property,
         const char *fmt, ...)
{
    g_autofree char *text = NULL;
    char path[256];
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (fdt_get_path(p->fdt, node, path, sizeof(path)) < 0) {
        pstrcpy(path, sizeof(path), fdt_get_name(p->fdt, node, NULL));
    }
    error_setg(errp, "device tree: %s: %s: %s", path, property, text);
    return false;
}

/* The property as a string, NULL if there is none or it is not terminated */
static const char *dt_string(const void *fdt, int node, const char *property)
{
    return fdt_stringlist_get(fdt, node, property, 0, NULL);
}

static bool dt_string_is(const void *fdt, int node, const char *property,
                         const char *value)
{
    return g_strcmp0(dt_string(fdt, node, property), value) == 0;
}

static bool dt_is_compatible(const void *fdt, int node, const char *compatible)
{
    return fdt_node_check_compatible(fdt, node, compatible) == 0;
}

/* The first compatible string that claims to be of Baton, or NULL */
static const char *dt_baton_name(const void *fdt, int node)
{
    const char *name;

    for (int i = 0;; i++) {
        name = fdt_stringlist_get(fdt, node, "compatible", i, NULL);
        if (!name || g_str_has_prefix(name, "baton,")) {
            return name;
        }
    }
}

static bool dt_enabled(const void *fdt, int node)
{
    return !fdt_getprop(fdt, node, "status", NULL) ||
           dt_string_is(fdt, node, "status", "okay") ||
           dt_string_is(fdt, node, "status", "ok");
}

static bool dt_u32(const DtParser *p, int node, const char *property,
                   uint32_t *value, Error **errp)
{
    int len;
    const void *data = fdt_getprop(p->fdt, node, property, &len);

    if (!data) {
        return dt_error(errp, p, node, property, "is missing");
    }
    if (len != 4) {
        return dt_error(errp, p, node, property,
                        "has %d bytes, a cell has 4", len);
    }
    *value = ldl_be_p(data);
    return true;
}

static bool dt_num_cells(const DtParser *p, int node, const char *property,
                         unsigned *cells, Error **errp)
{
    if (!dt_u32(p, node, property, cells, errp)) {
        return false;
    }
    if (*cells != 1 && *cells != 2) {
        return dt_error(errp, p, node, property, "is %u, must be 1 or 2",
                        *cells);
    }
    return true;
}

/*
 * The entries of a property made of @entry_cells cells each: their number, 0 if
 * it is empty, -1 on error.
 */
static int dt_entries(const DtParser *p, int node, const char *property,
                      unsigned entry_cells, const uint8_t **data, Error **errp)
{
    int len;

    *data = fdt_getprop(p->fdt, node, property, &len);
    if (!*data) {
        dt_error(errp, p, node, property, "is missing");
        return -1;
    }
    if (len % (entry_cells * 4)) {
        dt_error(errp, p, node, property,
                 "has %d bytes, which is no multiple of %u cells", len,
                 entry_cells);
        return -1;
    }
    return len / (entry_cells * 4);
}

static uint64_t dt_read_cells(const uint8_t **data, unsigned cells)
{
    uint64_t value = cells == 1 ? (uint32_t)ldl_be_p(*data) : ldq_be_p(*data);

    *data += cells * 4;
    return value;
}

static bool dt_claim(DtParser *p, int node, BatonRange range, Error **errp)
{
    DtClaim claim = { .range = range, .node = node };

    for (unsigned i = 0; i < p->claims->len; i++) {
        const DtClaim *other = &g_array_index(p->claims, DtClaim, i);

        if (ranges_overlap(range.base, range.size,
                           other->range.base, other->range.size)) {
            return dt_error(errp, p, node, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64 " overlaps node %s",
                            range.base, range.size,
                            fdt_get_name(p->fdt, other->node, NULL));
        }
    }
    g_array_append_val(p->claims, claim);
    return true;
}

/* The window that holds all of @size bytes at @bus, or NULL */
static const BatonWindow *dt_find_window(const GArray *windows, uint64_t bus,
                                         uint64_t size)
{
    for (unsigned i = 0; i < windows->len; i++) {
        const BatonWindow *w = &g_array_index(windows, BatonWindow, i);

        if (bus >= w->bus && bus - w->bus < w->size &&
            size <= w->size - (bus - w->bus)) {
            return w;
        }
    }
    return NULL;
}

static bool dt_window_is_new(const GArray *windows, BatonWindow new)
{
    for (unsigned i = 0; i < windows->len; i++) {
        const BatonWindow *w = &g_array_index(windows, BatonWindow, i);

        if (ranges_overlap(w->bus, w->size, new.bus, new.size)) {
            return false;
        }
    }
    return true;
}

static const char *dt_outer_name(const DtBus *outer, const char *property)
{
    if (outer->node) {
        return "one window of the parent bus";
    }
    return g_str_equal(property, "ranges") ? "the CPU's address space" :
                                             "one bank of DRAM";
}

/*
 * Read ranges or dma-ranges of @bus and translate it by @outer, the windows of
 * @parent. An entry must lie within a single outer window: Linux translates its
 * first address only and takes the rest for granted.
 */
static GArray *dt_windows(const DtParser *p, const DtBus *bus,
                          const char *property, const DtBus *parent,
                          GArray *outer, Error **errp)
{
    g_autoptr(GArray) windows = g_array_new(false, false, sizeof(BatonWindow));
    unsigned cells = bus->address_cells + parent->address_cells +
                     bus->size_cells;
    const uint8_t *data;
    int n = dt_entries(p, bus->node, property, cells, &data, errp);

    if (n < 0) {
        return NULL;
    }
    if (n == 0) {
        return g_array_ref(outer);
    }
    while (n--) {
        BatonWindow w;
        const BatonWindow *in;
        uint64_t up;

        w.bus = dt_read_cells(&data, bus->address_cells);
        up = dt_read_cells(&data, parent->address_cells);
        w.size = dt_read_cells(&data, bus->size_cells);
        if (w.size == 0 || w.bus + w.size < w.bus ||
            (bus->address_cells == 1 && w.bus + w.size > 4 * GiB)) {
            dt_error(errp, p, bus->node, property,
                     "0x%" PRIx64 "+0x%" PRIx64
                     " is empty or does not fit the bus", w.bus, w.size);
            return NULL;
        }
        if (!dt_window_is_new(windows, w)) {
            dt_error(errp, p, bus->node, property,
                     "0x%" PRIx64 "+0x%" PRIx64 " overlaps another entry",
                     w.bus, w.size);
            return NULL;
        }
        in = dt_find_window(outer, up, w.size);
        if (!in) {
            dt_error(errp, p, bus->node, property,
                     "0x%" PRIx64 "+0x%" PRIx64 " is not within %s", up,
                     w.size, dt_outer_name(parent, property));
            return NULL;
        }
        w.cpu = in->cpu + (up - in->bus);
        g_array_append_val(windows, w);
    }
    return g_steal_pointer(&windows);
}

static bool dt_regs(DtParser *p, const DtBus *bus, BatonNode *node,
                    Error **errp)
{
    const BatonModel *model = node->model;
    const uint8_t *data;
    int n = dt_entries(p, node->offset, "reg",
                       bus->address_cells + bus->size_cells, &data, errp);

    if (n < 0) {
        return false;
    }
    if (n != model->num_regs) {
        return dt_error(errp, p, node->offset, "reg",
                        "has %d entries, %s has %u", n, model->compatible,
                        model->num_regs);
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t base = dt_read_cells(&data, bus->address_cells);
        uint64_t size = dt_read_cells(&data, bus->size_cells);
        const BatonWindow *w = dt_find_window(bus->mmio, base, size);

        if (size < model->reg_size[i]) {
            return dt_error(errp, p, node->offset, "reg",
                            "size 0x%" PRIx64 " is short of the device's 0x%"
                            PRIx64, size, model->reg_size[i]);
        }
        if (!w) {
            return dt_error(errp, p, node->offset, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64
                            " is not within ranges of the bus", base, size);
        }
        node->regs[i].base = w->cpu + (base - w->bus);
        node->regs[i].size = size;
        if (!dt_claim(p, node->offset, node->regs[i], errp)) {
            return false;
        }
    }
    return true;
}

static bool dt_interrupt_parent_is_gic(const DtParser *p, int node)
{
    for (; node >= 0; node = fdt_parent_offset(p->fdt, node)) {
        uint32_t phandle;

        if (dt_u32(p, node, "interrupt-parent", &phandle, NULL)) {
            return fdt_node_offset_by_phandle(p->fdt, phandle) == p->gic;
        }
    }
    return false;
}

/* @n interrupts of the GIC, three cells each: type, number, trigger */
static const uint8_t *dt_interrupts(const DtParser *p, int node, unsigned n,
                                    Error **errp)
{
    const uint8_t *data;
    int found = dt_entries(p, node, "interrupts", 3, &data, errp);

    if (found < 0) {
        return NULL;
    }
    if (found != n) {
        dt_error(errp, p, node, "interrupts", "has %d entries, must have %u",
                 found, n);
        return NULL;
    }
    if (!dt_interrupt_parent_is_gic(p, node)) {
        dt_error(errp, p, node, "interrupt-parent", "is not the GIC");
        return NULL;
    }
    return data;
}

static bool dt_spi(DtParser *p, BatonNode *node, Error **errp)
{
    const uint8_t *data = dt_interrupts(p, node->offset, 1, errp);
    uint32_t type, trigger;

    if (!data) {
        return false;
    }
    type = dt_read_cells(&data, 1);
    node->spi = dt_read_cells(&data, 1);
    trigger = dt_read_cells(&data, 1);
    if (type != 0 || node->spi >= BATON_NUM_SPIS) {
        return dt_error(errp, p, node->offset, "interrupts",
                        "<%u %u> is not an SPI below %u", type, node->spi,
                        BATON_NUM_SPIS);
    }
    if (trigger != 1 && trigger != 4) {
        return dt_error(errp, p, node->offset, "interrupts",
                        "trigger %u is neither rising edge (1) nor level high "
                        "(4)", trigger);
    }
    if (test_and_set_bit(node->spi, p->spis)) {
        return dt_error(errp, p, node->offset, "interrupts",
                        "SPI %u is in use already", node->spi);
    }
    return true;
}

/* Those of the CPU are wired in code: the tree must say what is there */
static bool dt_check_ppis(const DtParser *p, int node, const unsigned *ppis,
                          unsigned n, Error **errp)
{
    const uint8_t *data = dt_interrupts(p, node, n, errp);

    if (!data) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t type = dt_read_cells(&data, 1);
        uint32_t number = dt_read_cells(&data, 1);

        dt_read_cells(&data, 1);
        if (type != 1 || number != ppis[i]) {
            return dt_error(errp, p, node, "interrupts",
                            "<%u %u> is not the CPU's <1 %u>", type, number,
                            ppis[i]);
        }
    }
    return true;
}

/* Name the node by its number in /aliases */
static void dt_set_name(const DtParser *p, BatonNode *node)
{
    int aliases = fdt_path_offset(p->fdt, "/aliases");
    const char *stem = node->model->alias;
    int property;

    node->index = -1;
    fdt_for_each_property_offset(property, p->fdt, aliases) {
        const char *name, *path, *digits;
        int len;

        path = fdt_getprop_by_offset(p->fdt, property, &name, &len);
        /* No path that starts with another alias: libfdt would recurse */
        if (!stem || !path || len < 2 || path[0] != '/' || path[len - 1] ||
            !strstart(name, stem, &digits) ||
            fdt_path_offset(p->fdt, path) != node->offset) {
            continue;
        }
        if (qemu_strtoi(digits, NULL, 10, &node->index) == 0 &&
            node->index >= 0) {
            node->name = g_strdup(name);
            return;
        }
        node->index = -1;
    }
    node->name = g_strdup(fdt_get_name(p->fdt, node->offset, NULL));
}

static const BatonModel *dt_find_model(const DtParser *p, int node)
{
    for (const BatonModel *m = p->models; m->compatible; m++) {
        if (dt_is_compatible(p->fdt, node, m->compatible)) {
            return m;
        }
    }
    return NULL;
}

static BatonNode *dt_find_node(const BatonDt *dt, int offset)
{
    for (unsigned i = 0; i < dt->nodes->len; i++) {
        BatonNode *node = g_ptr_array_index(dt->nodes, i);

        if (node->offset == offset) {
            return node;
        }
    }
    return NULL;
}

static void dt_free_node(void *opaque)
{
    BatonNode *node = opaque;

    g_free(node->path);
    g_free(node->name);
    g_clear_pointer(&node->dma, g_array_unref);
    g_free(node);
}

static bool dt_device(DtParser *p, const DtBus *bus, int offset, Error **errp)
{
    const BatonModel *model = dt_find_model(p, offset);
    char path[256];
    BatonNode *node;

    if (fdt_get_path(p->fdt, offset, path, sizeof(path)) < 0) {
        return dt_error(errp, p, offset, "path", "is too long");
    }
    if (!model) {
        if (fdt_getprop(p->fdt, offset, "compatible", NULL) &&
            fdt_getprop(p->fdt, offset, "reg", NULL) &&
            !dt_baton_name(p->fdt, offset)) {
            warn_report("device tree: %s: compatible: no such device here, "
                        "node ignored", path);
        }
        return true;
    }

    node = g_new0(BatonNode, 1);
    node->model = model;
    node->offset = offset;
    node->path = g_strdup(path);
    dt_set_name(p, node);
    g_ptr_array_add(p->dt->nodes, node);

    if (model->is_master) {
        if (!bus->dma) {
            return dt_error(errp, p, bus->node, "dma-ranges",
                            "is missing: bus master %s reaches no memory",
                            path);
        }
        node->dma = g_array_ref(bus->dma);
    }
    return dt_regs(p, bus, node, errp) &&
           (!model->has_irq || dt_spi(p, node, errp));
}

static bool dt_scan(DtParser *p, const DtBus *bus, Error **errp);

static bool dt_bus(DtParser *p, const DtBus *parent, int node, Error **errp)
{
    g_autoptr(GArray) mmio = NULL;
    g_autoptr(GArray) dma = NULL;
    DtBus bus = { .node = node };

    if (!dt_num_cells(p, node, "#address-cells", &bus.address_cells, errp) ||
        !dt_num_cells(p, node, "#size-cells", &bus.size_cells, errp)) {
        return false;
    }
    mmio = dt_windows(p, &bus, "ranges", parent, parent->mmio, errp);
    if (!mmio) {
        return false;
    }
    if (parent->dma && fdt_getprop(p->fdt, node, "dma-ranges", NULL)) {
        dma = dt_windows(p, &bus, "dma-ranges", parent, parent->dma, errp);
        if (!dma) {
            return false;
        }
    }
    bus.mmio = mmio;
    bus.dma = dma;
    return dt_scan(p, &bus, errp);
}

static bool dt_scan(DtParser *p, const DtBus *bus, Error **errp)
{
    int node;

    fdt_for_each_subnode(node, p->fdt, bus->node) {
        if (!dt_enabled(p->fdt, node)) {
            continue;
        }
        if (dt_is_compatible(p->fdt, node, "simple-bus") ?
            !dt_bus(p, bus, node, errp) : !dt_device(p, bus, node, errp)) {
            return false;
        }
    }
    return true;
}

static bool dt_devices(DtParser *p, Error **errp)
{
    g_autoptr(GArray) mmio = g_array_new(false, false, sizeof(BatonWindow));
    g_autoptr(GArray) dma = g_array_new(false, false, sizeof(BatonWindow));
    BatonWindow all = { .size = 1ull << CPU_ADDRESS_BITS };
    DtBus root = { .address_cells = 2, .size_cells = 2,
                   .mmio = mmio, .dma = dma };

    g_array_append_val(mmio, all);
    for (unsigned i = 0; i < p->dt->banks->len; i++) {
        const BatonRange *bank = &g_array_index(p->dt->banks, BatonRange, i);
        BatonWindow w = { bank->base, bank->base, bank->size };

        g_array_append_val(dma, w);
    }
    return dt_scan(p, &root, errp);
}

static bool dt_enabled_with_parents(const void *fdt, int node)
{
    for (; node >= 0; node = fdt_parent_offset(fdt, node)) {
        if (!dt_enabled(fdt, node)) {
            return false;
        }
    }
    return true;
}

/* Whatever claims to be part of Baton must have been understood. */
static bool dt_check_baton_nodes(const DtParser *p, Error **errp)
{
    const void *fdt = p->fdt;
    int node = 0;

    while ((node = fdt_next_node(fdt, node, NULL)) >= 0) {
        const char *name = dt_baton_name(fdt, node);

        if (name && !dt_find_node(p->dt, node) &&
            !dt_is_compatible(fdt, node, "simple-bus") &&
            dt_enabled_with_parents(fdt, node)) {
            return dt_error(errp, p, node, "compatible", "%s%s", name,
                            dt_find_model(p, node) ?
                            " is not on a simple-bus" :
                            " is unknown to this machine");
        }
    }
    return true;
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const BatonRange *x = a, *y = b;

    return x->base < y->base ? -1 : x->base > y->base;
}

static bool dt_memory_node(DtParser *p, int node, Error **errp)
{
    const uint8_t *data;
    int n = dt_entries(p, node, "reg", 4, &data, errp);

    if (n < 0) {
        return false;
    }
    while (n--) {
        BatonRange bank;

        bank.base = dt_read_cells(&data, 2);
        bank.size = dt_read_cells(&data, 2);
        if (bank.size == 0 || (bank.base | bank.size) % MiB) {
            return dt_error(errp, p, node, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64
                            " is empty or not in units of 1 MiB",
                            bank.base, bank.size);
        }
        if (bank.base >> CPU_ADDRESS_BITS ||
            (bank.size - 1 + bank.base) >> CPU_ADDRESS_BITS ||
            bank.size >> CPU_ADDRESS_BITS) {
            return dt_error(errp, p, node, "reg",
                            "0x%" PRIx64 "+0x%" PRIx64 " exceeds %d bits",
                            bank.base, bank.size, CPU_ADDRESS_BITS);
        }
        if (!dt_claim(p, node, bank, errp)) {
            return false;
        }
        g_array_append_val(p->dt->banks, bank);
    }
    return true;
}

static bool dt_memory(DtParser *p, Error **errp)
{
    const void *fdt = p->fdt;
    int node;

    fdt_for_each_subnode(node, fdt, 0) {
        if (!dt_string_is(fdt, node, "device_type", "memory") ||
            !dt_enabled(fdt, node)) {
            continue;
        }
        /* The loader finds the nodes by this name to replace them */
        if (!strstart(fdt_get_name(fdt, node, NULL), "memory@", NULL)) {
            return dt_error(errp, p, node, "device_type",
                            "memory, but the name is not memory@ADDRESS");
        }
        if (!dt_memory_node(p, node, errp)) {
            return false;
        }
    }
    if (p->dt->banks->len == 0) {
        return dt_error(errp, p, 0, "memory@ADDRESS", "is missing");
    }
    g_array_sort(p->dt->banks, compare_ranges);
    return true;
}

static const char *dt_cpu_model(const DtParser *p, int node, Error **errp)
{
    for (unsigned i = 0; i < ARRAY_SIZE(cpu_models); i++) {
        if (dt_is_compatible(p->fdt, node, cpu_models[i].compatible)) {
            return cpu_models[i].model;
        }
    }
    dt_error(errp, p, node, "compatible", "is no CPU of this machine");
    return NULL;
}

static bool dt_cpu(DtParser *p, int node, unsigned cells, Error **errp)
{
    BatonDt *dt = p->dt;
    const char *model = dt_cpu_model(p, node, errp);
    const uint8_t *data;
    uint64_t mpidr;
    int n;

    if (!model) {
        return false;
    }
    if (dt->cpu_model && dt->cpu_model != model) {
        return dt_error(errp, p, node, "compatible",
                        "all CPUs must be alike, the first is %s",
                        dt->cpu_model);
    }
    dt->cpu_model = model;
    if (dt->num_cpus == BATON_MAX_CPUS) {
        return dt_error(errp, p, node, "reg", "is one CPU more than %d",
                        BATON_MAX_CPUS);
    }
    n = dt_entries(p, node, "reg", cells, &data, errp);
    if (n < 0) {
        return false;
    }
    if (n != 1) {
        return dt_error(errp, p, node, "reg", "must have one entry");
    }
    mpidr = dt_read_cells(&data, cells);
    if (mpidr != dt->num_cpus) {
        return dt_error(errp, p, node, "reg",
                        "0x%" PRIx64 " is not the affinity of CPU %u", mpidr,
                        dt->num_cpus);
    }
    if (!dt_string_is(p->fdt, node, "enable-method", "psci")) {
        return dt_error(errp, p, node, "enable-method", "must be psci");
    }
    dt->num_cpus++;
    return true;
}

static bool dt_cpus(DtParser *p, Error **errp)
{
    int cpus = fdt_path_offset(p->fdt, "/cpus");
    unsigned cells;
    int node;

    if (cpus < 0) {
        return dt_error(errp, p, 0, "cpus", "is missing");
    }
    if (!dt_num_cells(p, cpus, "#address-cells", &cells, errp)) {
        return false;
    }
    fdt_for_each_subnode(node, p->fdt, cpus) {
        if (dt_string_is(p->fdt, node, "device_type", "cpu") &&
            dt_enabled(p->fdt, node) && !dt_cpu(p, node, cells, errp)) {
            return false;
        }
    }
    if (p->dt->num_cpus == 0) {
        return dt_error(errp, p, cpus, "cpu@0", "is missing");
    }
    return true;
}

static bool dt_timer(const DtParser *p, Error **errp)
{
    static const unsigned ppis[] = {
        INTID_TO_PPI(ARCH_TIMER_S_EL1_IRQ), INTID_TO_PPI(ARCH_TIMER_NS_EL1_IRQ),
        INTID_TO_PPI(ARCH_TIMER_VIRT_IRQ), INTID_TO_PPI(ARCH_TIMER_NS_EL2_IRQ),
    };
    int node = fdt_node_offset_by_compatible(p->fdt, -1, "arm,armv8-timer");
    uint32_t hz;

    if (node < 0 || !dt_enabled(p->fdt, node)) {
        return dt_error(errp, p, 0, "timer", "is missing");
    }
    if (fdt_getprop(p->fdt, node, "clock-frequency", NULL)) {
        if (!dt_u32(p, node, "clock-frequency", &hz, errp)) {
            return false;
        }
        if (hz != BATON_TIMER_HZ) {
            return dt_error(errp, p, node, "clock-frequency",
                            "is %u, the timer runs at %u", hz, BATON_TIMER_HZ);
        }
    }
    return dt_check_ppis(p, node, ppis, ARRAY_SIZE(ppis), errp);
}

static bool dt_pmu(const DtParser *p, Error **errp)
{
    static const unsigned ppi = INTID_TO_PPI(VIRTUAL_PMU_IRQ);
    g_autofree char *own = g_strdup_printf("arm,%s-pmu", p->dt->cpu_model);
    int node;

    fdt_for_each_subnode(node, p->fdt, 0) {
        const char *name = dt_string(p->fdt, node, "compatible");

        if (!name || !dt_enabled(p->fdt, node) ||
            (!g_str_has_suffix(name, "-pmu") &&
             !g_str_equal(name, "arm,armv8-pmuv3"))) {
            continue;
        }
        if (!g_str_equal(name, "arm,armv8-pmuv3") && !g_str_equal(name, own)) {
            return dt_error(errp, p, node, "compatible",
                            "%s is not the CPU's %s", name, own);
        }
        if (!dt_check_ppis(p, node, &ppi, 1, errp)) {
            return false;
        }
    }
    return true;
}

static bool dt_psci(const DtParser *p, Error **errp)
{
    int node = fdt_path_offset(p->fdt, "/psci");

    if (node < 0 || !dt_enabled(p->fdt, node)) {
        return dt_error(errp, p, 0, "psci", "is missing");
    }
    if (!dt_is_compatible(p->fdt, node, "arm,psci-1.0") &&
        !dt_is_compatible(p->fdt, node, "arm,psci-0.2")) {
        return dt_error(errp, p, node, "compatible",
                        "is neither arm,psci-1.0 nor arm,psci-0.2");
    }
    if (!dt_string_is(p->fdt, node, "method", "hvc")) {
        return dt_error(errp, p, node, "method", "must be hvc");
    }
    return true;
}

static bool dt_gic(DtParser *p, Error **errp)
{
    const uint64_t redist_size = 0x20000ull * p->dt->num_cpus;
    BatonNode *gic = dt_find_node(p->dt, p->gic);
    uint32_t cells;

    if (!gic) {
        return dt_error(errp, p, p->gic, "status",
                        "the interrupt controller is disabled or not on a bus");
    }
    if (!dt_u32(p, p->gic, "#interrupt-cells", &cells, errp)) {
        return false;
    }
    if (cells != 3) {
        return dt_error(errp, p, p->gic, "#interrupt-cells",
                        "is %u, must be 3", cells);
    }
    if (gic->regs[1].size < redist_size) {
        return dt_error(errp, p, p->gic, "reg",
                        "redistributors of %u CPUs take 0x%" PRIx64,
                        p->dt->num_cpus, redist_size);
    }
    for (unsigned i = 0; i < p->dt->nodes->len; i++) {
        BatonNode *node = g_ptr_array_index(p->dt->nodes, i);

        if (node != gic && node->model == gic->model) {
            return dt_error(errp, p, node->offset, "compatible",
                            "is a second interrupt controller");
        }
    }
    p->dt->gic = gic;
    return true;
}

static bool dt_power_key(DtParser *p, int node, Error **errp)
{
    const uint8_t *data;
    uint32_t pin, flags;
    BatonNode *gpio;
    int n = dt_entries(p, node, "gpios", 3, &data, errp);

    if (n < 0) {
        return false;
    }
    if (n != 1) {
        return dt_error(errp, p, node, "gpios", "must have one entry");
    }
    gpio = dt_find_node(p->dt, fdt_node_offset_by_phandle(
                                   p->fdt, dt_read_cells(&data, 1)));
    pin = dt_read_cells(&data, 1);
    flags = dt_read_cells(&data, 1);
    if (!gpio || !g_str_equal(gpio->model->compatible, "arm,pl061")) {
        return dt_error(errp, p, node, "gpios", "is not at an arm,pl061");
    }
    if (pin > 7 || flags) {
        return dt_error(errp, p, node, "gpios",
                        "<%u %u> is not an active high pin below 8", pin,
                        flags);
    }
    p->dt->key_gpio = gpio;
    p->dt->key_pin = pin;
    return true;
}

static bool dt_gpio_keys(DtParser *p, Error **errp)
{
    int keys = fdt_node_offset_by_compatible(p->fdt, -1, "gpio-keys");
    int node;

    if (keys < 0 || !dt_enabled(p->fdt, keys)) {
        return true;
    }
    fdt_for_each_subnode(node, p->fdt, keys) {
        uint32_t code;

        if (dt_u32(p, node, "linux,code", &code, NULL) && code == KEY_POWER) {
            return dt_power_key(p, node, errp);
        }
    }
    return true;
}

static bool dt_root(DtParser *p, Error **errp)
{
    unsigned address_cells, size_cells;
    int node = 0, depth = 0;

    if (!dt_is_compatible(p->fdt, 0, "baton,soc")) {
        return dt_error(errp, p, 0, "compatible",
                        "has no baton,soc: not a tree of this machine");
    }
    if (!dt_num_cells(p, 0, "#address-cells", &address_cells, errp) ||
        !dt_num_cells(p, 0, "#size-cells", &size_cells, errp)) {
        return false;
    }
    if (address_cells != 2 || size_cells != 2) {
        return dt_error(errp, p, 0, address_cells != 2 ? "#address-cells" :
                        "#size-cells", "must be 2");
    }
    while ((node = fdt_next_node(p->fdt, node, &depth)) >= 0 && depth >= 0) {
        if (depth > DT_MAX_DEPTH) {
            return dt_error(errp, p, node, "path", "is deeper than %d nodes",
                            DT_MAX_DEPTH);
        }
    }
    p->gic = fdt_node_offset_by_compatible(p->fdt, -1, "arm,gic-v3");
    if (p->gic < 0) {
        return dt_error(errp, p, 0, "interrupt-controller",
                        "no node is compatible with arm,gic-v3");
    }
    return true;
}

static bool dt_parse(DtParser *p, Error **errp)
{
    return dt_root(p, errp) && dt_memory(p, errp) && dt_cpus(p, errp) &&
           dt_devices(p, errp) && dt_gic(p, errp) && dt_timer(p, errp) &&
           dt_pmu(p, errp) && dt_psci(p, errp) && dt_gpio_keys(p, errp) &&
           dt_check_baton_nodes(p, errp);
}

BatonDt *baton_dt_load(const char *filename, const BatonModel *models,
                       Error **errp)
{
    g_autofree char *blob = NULL;
    g_autoptr(GError) err = NULL;
    DtParser p = { .models = models };
    gsize size;
    int ret;
    bool ok;

    if (!g_file_get_contents(filename, &blob, &size, &err)) {
        error_setg(errp, "device tree: %s", err->message);
        return NULL;
    }
    ret = size > DT_MAX_SIZE ? -FDT_ERR_NOSPACE : fdt_check_full(blob, size);
    if (ret) {
        error_setg(errp, "device tree: '%s' is truncated or corrupt: %s",
                   filename, fdt_strerror(ret));
        return NULL;
    }

    p.fdt = blob;
    p.claims = g_array_new(false, false, sizeof(DtClaim));
    p.dt = g_new0(BatonDt, 1);
    p.dt->banks = g_array_new(false, false, sizeof(BatonRange));
    p.dt->nodes = g_ptr_array_new_with_free_func(dt_free_node);
    ok = dt_parse(&p, errp);
    g_array_unref(p.claims);
    if (!ok) {
        g_clear_pointer(&p.dt, baton_dt_free);
    }
    return p.dt;
}

void baton_dt_free(BatonDt *dt)
{
    g_array_unref(dt->banks);
    g_ptr_array_unref(dt->nodes);
    g_free(dt);
}
