// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: shadow mode, a model of the CPU's caches
 *
 * An emulated CPU has no caches, so a sync that is missing goes unnoticed. In
 * shadow mode the CPU has other pages than the engines. The contents go from one
 * to the other only when the caches are maintained.
 *
 * A third set tells which words the CPU has written since, as the dirty bits of
 * a cache do: those that differ.
 */

#include <linux/align.h>
#include <linux/cache.h>
#include <linux/highmem.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "baton-buf-storage.h"

/* What engines read of memory that nobody has written back */
#define BATON_POISON 0xa5

static bool baton_shadow;
module_param_named(shadow, baton_shadow, bool, 0444);
MODULE_PARM_DESC(shadow, "debugging: keep the CPU and the engines on separate pages");

static struct page **baton_shadow_alloc_pages(size_t count)
{
	struct page **pages;
	size_t i;

	pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return NULL;

	for (i = 0; i < count; i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i])
			break;
	}
	return pages;
}

static void baton_shadow_free_pages(struct page **pages, size_t count)
{
	size_t i;

	for (i = 0; pages && i < count && pages[i]; i++)
		__free_page(pages[i]);
	kvfree(pages);
}

/*
 * Give zeroed @storage pages for the CPU, if that is asked for.  The zeroes are
 * in its caches.  Return 0 or -ENOMEM; baton_shadow_remove() undoes both.
 */
int baton_shadow_add(struct baton_storage *storage)
{
	size_t count = storage->size >> PAGE_SHIFT;
	size_t i;

	if (!baton_shadow)
		return 0;

	storage->cpu_pages = baton_shadow_alloc_pages(count);
	storage->clean_pages = baton_shadow_alloc_pages(count);
	if (!storage->cpu_pages || !storage->cpu_pages[count - 1] ||
	    !storage->clean_pages || !storage->clean_pages[count - 1])
		return -ENOMEM;

	for (i = 0; i < count; i++) {
		memset(page_address(storage->pages[i]), BATON_POISON, PAGE_SIZE);
		memset(page_address(storage->clean_pages[i]), BATON_POISON, PAGE_SIZE);
	}
	return 0;
}

void baton_shadow_remove(struct baton_storage *storage)
{
	size_t count = storage->size >> PAGE_SHIFT;

	baton_shadow_free_pages(storage->clean_pages, count);
	if (storage->cpu_pages != storage->pages)
		baton_shadow_free_pages(storage->cpu_pages, count);
}

static void baton_shadow_write_back(struct baton_storage *storage, size_t page)
{
	u64 *device = page_address(storage->pages[page]);
	u64 *clean = page_address(storage->clean_pages[page]);
	const u64 *cpu = page_address(storage->cpu_pages[page]);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*cpu); i++)
		if (cpu[i] != clean[i])
			device[i] = clean[i] = cpu[i];
}

/*
 * Lines that are still dirty when they are to be fetched anew have been written
 * back over the engine's data, or are lost: half of them each.
 */
static void baton_shadow_fetch(struct baton_storage *storage, size_t page)
{
	u64 *device = page_address(storage->pages[page]);
	u64 *clean = page_address(storage->clean_pages[page]);
	u64 *cpu = page_address(storage->cpu_pages[page]);
	const unsigned int line = L1_CACHE_BYTES / sizeof(*cpu);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*cpu); i++)
		if (cpu[i] != clean[i] && i / line % 2)
			device[i] = cpu[i];
	copy_page(cpu, device);
	copy_page(clean, device);
}

/*
 * What an engine has written replaces what the CPU has.  Without that all of
 * what the CPU has counts as written by it, as it may be about to.
 */
void baton_shadow_sync_for_cpu(struct baton_storage *storage, enum dma_data_direction dir)
{
	size_t i;

	if (!storage->clean_pages)
		return;

	for (i = 0; i < storage->size >> PAGE_SHIFT; i++) {
		if (dir == DMA_TO_DEVICE)
			copy_page(page_address(storage->clean_pages[i]),
				  page_address(storage->pages[i]));
		else
			baton_shadow_fetch(storage, i);
	}
}

/* What the CPU has written replaces what is in memory. */
void baton_shadow_sync_for_device(struct baton_storage *storage, enum dma_data_direction dir)
{
	size_t i;

	if (!storage->clean_pages || dir == DMA_FROM_DEVICE)
		return;

	for (i = 0; i < storage->size >> PAGE_SHIFT; i++)
		baton_shadow_write_back(storage, i);
}
