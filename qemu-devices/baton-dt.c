/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "baton-dt-internal.h"

#define DT_MAX_SIZE (1 * MiB)
#define DT_MAX_DEPTH 16

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

static void dt_free_node(void *opaque)
{
    BatonNode *node = opaque;

    g_free(node->path);
    g_free(node->name);
    g_clear_pointer(&node->dma, g_array_unref);
    g_free(node);
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
