// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: where a buffer may be
 *
 * The candidates are few: single pages from all memory, the contiguous pool of
 * each device that has one, single pages from low memory. The first one that
 * suits everybody attached is taken.
 */

#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/ioport.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "baton-buf.h"
#include "baton-buf-core.h"
#include "baton-buf-storage.h"
#include "baton-buf-trace.h"

/* A device with a pool of contiguous memory */
struct baton_pool {
	struct list_head link;
	struct device *dev;
};

static LIST_HEAD(baton_pools);
static DEFINE_MUTEX(baton_pools_lock); /* innermost but for the allocator's */

/**
 * baton_buf_add_pool() - make a device's contiguous memory available for buffers
 * @dev: the device, with its memory-region assigned if it has one; without, the
 *	default CMA area is meant
 *
 * Storage taken from the pool can outlive the driver and is given back through
 * @dev, to which it holds a reference.
 *
 * Return: 0 or -ENOMEM.
 */
int baton_buf_add_pool(struct device *dev)
{
	struct baton_pool *pool;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return -ENOMEM;

	pool->dev = get_device(dev);
	mutex_lock(&baton_pools_lock);
	list_add_tail(&pool->link, &baton_pools);
	mutex_unlock(&baton_pools_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(baton_buf_add_pool);

/**
 * baton_buf_remove_pool() - undo baton_buf_add_pool()
 * @dev: the device
 */
void baton_buf_remove_pool(struct device *dev)
{
	struct baton_pool *pool, *next;

	mutex_lock(&baton_pools_lock);
	list_for_each_entry_safe(pool, next, &baton_pools, link) {
		if (pool->dev == dev) {
			list_del(&pool->link);
			put_device(pool->dev);
			kfree(pool);
		}
	}
	mutex_unlock(&baton_pools_lock);
}
EXPORT_SYMBOL_GPL(baton_buf_remove_pool);

/* Whether @user can use @storage as it is; if not, @why names the limit. */
bool baton_storage_suits(const struct baton_storage *storage, const struct baton_user *user,
			 const char **why)
{
	return baton_limits_segments(&user->limits, storage->runs, storage->run_count, why) > 0;
}

bool baton_suits_all(struct baton_buf *buf, const struct baton_storage *storage)
{
	const struct baton_user *user;
	const char *why;

	list_for_each_entry(user, &buf->users, link)
		if (!baton_storage_suits(storage, user, &why))
			return false;
	return true;
}

static struct baton_storage *baton_keep_if_suits(struct baton_buf *buf,
						 struct baton_storage *storage)
{
	if (!storage)
		return NULL;
	if (baton_suits_all(buf, storage) && (buf->writecombine || !baton_shadow_add(storage)))
		return storage;

	baton_storage_put(storage);
	return NULL;
}

/* One piece, from whichever pool suits all users.  Return NULL if none has it. */
struct baton_storage *baton_place_in_pools(struct baton_buf *buf)
{
	struct baton_storage *storage = NULL;
	struct baton_pool *pool;

	mutex_lock(&baton_pools_lock);
	list_for_each_entry(pool, &baton_pools, link) {
		storage = baton_keep_if_suits(buf, baton_storage_alloc_pool(pool->dev, buf->size));
		if (storage)
			break;
	}
	mutex_unlock(&baton_pools_lock);
	return storage;
}

/* Nobody attached: anywhere will do, and the first importer may move it. */
static bool baton_wants_one_piece(struct baton_buf *buf)
{
	const struct baton_user *user;

	list_for_each_entry(user, &buf->users, link)
		if (user->limits.max_segments == 1 || !user->limits.declared)
			return true;
	return false;
}

static bool baton_needs_one_piece(struct baton_buf *buf)
{
	const struct baton_user *user;

	list_for_each_entry(user, &buf->users, link)
		if (user->limits.max_segments == 1)
			return true;
	return false;
}

/*
 * Allocate storage that suits all users of @buf.  Return it, or ERR_PTR(-ENOMEM).
 */
struct baton_storage *baton_place(struct baton_buf *buf)
{
	struct baton_storage *storage = NULL;

	if (!baton_wants_one_piece(buf))
		storage = baton_keep_if_suits(buf, baton_storage_alloc_pages(buf->size, 0));
	if (!storage)
		storage = baton_place_in_pools(buf);
	/* Pages that happen to be neighbours are not worth a search */
	if (!storage && baton_needs_one_piece(buf))
		return ERR_PTR(-ENOMEM);
	if (!storage)
		storage = baton_keep_if_suits(buf, baton_storage_alloc_pages(buf->size, 0));
	if (!storage)
		storage = baton_keep_if_suits(buf, baton_storage_alloc_pages(buf->size, GFP_DMA));

	return storage ?: ERR_PTR(-ENOMEM);
}

/* Memory that all the users and @newcomer reach is at least as large as @buf. */
static bool baton_reach_suffices(struct baton_buf *buf, const struct baton_reach *reach)
{
	u64 size = 0;
	unsigned int i;

	for (i = 0; i < reach->count; i++) {
		const struct baton_range *range = &reach->range[i];

		if (region_intersects(range->start, range->end - range->start,
				      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) != REGION_DISJOINT)
			size += range->end - range->start;
	}
	return size >= buf->size;
}

/*
 * Find a user whose memory and @newcomer's have too little in common, looking at
 * addresses only; @newcomer itself if it reaches too little.  Return NULL if
 * there is none.
 */
const struct baton_user *baton_find_conflict(struct baton_buf *buf,
					     const struct baton_user *newcomer)
{
	struct baton_reach reach, other;
	struct baton_user *user;

	baton_limits_reach(&newcomer->limits, &reach);
	if (!baton_reach_suffices(buf, &reach))
		return newcomer;

	list_for_each_entry(user, &buf->users, link) {
		baton_limits_reach(&user->limits, &other);
		baton_reach_intersect(&reach, &other);
		if (!baton_reach_suffices(buf, &reach))
			return user;
	}
	trace_baton_buf_merge(buf, newcomer, &reach);
	return NULL;
}
