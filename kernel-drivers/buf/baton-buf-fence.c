// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: fences for DMA that an importer cannot stop at once
 *
 * A signalled fence can stay in a buffer's dma_resv for as long as the buffer
 * lives. The fences are therefore made here, in the module that buffers keep
 * loaded, and refer to nothing of the importer's.
 */

#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "baton-buf.h"

struct baton_fence {
	struct dma_fence base;
	spinlock_t lock; /* of base */
};

static const char *baton_fence_driver(struct dma_fence *fence)
{
	return "baton-buf";
}

static const char *baton_fence_timeline(struct dma_fence *fence)
{
	return "dma";
}

static const struct dma_fence_ops baton_fence_ops = {
	.get_driver_name = baton_fence_driver,
	.get_timeline_name = baton_fence_timeline,
};

/**
 * baton_buf_fence_new() - make a fence for a transfer in flight
 * @context: from dma_fence_context_alloc()
 * @seqno: rises within @context
 *
 * Whoever stops the engine for a move depends on the fence, so there is no
 * failing. It must signal in bounded time.
 *
 * Return: the fence, with one reference.
 */
struct dma_fence *baton_buf_fence_new(u64 context, u64 seqno)
{
	struct baton_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL | __GFP_NOFAIL);

	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &baton_fence_ops, &fence->lock, context, seqno);
	return &fence->base;
}
EXPORT_SYMBOL_GPL(baton_buf_fence_new);
