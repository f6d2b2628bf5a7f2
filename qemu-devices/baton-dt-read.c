/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Baton device tree: properties, and what is wrong with them */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "qapi/error.h"
#include "baton-dt-internal.h"

bool dt_error(Error **errp, const DtParser *p, int node, const char *property,
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

const char *dt_string(const void *fdt, int node, const char *property)
{
    return fdt_stringlist_get(fdt, node, property, 0, NULL);
}

bool dt_string_is(const void *fdt, int node, const char *property,
                  const char *value)
{
    return g_strcmp0(dt_string(fdt, node, property), value) == 0;
}

bool dt_is_compatible(const void *fdt, int node, const char *compatible)
{
    return fdt_node_check_compatible(fdt, node, compatible) == 0;
}

bool dt_enabled(const void *fdt, int node)
{
    return !fdt_getprop(fdt, node, "status", NULL) ||
           dt_string_is(fdt, node, "status", "okay") ||
           dt_string_is(fdt, node, "status", "ok");
}

bool dt_u32(const DtParser *p, int node, const char *property,
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

bool dt_num_cells(const DtParser *p, int node, const char *property,
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

int dt_entries(const DtParser *p, int node, const char *property,
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

uint64_t dt_read_cells(const uint8_t **data, unsigned cells)
{
    uint64_t value = cells == 1 ? (uint32_t)ldl_be_p(*data) : ldq_be_p(*data);

    *data += cells * 4;
    return value;
}

bool dt_claim(DtParser *p, int node, BatonRange range, Error **errp)
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

BatonNode *dt_find_node(const BatonDt *dt, int offset)
{
    for (unsigned i = 0; i < dt->nodes->len; i++) {
        BatonNode *node = g_ptr_array_index(dt->nodes, i);

        if (node->offset == offset) {
            return node;
        }
    }
    return NULL;
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

const uint8_t *dt_interrupts(const DtParser *p, int node, unsigned n,
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
