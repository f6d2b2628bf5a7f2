// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: the memory behind a buffer
 *
 * Storage is either contiguous, from the pool (memory-region) of some device, or
 * single pages from anywhere. It is never changed once made: a buffer moves by
 * getting other storage.
 */

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/fault-inject.h>
#include <linux/mm.h>
#include <linux/platform_device.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "baton-buf.h"
#include "baton-buf-storage.h"

/*
 * Cache maintenance works on physical addresses, but the DMA API wants a device
 * and its mapping. This one reaches all memory and never does DMA.
 */
static struct platform_device *baton_sync_device;

/* Single pages are taken in blocks up to this order. */
static uint baton_max_order = 4;
module_param_named(max_order, baton_max_order, uint, 0644);
MODULE_PARM_DESC(max_order, "largest block of scattered storage, as a page order");

static bool baton_scatter;
module_param_named(scatter, baton_scatter, bool, 0644);
MODULE_PARM_DESC(scatter, "leave a gap after each page of scattered storage, for tests");

#ifdef CONFIG_FAULT_INJECTION
/* /sys/kernel/debug/baton-buf-fail: allocation of storage */
static DECLARE_FAULT_ATTR(baton_fail_storage);
static struct dentry *baton_fail_dir;

static bool baton_storage_should_fail(size_t size)
{
	return should_fail(&baton_fail_storage, size);
}

static void baton_fail_init(void)
{
	baton_fail_dir = fault_create_debugfs_attr("baton-buf-fail", NULL, &baton_fail_storage);
}

static void baton_fail_exit(void)
{
	debugfs_remove_recursive(baton_fail_dir);
}
#else
static bool baton_storage_should_fail(size_t size)
{
	return false;
}

static void baton_fail_init(void)
{
}

static void baton_fail_exit(void)
{
}
#endif

static void baton_storage_unmap(struct baton_storage *storage)
{
	unsigned int i;

	for (i = 0; i < storage->run_count; i++)
		dma_unmap_page_attrs(&baton_sync_device->dev, storage->run_dma[i],
				     storage->runs[i].len, DMA_BIDIRECTIONAL,
				     DMA_ATTR_SKIP_CPU_SYNC);
}

static int baton_storage_map_run(struct baton_storage *storage, unsigned int i)
{
	struct device *dev = &baton_sync_device->dev;

	storage->run_dma[i] = dma_map_page_attrs(dev, phys_to_page(storage->runs[i].start), 0,
						 storage->runs[i].len, DMA_BIDIRECTIONAL,
						 DMA_ATTR_SKIP_CPU_SYNC);
	return dma_mapping_error(dev, storage->run_dma[i]);
}

/* Find the runs of @pages and make them known to the DMA API. */
static int baton_storage_set_runs(struct baton_storage *storage)
{
	size_t count = storage->size >> PAGE_SHIFT;
	unsigned int runs = 1;
	size_t i;
	int ret;

	for (i = 1; i < count; i++)
		runs += page_to_pfn(storage->pages[i]) != page_to_pfn(storage->pages[i - 1]) + 1;

	storage->runs = kvcalloc(runs, sizeof(*storage->runs), GFP_KERNEL);
	storage->run_dma = kvcalloc(runs, sizeof(*storage->run_dma), GFP_KERNEL);
	if (!storage->runs || !storage->run_dma)
		return -ENOMEM;

	runs = 0;
	for (i = 0; i < count; i++) {
		phys_addr_t phys = page_to_phys(storage->pages[i]);

		if (i && phys == storage->runs[runs - 1].start + storage->runs[runs - 1].len)
			storage->runs[runs - 1].len += PAGE_SIZE;
		else
			storage->runs[runs++] = (struct baton_run) { phys, PAGE_SIZE };
	}

	for (i = 0; i < runs; i++) {
		ret = baton_storage_map_run(storage, i);
		if (ret) {
			baton_storage_unmap(storage);
			return ret;
		}
		storage->run_count = i + 1;
	}
	return 0;
}

static void baton_storage_free_pages(struct baton_storage *storage)
{
	size_t i;

	if (storage->pool) {
		dma_free_pages(storage->pool, storage->size, storage->pages[0],
			       storage->pool_dma, DMA_BIDIRECTIONAL);
		put_device(storage->pool);
		return;
	}

	for (i = 0; i < storage->size >> PAGE_SHIFT && storage->pages[i]; i++)
		__free_page(storage->pages[i]);
}

static void baton_storage_free(struct baton_storage *storage)
{
	baton_shadow_remove(storage);
	kvfree(storage->run_dma);
	kvfree(storage->runs);
	kvfree(storage->pages);
	kfree(storage);
}

static struct baton_storage *baton_storage_new(size_t size)
{
	struct baton_storage *storage;

	if (baton_storage_should_fail(size))
		return NULL;

	storage = kzalloc(sizeof(*storage), GFP_KERNEL);
	if (!storage)
		return NULL;

	storage->pages = kvcalloc(size >> PAGE_SHIFT, sizeof(*storage->pages),
				  GFP_KERNEL | __GFP_NOWARN);
	if (!storage->pages) {
		kfree(storage);
		return NULL;
	}

	kref_init(&storage->kref);
	storage->size = size;
	storage->cpu_pages = storage->pages;
	return storage;
}

static struct baton_storage *baton_storage_finish(struct baton_storage *storage)
{
	if (baton_storage_set_runs(storage)) {
		baton_storage_free_pages(storage);
		baton_storage_free(storage);
		return NULL;
	}
	return storage;
}

