// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: checks on a mapped table
 */

#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include "baton-buf.h"
#include "baton-buf-limits.h"

/**
 * baton_buf_cpu_address() - the CPU's address of a mapped piece
 * @dev: the device for which it is mapped
 * @dma: its bus address
 *
 * Return: the physical address.
 */
phys_addr_t baton_buf_cpu_address(struct device *dev, dma_addr_t dma)
{
	return dma_to_phys(dev, dma);
}
EXPORT_SYMBOL_GPL(baton_buf_cpu_address);

static const char *baton_check_segment(struct device *dev, const struct baton_limits *limits,
				       struct scatterlist *sg)
{
	phys_addr_t phys = dma_to_phys(dev, sg_dma_address(sg));
	const char *why;
	dma_addr_t dma;

	if (swiotlb_find_pool(dev, phys))
		return "reach: a copy (SWIOTLB) was made";
	if (!PAGE_ALIGNED(sg_dma_address(sg) | sg_dma_len(sg)))
		return "page alignment";
	if (baton_limits_fit(limits, phys, sg_dma_len(sg), &dma, &why) < sg_dma_len(sg))
		return why;
	return NULL;
}

/**
 * baton_buf_check_table() - can a device use a mapping, whoever made it?
 * @dev: the device for which it was mapped
 * @sgt: the table that dma_buf_map_attachment() returned
 *
 * Return: 0, or -EBUSY for a segment out of reach or a bounce buffer, -EINVAL
 * for a device that cannot do DMA. The log says which.
 */
int baton_buf_check_table(struct device *dev, struct sg_table *sgt)
{
	struct baton_limits limits;
	struct scatterlist *sg;
	int ret;
	int i;

	ret = baton_limits_init(&limits, dev);
	if (ret)
		return ret;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		const char *why = baton_check_segment(dev, &limits, sg);

		if (why) {
			dma_addr_t dma = sg_dma_address(sg);

			dev_warn_ratelimited(dev, "buffer refused: segment %pad+%#x violates the %s\n",
					     &dma, sg_dma_len(sg), why);
			return -EBUSY;
		}
	}

	if (limits.max_segments && sgt->nents > limits.max_segments) {
		dev_warn_ratelimited(dev, "buffer refused: %u segments, at most %u are possible\n",
				     sgt->nents, limits.max_segments);
		return -EBUSY;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_check_table);
