// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: a buffer's life
 */

#include <linux/export.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "baton-buf.h"
#include "baton-buf-core.h"
#include "baton-buf-storage.h"

#define CREATE_TRACE_POINTS
#include "baton-buf-trace.h"

LIST_HEAD(baton_buffers);
DEFINE_MUTEX(baton_buffers_lock); /* baton_buffers */

/**
 * baton_buf_create() - make a buffer without storage
 * @dev: for whose driver, until baton_buf_withdraw(), or NULL
 * @size: bytes, rounded up to whole pages
 * @name: of the exporter, for people
 * @flags: BATON_BUF_WRITECOMBINE
 *
 * Storage is chosen at the first use, for all importers attached by then.
 *
 * Return: the buffer, with one reference, or an ERR_PTR().
 */
struct baton_buf *baton_buf_create(struct device *dev, size_t size, const char *name,
				   unsigned int flags)
{
	struct baton_buf *buf;
	int ret;

	if (!size)
		return ERR_PTR(-EINVAL);
	if (size >> PAGE_SHIFT >= totalram_pages())
		return ERR_PTR(-ENOMEM);

	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return ERR_PTR(-ENOMEM);

	kref_init(&buf->kref);
	dma_resv_init(&buf->resv);
	INIT_LIST_HEAD(&buf->exports);
	INIT_LIST_HEAD(&buf->users);
	buf->size = PAGE_ALIGN(size);
	buf->writecombine = flags & BATON_BUF_WRITECOMBINE;
	buf->name = kstrdup_const(name, GFP_KERNEL);
	if (!buf->name) {
		ret = -ENOMEM;
		goto err_free;
	}

	ret = baton_buf_file_init(buf);
	if (ret)
		goto err_free;

	buf->dev = get_device(dev);
	mutex_lock(&baton_buffers_lock);
	list_add_tail(&buf->link, &baton_buffers);
	mutex_unlock(&baton_buffers_lock);
	return buf;

err_free:
	kfree_const(buf->name);
	dma_resv_fini(&buf->resv);
	kfree(buf);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(baton_buf_create);

static void baton_buf_release(struct kref *kref)
{
	struct baton_buf *buf = container_of(kref, struct baton_buf, kref);

	mutex_lock(&baton_buffers_lock);
	list_del(&buf->link);
	mutex_unlock(&baton_buffers_lock);

	WARN_ON(!list_empty(&buf->users));
	trace_baton_buf_free(buf);
	fput(buf->file);
	baton_storage_put(buf->storage);
	put_device(buf->dev);
	kfree_const(buf->name);
	dma_resv_fini(&buf->resv);
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
 * baton_buf_withdraw() - the driver of a device goes away
 * @dev: the device
 *
 * Buffers made for @dev keep their storage until they are released. Nobody can
 * attach to them or map them for DMA any more, and user mappings fault again.
 */
void baton_buf_withdraw(struct device *dev)
{
	struct baton_buf *buf;

	mutex_lock(&baton_buffers_lock);
	list_for_each_entry(buf, &baton_buffers, link) {
		if (buf->dev != dev)
			continue;

		dma_resv_lock(&buf->resv, NULL);
		buf->withdrawn = true;
		baton_buf_zap(buf);
		dma_resv_unlock(&buf->resv);
	}
	mutex_unlock(&baton_buffers_lock);
}
EXPORT_SYMBOL_GPL(baton_buf_withdraw);

/* Give the buffer storage that suits all its users, if it has none. */
int baton_buf_populate_locked(struct baton_buf *buf)
{
	struct baton_storage *storage;

	if (buf->storage)
		return 0;

	storage = baton_place(buf);
	if (IS_ERR(storage))
		return PTR_ERR(storage);

	/* It has been zeroed by the CPU. */
	baton_storage_sync_for_device(storage, DMA_TO_DEVICE);
	buf->storage = storage;
	buf->generation++;
	trace_baton_buf_alloc(buf);
	return 0;
}

/**
 * baton_buf_populate() - allocate storage now
 * @buf: the buffer
 *
 * Return: 0, also if it has storage; -ENOMEM; or -EINTR.
 */
int baton_buf_populate(struct baton_buf *buf)
{
	int ret;

	ret = dma_resv_lock_interruptible(&buf->resv, NULL);
	if (ret)
		return ret;

	ret = baton_buf_populate_locked(buf);
	dma_resv_unlock(&buf->resv);
	return ret;
}
EXPORT_SYMBOL_GPL(baton_buf_populate);

/* The CPU gets at the storage. It is marked as mapped before: see baton_buf_fetch(). */
void baton_buf_touch(struct baton_buf *buf)
{
	buf->used = true;
	if (buf->writecombine)
		return;

	if (xchg(&buf->cpu_stale, false))
		baton_storage_sync_for_cpu(buf->storage, DMA_FROM_DEVICE);
	buf->cpu_touched = true;
}

static bool baton_buf_is_mapped(struct baton_buf *buf)
{
	return READ_ONCE(buf->faulted) || READ_ONCE(buf->vmaps);
}

/*
 * Before an engine uses the buffer: write back what the CPU left in its caches.
 * Without a CPU mapping nothing new gets there.
 */
void baton_buf_flush(struct baton_buf *buf)
{
	if (!buf->cpu_touched)
		return;

	baton_storage_sync_for_device(buf->storage, DMA_TO_DEVICE);
	buf->cpu_touched = baton_buf_is_mapped(buf);
}

/*
 * An engine has written: show it to the CPU, now or when it gets at the storage.
 * Without a mapping the lock is not taken: a move, which begins with taking the
 * mappings away, must not be waited for.
 */
void baton_buf_fetch(struct baton_buf *buf)
{
	if (buf->writecombine)
		return;

	/*
	 * Who maps it now either sees this, as the xchg() in baton_buf_touch() is
	 * ordered after the mapping was marked, or is seen below.
	 */
	WRITE_ONCE(buf->cpu_stale, true);
	smp_mb();
	if (!baton_buf_is_mapped(buf))
		return;

	dma_resv_lock(&buf->resv, NULL);
	if (xchg(&buf->cpu_stale, false))
		baton_storage_sync_for_cpu(buf->storage, DMA_FROM_DEVICE);
	dma_resv_unlock(&buf->resv);
}

/**
 * baton_buf_sync_for_device() - let engines see what the CPU wrote
 * @buf: the buffer
 * @dir: what engines will do with it
 */
void baton_buf_sync_for_device(struct baton_buf *buf, enum dma_data_direction dir)
{
	dma_resv_lock(&buf->resv, NULL);
	if (buf->storage && !buf->writecombine)
		baton_storage_sync_for_device(buf->storage, dir);
	dma_resv_unlock(&buf->resv);
}
EXPORT_SYMBOL_GPL(baton_buf_sync_for_device);

static int __init baton_buf_init(void)
{
	int ret;

	ret = baton_storage_init();
	if (ret)
		return ret;

	baton_debugfs_init();
	return 0;
}

static void __exit baton_buf_exit(void)
{
	baton_debugfs_exit();
	baton_storage_exit();
}

module_init(baton_buf_init);
module_exit(baton_buf_exit);

MODULE_DESCRIPTION("Buffers that move between the Baton engines");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);