/* Rather fail than kill other processes for memory. */
static struct page *baton_alloc_block(gfp_t zone, unsigned int *order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | zone;
	struct page *page;

	if (fatal_signal_pending(current))
		return NULL;

	while (*order) {
		page = alloc_pages(gfp | __GFP_NORETRY, *order);
		if (page) {
			split_page(page, *order);
			return page;
		}
		--*order;
	}
	return alloc_page(gfp | __GFP_RETRY_MAYFAIL);
}

/* Pages with neighbours that belong to somebody else: fill both, keep one. */
static struct baton_storage *baton_storage_scatter(struct baton_storage *storage, gfp_t zone)
{
	size_t count = storage->size >> PAGE_SHIFT;
	struct page *gap, *next;
	LIST_HEAD(gaps);
	size_t i;

	for (i = 0; i < count; i++) {
		gap = alloc_page(GFP_KERNEL | __GFP_NOWARN | zone);
		if (gap)
			list_add(&gap->lru, &gaps);
		storage->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN | zone);
		if (!gap || !storage->pages[i])
			break;
	}

	list_for_each_entry_safe(gap, next, &gaps, lru)
		__free_page(gap);
	if (i < count) {
		baton_storage_free_pages(storage);
		baton_storage_free(storage);
		return NULL;
	}
	return baton_storage_finish(storage);
}

/*
 * Zeroed single pages from @zone (0, GFP_DMA ...), in small blocks while there
 * are any.  The zeroes may be in the CPU's caches.  Return NULL without memory.
 */
struct baton_storage *baton_storage_alloc_pages(size_t size, gfp_t zone)
{
	struct baton_storage *storage = baton_storage_new(size);
	unsigned int order = baton_max_order;
	size_t count = size >> PAGE_SHIFT;
	size_t i = 0;

	if (!storage)
		return NULL;
	if (baton_scatter)
		return baton_storage_scatter(storage, zone);

	while (i < count) {
		struct page *page;
		size_t n;

		order = min_t(unsigned int, order, ilog2(count - i));
		page = baton_alloc_block(zone, &order);
		if (!page) {
			baton_storage_free_pages(storage);
			baton_storage_free(storage);
			return NULL;
		}

		for (n = 0; n < 1 << order; n++)
			storage->pages[i++] = page + n;
	}
	return baton_storage_finish(storage);
}

/* The same, contiguous, from the pool of @pool */
struct baton_storage *baton_storage_alloc_pool(struct device *pool, size_t size)
{
	struct baton_storage *storage = baton_storage_new(size);
	struct page *page;
	size_t i;

	if (!storage)
		return NULL;

	page = dma_alloc_pages(pool, size, &storage->pool_dma, DMA_BIDIRECTIONAL,
			       GFP_KERNEL | __GFP_NOWARN);
	if (!page) {
		baton_storage_free(storage);
		return NULL;
	}

	storage->pool = get_device(pool);
	for (i = 0; i < size >> PAGE_SHIFT; i++)
		storage->pages[i] = page + i;
	return baton_storage_finish(storage);
}

struct baton_storage *baton_storage_get(struct baton_storage *storage)
{
	kref_get(&storage->kref);
	return storage;
}

static void baton_storage_release(struct kref *kref)
{
	struct baton_storage *storage = container_of(kref, struct baton_storage, kref);

	baton_storage_unmap(storage);
	baton_storage_free_pages(storage);
	baton_storage_free(storage);
}

void baton_storage_put(struct baton_storage *storage)
{
	if (storage)
		kref_put(&storage->kref, baton_storage_release);
}

/* Both are in the linear map; neither is used or mapped by anybody meanwhile. */
void baton_storage_copy(struct baton_storage *to, struct baton_storage *from)
{
	size_t i;

	if (from->mapped)
		baton_storage_sync_for_cpu(from, DMA_FROM_DEVICE);
	for (i = 0; i < to->size >> PAGE_SHIFT; i++) {
		copy_page(page_address(to->cpu_pages[i]), page_address(from->cpu_pages[i]));
		cond_resched();
	}
	baton_storage_sync_for_device(to, DMA_TO_DEVICE);
}

/* Let the CPU see what engines wrote. */
void baton_storage_sync_for_cpu(struct baton_storage *storage, enum dma_data_direction dir)
{
	unsigned int i;

	for (i = 0; i < storage->run_count; i++)
		dma_sync_single_for_cpu(&baton_sync_device->dev, storage->run_dma[i],
					storage->runs[i].len, dir);
	baton_shadow_sync_for_cpu(storage, dir);
}

/* Let engines see what the CPU wrote. */
void baton_storage_sync_for_device(struct baton_storage *storage, enum dma_data_direction dir)
{
	unsigned int i;

	for (i = 0; i < storage->run_count; i++)
		dma_sync_single_for_device(&baton_sync_device->dev, storage->run_dma[i],
					   storage->runs[i].len, dir);
	baton_shadow_sync_for_device(storage, dir);
}

int baton_storage_init(void)
{
	int ret;

	baton_sync_device = platform_device_register_simple("baton-buf", PLATFORM_DEVID_NONE,
							    NULL, 0);
	if (IS_ERR(baton_sync_device))
		return PTR_ERR(baton_sync_device);

	ret = dma_coerce_mask_and_coherent(&baton_sync_device->dev, DMA_BIT_MASK(64));
	if (ret) {
		platform_device_unregister(baton_sync_device);
		return ret;
	}
	baton_fail_init();
	return 0;
}

void baton_storage_exit(void)
{
	baton_fail_exit();
	platform_device_unregister(baton_sync_device);
}
