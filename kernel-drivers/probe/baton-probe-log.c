// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: the log of operations
 */

#include <linux/err.h>
#include <linux/kfifo.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

#include "baton-probe.h"

#define PROBE_LOG_EVENTS 1024

struct probe_log {
	struct kref kref;
	spinlock_t lock; /* events, lost */
	DECLARE_KFIFO(events, struct baton_probe_event, PROBE_LOG_EVENTS);
	bool lost;
};

struct probe_log *probe_log_new(void)
{
	struct probe_log *log = kzalloc(sizeof(*log), GFP_KERNEL);

	if (!log)
		return NULL;

	kref_init(&log->kref);
	spin_lock_init(&log->lock);
	INIT_KFIFO(log->events);
	return log;
}

struct probe_log *probe_log_get(struct probe_log *log)
{
	kref_get(&log->kref);
	return log;
}

static void probe_log_release(struct kref *kref)
{
	kfree(container_of(kref, struct probe_log, kref));
}

void probe_log_put(struct probe_log *log)
{
	kref_put(&log->kref, probe_log_release);
}

void probe_log_add(struct probe_log *log, const struct baton_probe_event *event)
{
	spin_lock(&log->lock);
	log->lost |= !kfifo_put(&log->events, *event);
	spin_unlock(&log->lock);
}

/* Return 1, 0 if there is no event, or -EOVERFLOW. */
static int probe_log_take(struct probe_log *log, struct baton_probe_event *event)
{
	int ret;

	spin_lock(&log->lock);
	ret = log->lost ? -EOVERFLOW : kfifo_get(&log->events, event);
	log->lost = false;
	spin_unlock(&log->lock);
	return ret;
}

ssize_t probe_log_read(struct probe_log *log, char __user *data, size_t size)
{
	struct baton_probe_event event;
	size_t done = 0;

	while (size - done >= sizeof(event)) {
		int ret = probe_log_take(log, &event);

		if (ret < 0)
			return ret;
		if (!ret)
			break;
		if (copy_to_user(data + done, &event, sizeof(event)))
			return -EFAULT;
		done += sizeof(event);
	}
	return done;
}
