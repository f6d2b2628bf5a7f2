/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton device tree: what its files share
 *
 * A check returns false, with @errp set to one line that names node and
 * property, if the machine cannot be built from the tree.
 */
#ifndef HW_BATON_DT_INTERNAL_H
#define HW_BATON_DT_INTERNAL_H

#include "qemu/bitmap.h"
#include "baton-dt.h"

#include <libfdt.h>

#define CPU_ADDRESS_BITS 40

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

/* baton-dt-read.c */

/* Always false, so that a check can end in "return dt_error(...)". */
bool G_GNUC_PRINTF(5, 6)
dt_error(Error **errp, const DtParser *p, int node, const char *property,
         const char *fmt, ...);

/* The property as a string, NULL if there is none or it is not terminated */
const char *dt_string(const void *fdt, int node, const char *property);
bool dt_string_is(const void *fdt, int node, const char *property,
                  const char *value);
bool dt_is_compatible(const void *fdt, int node, const char *compatible);
bool dt_enabled(const void *fdt, int node);
BatonNode *dt_find_node(const BatonDt *dt, int offset);

bool dt_u32(const DtParser *p, int node, const char *property, uint32_t *value,
            Error **errp);
bool dt_num_cells(const DtParser *p, int node, const char *property,
                  unsigned *cells, Error **errp);

/*
 * The entries of a property made of @entry_cells cells each: their number, 0 if
 * it is empty, -1 on error.
 */
int dt_entries(const DtParser *p, int node, const char *property,
               unsigned entry_cells, const uint8_t **data, Error **errp);
uint64_t dt_read_cells(const uint8_t **data, unsigned cells);

/* @n interrupts of the GIC, three cells each: type, number, trigger */
const uint8_t *dt_interrupts(const DtParser *p, int node, unsigned n,
                             Error **errp);

/* Take CPU addresses that no other node may have */
bool dt_claim(DtParser *p, int node, BatonRange range, Error **errp);

/* baton-dt-bus.c */

bool dt_devices(DtParser *p, Error **errp);

/* Whatever claims to be part of Baton must have been understood. */
bool dt_check_baton_nodes(const DtParser *p, Error **errp);

/* baton-dt-soc.c */

bool dt_memory(DtParser *p, Error **errp);
bool dt_cpus(DtParser *p, Error **errp);
bool dt_gic(DtParser *p, Error **errp);
bool dt_timer(const DtParser *p, Error **errp);
bool dt_pmu(const DtParser *p, Error **errp);
bool dt_psci(const DtParser *p, Error **errp);
bool dt_gpio_keys(DtParser *p, Error **errp);

#endif
