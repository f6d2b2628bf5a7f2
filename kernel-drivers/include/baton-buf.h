/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton buffers: picture memory that several engines use in turn
 *
 * One &struct baton_buf is one piece of memory, however often it is exported
 * and mapped. Everything that allocates picture memory does it here.
 */
#ifndef BATON_BUF_H
#define BATON_BUF_H

#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/types.h>

struct device;
struct dma_buf;
struct page;
struct sg_table;
struct vb2_mem_ops;
struct vm_area_struct;

/**
 * struct baton_buf - a buffer
 * @kref: held by its creator, each dma_buf and each user mapping
 * @dev: the device for which the storage was allocated
 * @size: bytes, a multiple of PAGE_SIZE
 * @page: first page of the storage, which is physically contiguous
 * @dma: address of the storage for @dev
 * @resv: shared by all dma_bufs over this buffer
 * @cpu_mappings: user and kernel mappings now open. While there are none, no
 *	CPU cache holds a line of the buffer that matters, and passing it from
 *	engine to engine takes no cache maintenance.
 */
struct baton_buf {
	struct kref kref;
	struct device *dev;
	size_t size;
	struct page *page;
	dma_addr_t dma;
	struct dma_resv resv;
	atomic_t cpu_mappings;
};

int baton_buf_assign_pool(struct device *dev);

struct baton_buf *baton_buf_alloc(struct device *dev, size_t size);
void baton_buf_get(struct baton_buf *buf);
void baton_buf_put(struct baton_buf *buf);

struct sg_table *baton_buf_map(struct baton_buf *buf, struct device *dev,
			       enum dma_data_direction dir);
void baton_buf_unmap(struct device *dev, struct sg_table *sgt,
		     enum dma_data_direction dir);

int baton_buf_mmap(struct baton_buf *buf, struct vm_area_struct *vma);
void *baton_buf_vmap(struct baton_buf *buf);
void baton_buf_vunmap(struct baton_buf *buf);
void baton_buf_sync_for_cpu(struct baton_buf *buf, enum dma_data_direction dir);
void baton_buf_sync_for_device(struct baton_buf *buf,
			       enum dma_data_direction dir);

struct dma_buf *baton_buf_export(struct baton_buf *buf, int flags);

int baton_buf_check_device(struct baton_buf *buf, struct device *dev);
int baton_buf_check_import(struct device *dev, struct sg_table *sgt);
phys_addr_t baton_buf_cpu_address(struct device *dev, dma_addr_t dma);

/* The cookie of a plane is its &struct sg_table, mapped for the queue's device. */
extern const struct vb2_mem_ops baton_buf_vb2_memops;

#endif
