// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: what a device can address
 *
 * An engine reaches memory through the windows of its bus, without an IOMMU.
 * The DMA API checks only the last byte of a mapping and copies what it cannot
 * map (SWIOTLB); here every piece must lie wholly within one window, and a copy
 * is a failure.
 */

#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "baton-buf.h"

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

/*
 * Find the window with @phys in it.  Set its bus address and return the number
 * of bytes up to the window's end, 0 if there is no such window.
 */
static u64 baton_buf_window(struct device *dev, phys_addr_t phys, dma_addr_t *dma)
{
	const struct bus_dma_region *region;

	if (!dev->dma_range_map) {
		*dma = phys;
		return U64_MAX - phys;
	}

	for (region = dev->dma_range_map; region->size; region++) {
		u64 offset = phys - region->cpu_start;

		if (phys >= region->cpu_start && offset < region->size) {
			*dma = region->dma_start + offset;
			return region->size - offset;
		}
	}
	return 0;
}

/*
 * How much of @len bytes from @phys fits into one segment for @dev: a multiple
 * of the page size, 0 if the device cannot reach them.  @why names the limit.
 */
static size_t baton_buf_segment(struct device *dev, phys_addr_t phys, size_t len,
				const char **why)
{
	u64 boundary = dma_get_seg_boundary(dev);
	u64 limit = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);
	dma_addr_t dma;
	u64 window;

	window = baton_buf_window(dev, phys, &dma);
	if (window < PAGE_SIZE) {
		*why = "its DMA windows (dma-ranges)";
		return 0;
	}
	if (dma > limit || limit - dma < PAGE_SIZE - 1) {
		*why = "its DMA mask";
		return 0;
	}

	*why = "one of its DMA segments";
	len = min_t(u64, len, window);
	len = min_t(u64, len - 1, limit - dma) + 1;
	len = min_t(u64, len - 1, boundary & ~dma) + 1;
	len = min_t(u64, len, max_t(u64, dma_get_max_seg_size(dev), PAGE_SIZE));
	return len & PAGE_MASK;
}

/* The number of segments that @buf makes for @dev, or an error code */
static int baton_buf_count_segments(struct baton_buf *buf, struct device *dev)
{
	phys_addr_t phys = page_to_phys(buf->page);
	phys_addr_t end = phys + buf->size;
	const char *why;
	int count;

	if (!dev->dma_mask || !*dev->dma_mask)
		return -EINVAL;

	for (count = 0; phys < end; count++) {
		size_t len = baton_buf_segment(dev, phys, end - phys, &why);

		if (!len) {
			dev_warn_ratelimited(dev, "buffer of %s at %pa is not within %s\n",
					     dev_name(buf->dev), &phys, why);
			return -EBUSY;
		}
		phys += len;
	}
	return count;
}

/**
 * baton_buf_check_device() - can a device reach a buffer?
 * @buf: the buffer
 * @dev: the device
 *
 * Return: 0, -EINVAL if @dev has no DMA, -EBUSY if some of the buffer is out
 * of its reach. The log then names both devices and the limit.
 */
int baton_buf_check_device(struct baton_buf *buf, struct device *dev)
{
	return min(baton_buf_count_segments(buf, dev), 0);
}
EXPORT_SYMBOL_GPL(baton_buf_check_device);

static void baton_buf_fill_table(struct baton_buf *buf, struct device *dev,
				 struct sg_table *sgt)
{
	struct scatterlist *sg;
	size_t offset = 0;
	const char *why;
	int i;

	for_each_sgtable_sg(sgt, sg, i) {
		phys_addr_t phys = page_to_phys(buf->page) + offset;
		size_t len = baton_buf_segment(dev, phys, buf->size - offset, &why);

		sg_set_page(sg, pfn_to_page(PHYS_PFN(phys)), len, 0);
		offset += len;
	}
}

static bool baton_buf_table_bounced(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i)
		if (swiotlb_find_pool(dev, dma_to_phys(dev, sg_dma_address(sg))))
			return true;
	return false;
}

/**
 * baton_buf_map() - map a buffer for a device
 * @buf: the buffer
 * @dev: the device
 * @dir: what the device will do with it
 *
 * The segments obey the windows, mask and segment limits of @dev. There is no
 * cache maintenance beyond making earlier CPU writes visible.
 *
 * Return: a table of its own for each call, to be given to baton_buf_unmap(),
 * or an ERR_PTR() as from baton_buf_check_device().
 */
struct sg_table *baton_buf_map(struct baton_buf *buf, struct device *dev,
			       enum dma_data_direction dir)
{
	struct sg_table *sgt;
	int ret;

	if (!valid_dma_direction(dir) || dir == DMA_NONE)
		return ERR_PTR(-EINVAL);

	ret = baton_buf_count_segments(buf, dev);
	if (ret < 0)
		return ERR_PTR(ret);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);

	ret = sg_alloc_table(sgt, ret, GFP_KERNEL);
	if (ret)
		goto err_free;

	baton_buf_fill_table(buf, dev, sgt);
	ret = dma_map_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_free_table;

	if (baton_buf_table_bounced(dev, sgt)) {
		dev_warn_ratelimited(dev, "refused a bounce buffer (swiotlb=force?)\n");
		baton_buf_unmap(dev, sgt, dir);
		return ERR_PTR(-EBUSY);
	}

	if (atomic_read(&buf->cpu_mappings))
		baton_buf_sync_for_device(buf, dir);
	return sgt;

err_free_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(baton_buf_map);

/**
 * baton_buf_unmap() - undo baton_buf_map()
 * @dev: the device
 * @sgt: the table, freed
 * @dir: as it was mapped
 */
void baton_buf_unmap(struct device *dev, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	dma_unmap_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
}
EXPORT_SYMBOL_GPL(baton_buf_unmap);

/**
 * baton_buf_check_import() - can a device use another exporter's mapping?
 * @dev: the device for which it was mapped
 * @sgt: the table that dma_buf_map_attachment() returned
 *
 * Return: 0, -EINVAL for pieces that are no whole pages, -EBUSY for a piece
 * out of reach or a bounce buffer. The log says which.
 */
int baton_buf_check_import(struct device *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	const char *why;
	int i;

	if (baton_buf_table_bounced(dev, sgt)) {
		dev_warn_ratelimited(dev, "imported buffer is out of reach: refused its copy (SWIOTLB)\n");
		return -EBUSY;
	}

	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t dma = sg_dma_address(sg);
		phys_addr_t phys = dma_to_phys(dev, dma);
		size_t len = sg_dma_len(sg);

		if (!PAGE_ALIGNED(dma | len)) {
			dev_warn_ratelimited(dev, "imported piece %pad+%#zx is not page aligned\n",
					     &dma, len);
			return -EINVAL;
		}
		if (baton_buf_segment(dev, phys, len, &why) < len) {
			dev_warn_ratelimited(dev, "imported piece %pad+%#zx is not within %s\n",
					     &dma, len, why);
			return -EBUSY;
		}
	}
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_check_import);
