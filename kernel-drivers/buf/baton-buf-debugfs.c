// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: /sys/kernel/debug/baton-buf/buffers
 *
 * A line for each buffer, then one for each attachment, one for what all of
 * them reach, and one for each of the first pieces of its storage, as key=value
 * pairs.
 */

#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "baton-buf-core.h"
#include "baton-buf-storage.h"

#define BATON_SHOWN_RUNS 4

static struct dentry *baton_debugfs;

static void baton_show_reach(struct seq_file *s, const struct baton_reach *reach)
{
	unsigned int i;

	seq_puts(s, " reach=");
	for (i = 0; i < reach->count; i++)
		seq_printf(s, "%s%#llx-%#llx", i ? "," : "", reach->range[i].start,
			   reach->range[i].end - 1);
	seq_putc(s, '\n');
}

static void baton_show_user(struct seq_file *s, struct baton_user *user)
{
	const struct baton_limits *limits = &user->limits;
	struct baton_reach reach;

	seq_printf(s, "  attachment dev=%s maps=%zu pins=%u max_segments=%u align=%zu max_segment=%#zx boundary=%#llx highest=%#llx",
		   dev_name(user->dev), list_count_nodes(&user->maps), user->pins,
		   limits->max_segments, limits->align, limits->max_segment, limits->boundary,
		   limits->highest);
	baton_limits_reach(limits, &reach);
	baton_show_reach(s, &reach);
}

static void baton_show_common(struct seq_file *s, struct baton_buf *buf)
{
	struct baton_reach common, reach;
	struct baton_user *user;

	user = list_first_entry(&buf->users, struct baton_user, link);
	baton_limits_reach(&user->limits, &common);
	list_for_each_entry_continue(user, &buf->users, link) {
		baton_limits_reach(&user->limits, &reach);
		baton_reach_intersect(&common, &reach);
	}
	seq_puts(s, "  common");
	baton_show_reach(s, &common);
}

static void baton_show_storage(struct seq_file *s, struct baton_storage *storage)
{
	unsigned int i;

	for (i = 0; i < min(storage->run_count, BATON_SHOWN_RUNS); i++)
		seq_printf(s, "  piece start=%pa bytes=%zu\n", &storage->runs[i].start,
			   storage->runs[i].len);
}

static int baton_show_buffer(struct seq_file *s, struct baton_buf *buf)
{
	struct baton_user *user;
	size_t maps = 0;
	int ret;

	ret = dma_resv_lock_interruptible(&buf->resv, NULL);
	if (ret)
		return ret;

	list_for_each_entry(user, &buf->users, link)
		maps += list_count_nodes(&user->maps);
	seq_printf(s, "buffer=%llu exporter=%s dev=%s bytes=%zu storage=%s pieces=%u generation=%u exports=%zu attachments=%zu maps=%zu pins=%u vmaps=%u vmas=%u\n",
		   (u64)file_inode(buf->file)->i_ino, buf->name,
		   !buf->dev ? "none" : buf->withdrawn ? "gone" : dev_name(buf->dev), buf->size,
		   !buf->storage ? "none" : buf->storage->pool ? "pool" : "pages",
		   buf->storage ? buf->storage->run_count : 0, buf->generation,
		   list_count_nodes(&buf->exports), list_count_nodes(&buf->users), maps,
		   buf->pins, buf->vmaps, buf->vmas);
	list_for_each_entry(user, &buf->users, link)
		baton_show_user(s, user);
	if (!list_empty(&buf->users))
		baton_show_common(s, buf);
	if (buf->storage)
		baton_show_storage(s, buf->storage);
	dma_resv_unlock(&buf->resv);
	return 0;
}

static int baton_buffers_show(struct seq_file *s, void *unused)
{
	struct baton_buf *buf;
	int ret;

	ret = mutex_lock_interruptible(&baton_buffers_lock);
	if (ret)
		return ret;

	list_for_each_entry(buf, &baton_buffers, link) {
		ret = baton_show_buffer(s, buf);
		if (ret)
			break;
	}
	mutex_unlock(&baton_buffers_lock);
	return ret;
}
DEFINE_SHOW_ATTRIBUTE(baton_buffers);

void baton_debugfs_init(void)
{
	baton_debugfs = debugfs_create_dir("baton-buf", NULL);
	debugfs_create_file("buffers", 0400, baton_debugfs, NULL, &baton_buffers_fops);
}

void baton_debugfs_exit(void)
{
	debugfs_remove_recursive(baton_debugfs);
}
