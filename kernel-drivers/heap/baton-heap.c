// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: the dma-heap /dev/dma_heap/baton
 *
 * A buffer of this heap has no storage until somebody uses it; storage is then
 * chosen for all importers attached by that time.
 *
 * No kernel can take a heap away again: the module stays.
 */

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/module.h>

#include "baton-buf.h"

static const struct baton_buf_exporter baton_heap_exporter = {
	.owner = THIS_MODULE,
};

static struct dma_buf *baton_heap_allocate(struct dma_heap *heap, unsigned long len,
					   u32 fd_flags, u64 heap_flags)
{
	struct baton_buf *buf;
	struct dma_buf *dmabuf;

	buf = baton_buf_create(NULL, len, dma_heap_get_name(heap), 0);
	if (IS_ERR(buf))
		return ERR_CAST(buf);

	dmabuf = baton_buf_export(buf, &baton_heap_exporter, fd_flags, NULL);
	baton_buf_put(buf);
	return dmabuf;
}

static const struct dma_heap_ops baton_heap_ops = {
	.allocate = baton_heap_allocate,
};

static int __init baton_heap_init(void)
{
	const struct dma_heap_export_info info = {
		.name = "baton",
		.ops = &baton_heap_ops,
	};

	return PTR_ERR_OR_ZERO(dma_heap_add(&info));
}

module_init(baton_heap_init);

MODULE_DESCRIPTION("dma-heap of buffers that move between the Baton engines");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF_HEAP);
