/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton buffers: the memory behind a buffer
 */
#ifndef BATON_BUF_STORAGE_H
#define BATON_BUF_STORAGE_H

#include <linux/dma-direction.h>
#include <linux/gfp_types.h>
#include <linux/kref.h>

#include "baton-buf-limits.h"

struct device;
struct page;

/**
 * struct baton_storage - memory, in one place for all its life
 * @kref: held by the buffer and by each mapping for a device
 * @size: bytes
 * @pages: all of it, in order
 * @cpu_pages: what the CPU maps: @pages, but in shadow mode others
 * @clean_pages: in shadow mode @cpu_pages when they were last in step with @pages
 * @runs: the same, as contiguous pieces
 * @run_dma: address of each run for the device that does cache maintenance
 * @run_count: number of @runs
 * @mapped: it has been mapped for DMA; changed with the buffer's dma_resv held
 * @pool: device from whose pool it was allocated, NULL for single pages
 * @pool_dma: its address for @pool
 */
struct baton_storage {
	struct kref kref;
	size_t size;
	struct page **pages;
	struct page **cpu_pages;
	struct page **clean_pages;
	struct baton_run *runs;
	dma_addr_t *run_dma;
	unsigned int run_count;
	bool mapped;
	struct device *pool;
	dma_addr_t pool_dma;
};

struct baton_storage *baton_storage_alloc_pages(size_t size, gfp_t zone);
struct baton_storage *baton_storage_alloc_pool(struct device *pool, size_t size);
struct baton_storage *baton_storage_get(struct baton_storage *storage);
void baton_storage_put(struct baton_storage *storage);

void baton_storage_copy(struct baton_storage *to, struct baton_storage *from);
void baton_storage_sync_for_cpu(struct baton_storage *storage, enum dma_data_direction dir);
void baton_storage_sync_for_device(struct baton_storage *storage, enum dma_data_direction dir);

/* baton-buf-shadow.c */
int baton_shadow_add(struct baton_storage *storage);
void baton_shadow_remove(struct baton_storage *storage);
void baton_shadow_sync_for_cpu(struct baton_storage *storage, enum dma_data_direction dir);
void baton_shadow_sync_for_device(struct baton_storage *storage, enum dma_data_direction dir);

int baton_storage_init(void);
void baton_storage_exit(void);

#endif
