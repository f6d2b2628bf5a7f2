// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: admitting an importer, and moving for it
 *
 * All of a move happens under the buffer's dma_resv except for the wait for
 * fences, which happens in attach only and with the lock dropped: whatever
 * signals them may need it. After the wait everything is looked at again.
 */

#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>

#include "baton-buf.h"
#include "baton-buf-core.h"
#include "baton-buf-storage.h"
#include "baton-buf-trace.h"

static uint baton_wait_ms = 2000;
module_param_named(wait_ms, baton_wait_ms, uint, 0644);
MODULE_PARM_DESC(wait_ms, "longest wait of an attach or QBUF for DMA to end, in ms");

/* In jiffies. */
unsigned long baton_buf_wait_limit(void)
{
	return msecs_to_jiffies(baton_wait_ms);
}

/* One line that names both devices and the limit in conflict. */
static int baton_refuse(struct baton_buf *buf, struct baton_user *user, int error,
			const char *limit, const char *obstacle, const struct baton_user *other)
{
	dev_warn_ratelimited(user->dev,
			     "%s buffer of %zu bytes refused: not within the %s of this device, and %s%s\n",
			     buf->name, buf->size, limit, obstacle,
			     other ? dev_name(other->dev) : "");
	trace_baton_buf_refuse(buf, user->dev, error, limit);
	return error;
}

static int baton_refuse_withdrawn(struct baton_buf *buf, struct baton_user *user)
{
	dev_warn_ratelimited(user->dev, "%s buffer of %zu bytes refused: %s has no driver any more\n",
			     buf->name, buf->size, dev_name(buf->dev));
	trace_baton_buf_refuse(buf, user->dev, -ENODEV, "exporter");
	return -ENODEV;
}

/* Importers drop their mappings and publish fences for what they cannot stop. */
static void baton_notify(struct baton_buf *buf)
{
	struct baton_export *export;

	list_for_each_entry(export, &buf->exports, link)
		dma_buf_move_notify(export->dmabuf);
}

static bool baton_idle(struct baton_buf *buf)
{
	return dma_resv_test_signaled(&buf->resv, DMA_RESV_USAGE_BOOKKEEP);
}

static void baton_move(struct baton_buf *buf, struct baton_storage *storage)
{
	struct baton_storage *old = buf->storage;
	u64 start = ktime_get_ns();

	trace_baton_buf_move_begin(buf);
	baton_buf_zap(buf);
	/* Without DMA, what the CPU has in its caches is right and need not leave them. */
	if (old->mapped)
		baton_buf_flush(buf);
	if (buf->used)
		baton_storage_copy(storage, old);
	else
		baton_storage_sync_for_device(storage, DMA_TO_DEVICE);
	buf->storage = storage;
	buf->generation++;
	buf->cpu_stale = false;
	buf->cpu_touched = false;
	baton_storage_put(old);
	trace_baton_buf_move_end(buf, buf->used ? buf->size : 0, ktime_get_ns() - start);
}

/*
 * Move to @next.  Return 0, or -EAGAIN to try again after the buffer's fences
 * have signalled.
 */
static int baton_try_move(struct baton_buf *buf, struct baton_storage *next)
{
	baton_notify(buf);
	if (!baton_idle(buf))
		return -EAGAIN;

	baton_move(buf, next);
	return 0;
}

/* An importer without a declaration works better with one piece: no must. */
static void baton_try_gather(struct baton_buf *buf, struct baton_user *user)
{
	struct baton_storage *next;

	if (user->limits.declared || buf->storage->run_count == 1 || buf->pins || buf->vmaps ||
	    !baton_idle(buf))
		return;

	next = baton_place_in_pools(buf);
	if (next && baton_try_move(buf, next))
		baton_storage_put(next);
}

/* Storage chosen before a wait may not suit who attached during it. */
static int baton_choose(struct baton_buf *buf, struct baton_storage **next)
{
	if (*next && baton_suits_all(buf, *next))
		return 0;

	baton_storage_put(*next);
	*next = baton_place(buf);
	if (IS_ERR(*next)) {
		int ret = PTR_ERR(*next);

		*next = NULL;
		return ret;
	}
	return 0;
}

static const struct baton_user *baton_find_pin(struct baton_buf *buf)
{
	const struct baton_user *user;

	list_for_each_entry(user, &buf->users, link)
		if (user->pins)
			return user;
	return NULL;
}

/* The storage does not suit @user, which is among the users. */
static int baton_try_move_for(struct baton_buf *buf, struct baton_user *user, const char *limit,
			      struct baton_storage **next)
{
	int ret;

	if (buf->pins)
		return baton_refuse(buf, user, -EBUSY, limit, "pinned by ", baton_find_pin(buf));
	if (buf->vmaps)
		return baton_refuse(buf, user, -EBUSY, limit, "mapped by the kernel", NULL);

	ret = baton_choose(buf, next);
	if (ret)
		return baton_refuse(buf, user, ret, limit, "no memory that suits all is free",
				    NULL);

	ret = baton_try_move(buf, *next);
	if (!ret)
		*next = NULL;
	return ret;
}

static int baton_try_admit(struct baton_buf *buf, struct baton_user *user,
			   struct baton_storage **next)
{
	const struct baton_user *other;
	const char *limit = "reach";
	int ret = 0;

	if (buf->withdrawn)
		return baton_refuse_withdrawn(buf, user);

	other = baton_find_conflict(buf, user);
	if (other == user)
		return baton_refuse(buf, user, -EBUSY, limit, "too little memory is", NULL);
	if (other)
		return baton_refuse(buf, user, -EBUSY, limit, "no memory is shared with ", other);

	list_add_tail(&user->link, &buf->users);
	if (buf->storage && !baton_storage_suits(buf->storage, user, &limit))
		ret = baton_try_move_for(buf, user, limit, next);
	else if (buf->storage)
		baton_try_gather(buf, user);
	if (ret)
		list_del(&user->link);
	else
		trace_baton_buf_attach(buf, user);
	return ret;
}

static int baton_wait_idle(struct baton_buf *buf, struct baton_user *user,
			   unsigned long deadline)
{
	long left = deadline - jiffies;

	if (left > 0)
		left = dma_resv_wait_timeout(&buf->resv, DMA_RESV_USAGE_BOOKKEEP, true, left);
	if (left > 0)
		return 0;
	if (left == -ERESTARTSYS)
		return left;
	return baton_refuse(buf, user, -EBUSY, "limits", "DMA into it did not end in time", NULL);
}

/*
 * Take @user among the buffer's users, moving the storage if it cannot use it
 * where it is.  Return 0; -EBUSY if that is impossible or took too long,
 * -ENOMEM, -EINTR or -ERESTARTSYS, with nothing changed.
 */
int baton_buf_admit(struct baton_buf *buf, struct baton_user *user)
{
	unsigned long deadline = jiffies + baton_buf_wait_limit();
	struct baton_storage *next = NULL;
	int ret;

	for (;;) {
		ret = dma_resv_lock_interruptible(&buf->resv, NULL);
		if (ret)
			break;

		ret = baton_try_admit(buf, user, &next);
		dma_resv_unlock(&buf->resv);
		if (ret != -EAGAIN)
			break;

		ret = baton_wait_idle(buf, user, deadline);
		if (ret)
			break;
	}

	baton_storage_put(next);
	return ret;
}
