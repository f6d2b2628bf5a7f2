/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton device tree: buses, their windows and their devices */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/range.h"
#include "qemu/units.h"
#include "baton-dt-internal.h"

/* A node whose children are reached by address */
typedef struct DtBus {
    int node;
    unsigned address_cells;
    unsigned size_cells;
    GArray *mmio;           /* BatonWindow: where the CPU sees the children */
    GArray *dma;            /* BatonWindow: where they see DRAM, or NULL */
} DtBus;

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

    if (model->is_monitor) {
        if (p->dt->monitor) {
            return dt_error(errp, p, offset, "compatible",
                            "is a second bus monitor");
        }
        p->dt->monitor = node;
    }
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

bool dt_devices(DtParser *p, Error **errp)
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

bool dt_check_baton_nodes(const DtParser *p, Error **errp)
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
