// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: storage and CPU mappings
 */

#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of_reserved_mem.h>
#include <linux/slab.h>

#include "baton-buf.h"

/**
 * baton_buf_assign_pool() - make a device allocate from its memory-region
 * @dev: the device, with or without a "memory-region" property
 *
 * The pool is never taken away again: a buffer can outlive the driver that
 * allocated it, and is given back to the pool through @dev.
 *
 * Return: 0, also if @dev has no memory-region, or a negative error code.
 */
int baton_buf_assign_pool(struct device *dev)
{
	int ret;

	if (dev->cma_area)
		return 0;

	ret = of_reserved_mem_device_init(dev);
	return ret == -ENODEV ? 0 : ret;
}
EXPORT_SYMBOL_GPL(baton_buf_assign_pool);

/**
 * baton_buf_alloc() - allocate a buffer
 * @dev: the device that shall reach it
 * @size: bytes, rounded up to whole pages
 *
 * The storage is contiguous, zeroed and cached; its contents are in memory
 * when the function returns.
 *
 * Return: the buffer, with one reference, or an ERR_PTR().
 */
struct baton_buf *baton_buf_alloc(struct device *dev, size_t size)
{
	struct baton_buf *buf;

	if (!size || size > LONG_MAX)
		return ERR_PTR(-EINVAL);

	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);

	buf->size = PAGE_ALIGN(size);
	buf->page = dma_alloc_pages(dev, buf->size, &buf->dma, DMA_BIDIRECTIONAL,
				    GFP_KERNEL | __GFP_NOWARN);
	if (!buf->page) {
		dev_err_ratelimited(dev, "no %zu contiguous bytes left\n", buf->size);
		kfree(buf);
		return ERR_PTR(-ENOMEM);
	}

	buf->dev = get_device(dev);
	kref_init(&buf->kref);
	dma_resv_init(&buf->resv);
	baton_buf_sync_for_device(buf, DMA_BIDIRECTIONAL);
	return buf;
}
EXPORT_SYMBOL_GPL(baton_buf_alloc);

static void baton_buf_release(struct kref *kref)
{
	struct baton_buf *buf = container_of(kref, struct baton_buf, kref);

	WARN_ON(atomic_read(&buf->cpu_mappings));
	dma_resv_fini(&buf->resv);
	dma_free_pages(buf->dev, buf->size, buf->page, buf->dma, DMA_BIDIRECTIONAL);
	put_device(buf->dev);
	kfree(buf);
}

/**
 * baton_buf_get() - take a reference
 * @buf: the buffer
 */
void baton_buf_get(struct baton_buf *buf)
{
	kref_get(&buf->kref);
}
EXPORT_SYMBOL_GPL(baton_buf_get);

/**
 * baton_buf_put() - drop a reference
 * @buf: the buffer, freed with its last reference
 */
void baton_buf_put(struct baton_buf *buf)
{
	kref_put(&buf->kref, baton_buf_release);
}
EXPORT_SYMBOL_GPL(baton_buf_put);

/**
 * baton_buf_sync_for_cpu() - let the CPU see what engines wrote
 * @buf: the buffer
 * @dir: what engines did with it
 */
void baton_buf_sync_for_cpu(struct baton_buf *buf, enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(buf->dev, buf->dma, buf->size, dir);
}
EXPORT_SYMBOL_GPL(baton_buf_sync_for_cpu);

/**
 * baton_buf_sync_for_device() - let engines see what the CPU wrote
 * @buf: the buffer
 * @dir: what engines will do with it
 */
void baton_buf_sync_for_device(struct baton_buf *buf, enum dma_data_direction dir)
{
	dma_sync_single_for_device(buf->dev, buf->dma, buf->size, dir);
}
EXPORT_SYMBOL_GPL(baton_buf_sync_for_device);

/*
 * The linear map lets the CPU prefetch lines of the buffer at any time, so the
 * first mapping drops what is stale; the last one leaves nothing dirty behind.
 */
static void baton_buf_cpu_map(struct baton_buf *buf)
{
	if (atomic_inc_return(&buf->cpu_mappings) == 1)
		baton_buf_sync_for_cpu(buf, DMA_FROM_DEVICE);
}

static void baton_buf_cpu_unmap(struct baton_buf *buf)
{
	if (atomic_dec_and_test(&buf->cpu_mappings))
		baton_buf_sync_for_device(buf, DMA_TO_DEVICE);
}

static void baton_buf_vm_open(struct vm_area_struct *vma)
{
	struct baton_buf *buf = vma->vm_private_data;

	baton_buf_get(buf);
	baton_buf_cpu_map(buf);
}

static void baton_buf_vm_close(struct vm_area_struct *vma)
{
	struct baton_buf *buf = vma->vm_private_data;

	baton_buf_cpu_unmap(buf);
	baton_buf_put(buf);
}

static const struct vm_operations_struct baton_buf_vm_ops = {
	.open = baton_buf_vm_open,
	.close = baton_buf_vm_close,
};

/**
 * baton_buf_mmap() - map a buffer into a process
 * @buf: the buffer
 * @vma: where; vm_pgoff counts from the start of the buffer
 *
 * Return: 0, -EINVAL for a private mapping, -ENXIO beyond the end.
 */
int baton_buf_mmap(struct baton_buf *buf, struct vm_area_struct *vma)
{
	int ret;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;

	ret = dma_mmap_pages(buf->dev, vma, buf->size, buf->page);
	if (ret)
		return ret;

	vma->vm_private_data = buf;
	vma->vm_ops = &baton_buf_vm_ops;
	baton_buf_vm_open(vma);
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_mmap);

/**
 * baton_buf_vmap() - map a buffer into the kernel
 * @buf: the buffer
 *
 * Return: the address; valid until baton_buf_vunmap().
 */
void *baton_buf_vmap(struct baton_buf *buf)
{
	baton_buf_cpu_map(buf);
	return page_address(buf->page);
}
EXPORT_SYMBOL_GPL(baton_buf_vmap);

/**
 * baton_buf_vunmap() - undo baton_buf_vmap()
 * @buf: the buffer
 */
void baton_buf_vunmap(struct baton_buf *buf)
{
	baton_buf_cpu_unmap(buf);
}
EXPORT_SYMBOL_GPL(baton_buf_vunmap);

MODULE_DESCRIPTION("Buffers shared by the Baton engines");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
