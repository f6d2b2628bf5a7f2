// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: what a device can address
 *
 * An engine reaches memory through the windows of its bus, without an IOMMU.
 * The DMA API translates only the first byte of a mapping, checks only its last
 * and copies what it cannot map (SWIOTLB). Here every segment must lie wholly
 * within one window.
 */

#include <kunit/visibility.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/mm.h>

#include "baton-buf.h"
#include "baton-buf-limits.h"

static void baton_needs_release(struct device *dev, void *res)
{
}

/**
 * devm_baton_buf_declare() - say what the DMA API has no words for
 * @dev: an importing device
 * @needs: copied
 *
 * Of an importer that declares nothing, a buffer in one piece is assumed to be
 * preferred and any number of pieces to be accepted.
 *
 * Return: 0 or -ENOMEM.
 */
int devm_baton_buf_declare(struct device *dev, const struct baton_buf_needs *needs)
{
	struct baton_buf_needs *res;

	res = devres_alloc(baton_needs_release, sizeof(*res), GFP_KERNEL);
	if (!res)
		return -ENOMEM;

	*res = *needs;
	devres_add(dev, res);
	return 0;
}
EXPORT_SYMBOL_GPL(devm_baton_buf_declare);

/*
 * Gather the limits of @dev.  Its windows and declaration live as long as it is
 * bound, which LIF-02 asks of an importer for as long as it is attached.
 */
int baton_limits_init(struct baton_limits *limits, struct device *dev)
{
	const struct baton_buf_needs *needs;

	if (!dev->dma_mask || !*dev->dma_mask)
		return -EINVAL;

	needs = devres_find(dev, baton_needs_release, NULL, NULL);
	*limits = (struct baton_limits) {
		.windows = dev->dma_range_map,
		.highest = min_not_zero(*dev->dma_mask, dev->bus_dma_limit),
		.boundary = dma_get_seg_boundary(dev),
		.max_segment = max_t(size_t, dma_get_max_seg_size(dev), PAGE_SIZE),
		.max_segments = needs ? needs->max_segments : 0,
		.align = needs ? needs->align : 0,
		.declared = needs,
	};
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(baton_limits_init);

/*
 * Find the window with @phys in it.  Set its bus address and return the number
 * of bytes up to the window's end, 0 if there is no such window.
 */
static u64 baton_limits_window(const struct baton_limits *limits, phys_addr_t phys,
			       dma_addr_t *dma)
{
	const struct bus_dma_region *window;

	if (!limits->windows) {
		*dma = phys;
		return U64_MAX - phys;
	}

	for (window = limits->windows; window->size; window++) {
		u64 offset = phys - window->cpu_start;

		if (phys >= window->cpu_start && offset < window->size) {
			*dma = window->dma_start + offset;
			return window->size - offset;
		}
	}
	return 0;
}

/*
 * How much of @len bytes from @phys fits into one segment: a multiple of the
 * page size, 0 if the device cannot reach them.  @dma becomes the bus address,
 * @why names the limit that ends the segment.
 */
size_t baton_limits_fit(const struct baton_limits *limits, phys_addr_t phys, size_t len,
			dma_addr_t *dma, const char **why)
{
	u64 fit;

	*why = "DMA window";
	fit = baton_limits_window(limits, phys, dma);
	if (fit < PAGE_SIZE)
		return 0;

	if (*dma > limits->highest || limits->highest - *dma < PAGE_SIZE - 1) {
		*why = "DMA mask";
		return 0;
	}

	fit = min_t(u64, fit - 1, limits->highest - *dma) + 1;
	if (fit < len)
		len = fit;

	fit = min_t(u64, limits->boundary & ~*dma, len - 1) + 1;
	if (fit < len) {
		*why = "segment boundary";
		len = fit;
	}
	if (limits->max_segment < len) {
		*why = "segment size";
		len = limits->max_segment;
	}
	return len & PAGE_MASK;
}
EXPORT_SYMBOL_IF_KUNIT(baton_limits_fit);

/*
 * The number of segments that @runs make, or -EBUSY if the device cannot use
 * them, with @why naming the limit.
 */
int baton_limits_segments(const struct baton_limits *limits, const struct baton_run *runs,
			  unsigned int count, const char **why)
{
	unsigned int segments = 0;
	dma_addr_t dma;

	for (; count; count--, runs++) {
		phys_addr_t phys = runs->start;
		size_t left = runs->len;

		while (left) {
			size_t len = baton_limits_fit(limits, phys, left, &dma, why);

			if (!len)
				return -EBUSY;
			if (!segments && limits->align && !IS_ALIGNED(dma, limits->align)) {
				*why = "base alignment";
				return -EBUSY;
			}
			if (limits->max_segments && segments == limits->max_segments) {
				*why = "number of segments";
				return -EBUSY;
			}
			segments++;
			phys += len;
			left -= len;
		}
	}
	return segments;
}
EXPORT_SYMBOL_IF_KUNIT(baton_limits_segments);

/*
 * The CPU addresses that the device can reach at all.  Windows beyond
 * BATON_MAX_RANGES are left out, which errs on the side of refusing.
 */
void baton_limits_reach(const struct baton_limits *limits, struct baton_reach *reach)
{
	const struct bus_dma_region *window;

	reach->count = 0;
	if (!limits->windows) {
		reach->range[reach->count++] = (struct baton_range) {
			.end = limits->highest == U64_MAX ? U64_MAX : limits->highest + 1,
		};
		return;
	}

	for (window = limits->windows; window->size; window++) {
		u64 size = window->size;

		if (window->dma_start > limits->highest)
			continue;
		if (reach->count == BATON_MAX_RANGES)
			break;
		size = min(size - 1, limits->highest - window->dma_start) + 1;
		reach->range[reach->count++] = (struct baton_range) {
			.start = window->cpu_start,
			.end = window->cpu_start + size,
		};
	}
}
EXPORT_SYMBOL_IF_KUNIT(baton_limits_reach);

/* Reduce @reach to what @other contains too. */
void baton_reach_intersect(struct baton_reach *reach, const struct baton_reach *other)
{
	struct baton_reach both = { };
	unsigned int i, j;

	for (i = 0; i < reach->count; i++) {
		for (j = 0; j < other->count; j++) {
			u64 start = max(reach->range[i].start, other->range[j].start);
			u64 end = min(reach->range[i].end, other->range[j].end);

			if (start < end && both.count < BATON_MAX_RANGES)
				both.range[both.count++] = (struct baton_range) { start, end };
		}
	}
	*reach = both;
}
EXPORT_SYMBOL_IF_KUNIT(baton_reach_intersect);
