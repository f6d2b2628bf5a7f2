/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton: how a bus master reaches memory
 *
 * The machine gives each engine a MemoryRegion, its window: what its bus node's
 * dma-ranges leave of memory, at the addresses the engine puts on the bus. All
 * DMA of an engine goes through these functions.
 */
#ifndef HW_BATON_DMA_H
#define HW_BATON_DMA_H

#include "exec/memory.h"
#include "baton-monitor.h"

typedef struct BatonDma {
    MemoryRegion *mr;
    BatonMonitorState *monitor;         /* or NULL */
    BatonMonitorPort *port;             /* or NULL */
    AddressSpace as;
} BatonDma;

/* The engine's link properties, set by the machine. */
#define DEFINE_PROP_BATON_DMA(_state, _field) \
    DEFINE_PROP_LINK("dma", _state, _field.mr, TYPE_MEMORY_REGION, \
                     MemoryRegion *)
#define DEFINE_PROP_BATON_MONITOR(_state, _field) \
    DEFINE_PROP_LINK("monitor", _state, _field.monitor, TYPE_BATON_MONITOR, \
                     BatonMonitorState *)

/* At realize, once the links are set. */
void baton_dma_init(BatonDma *dma, const char *name);

/*
 * Transfer @len bytes at bus address @addr. On failure @fault is the first bus
 * address that did not answer: what is below has been transferred, nothing
 * above. Windows end below 2^64, so an access cannot wrap around. @plane tells
 * the bus monitor whose bytes they are: BATON_MONITOR_CONTROL if no pixels.
 */
MemTxResult baton_dma_read(BatonDma *dma, unsigned plane, hwaddr addr,
                           void *buf, hwaddr len, hwaddr *fault);
MemTxResult baton_dma_write(BatonDma *dma, unsigned plane, hwaddr addr,
                            const void *buf, hwaddr len, hwaddr *fault);

#endif
