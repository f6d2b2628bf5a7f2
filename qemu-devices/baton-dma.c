/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "baton-dma.h"

void baton_dma_init(BatonDma *dma, const char *name)
{
    address_space_init(&dma->as, dma->mr, name);
}

/*
 * address_space_rw() carries on behind a hole and does not tell where it was,
 * and address_space_map() lends a bounce buffer for it: so take the transfer
 * apart at the borders of the regions.
 */
static MemTxResult baton_dma_rw(BatonDma *dma, hwaddr addr, void *buf,
                                hwaddr len, bool is_write, hwaddr *fault)
{
    const MemTxAttrs attrs = MEMTXATTRS_UNSPECIFIED;

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
        if (result != MEMTX_OK) {
            *fault = addr;
            return result;
        }
        buf += chunk;
        len -= chunk;
        addr += chunk;
    }
    return MEMTX_OK;
}

MemTxResult baton_dma_read(BatonDma *dma, hwaddr addr, void *buf, hwaddr len,
                           hwaddr *fault)
{
    return baton_dma_rw(dma, addr, buf, len, false, fault);
}

MemTxResult baton_dma_write(BatonDma *dma, hwaddr addr, const void *buf,
                            hwaddr len, hwaddr *fault)
{
    return baton_dma_rw(dma, addr, (void *)buf, len, true, fault);
}
