/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "baton-dma.h"
#include "trace.h"

void baton_dma_init(BatonDma *dma, const char *name)
{
    address_space_init(&dma->as, dma->mr, name);
    dma->port = baton_monitor_port(dma->monitor, name);
}

/*
 * address_space_rw() carries on behind a hole and does not tell where it was,
 * and address_space_map() lends a bounce buffer for it: so take the transfer
 * apart at the borders of the regions.
 */
static MemTxResult baton_dma_rw(BatonDma *dma, unsigned plane, hwaddr addr,
                                void *buf, hwaddr len, bool is_write,
                                hwaddr *fault)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;
    const unsigned kind = is_write ? BATON_MONITOR_WRITE : BATON_MONITOR_READ;

    RCU_READ_LOCK_GUARD();
    while (len) {
        hwaddr offset, chunk = len;
        MemoryRegion *mr = address_space_translate(&dma->as, addr, &offset,
                                                   &chunk, is_write, attrs);
        MemTxResult result = MEMTX_DECODE_ERROR;

        if (memory_access_is_direct(mr, is_write, attrs)) {
            result = address_space_rw(&dma->as, addr, attrs, buf, chunk,
                                      is_write);
        }
        trace_baton_dma(dma->as.name, kind, plane, addr, chunk, result);
        if (result != MEMTX_OK) {
            if (baton_monitor_watches(dma->port)) {
                baton_monitor_bus_error(dma->port, kind, plane, addr);
            }
            *fault = addr;
            return result;
        }
        if (baton_monitor_watches(dma->port)) {
            baton_monitor_transfer(dma->port, kind, plane, addr, offset,
                                   chunk);
        }
        buf += chunk;
        len -= chunk;
        addr += chunk;
    }
    return MEMTX_OK;
}

MemTxResult baton_dma_read(BatonDma *dma, unsigned plane, hwaddr addr,
                           void *buf, hwaddr len, hwaddr *fault)
{
    return baton_dma_rw(dma, plane, addr, buf, len, false, fault);
}

MemTxResult baton_dma_write(BatonDma *dma, unsigned plane, hwaddr addr,
                            const void *buf, hwaddr len, hwaddr *fault)
{
    return baton_dma_rw(dma, plane, addr, (void *)buf, len, true, fault);
}
