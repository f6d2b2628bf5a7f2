/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM baton_buf

#if !defined(BATON_BUF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BATON_BUF_TRACE_H

#include <linux/device.h>
#include <linux/tracepoint.h>

#include "baton-buf-core.h"
#include "baton-buf-storage.h"

DECLARE_EVENT_CLASS(baton_buf,
	TP_PROTO(const struct baton_buf *buf),
	TP_ARGS(buf),
	TP_STRUCT__entry(
		__string(exporter, buf->name)
		__field(unsigned long, ino)
		__field(size_t, size)
		__field(phys_addr_t, start)
		__field(unsigned int, runs)
		__field(unsigned int, generation)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__entry->ino = file_inode(buf->file)->i_ino;
		__entry->size = buf->size;
		__entry->start = buf->storage ? buf->storage->runs[0].start : 0;
		__entry->runs = buf->storage ? buf->storage->run_count : 0;
		__entry->generation = buf->generation;
	),
	TP_printk("%s buffer=%lu bytes=%zu at=%pa pieces=%u generation=%u",
		  __get_str(exporter), __entry->ino, __entry->size, &__entry->start,
		  __entry->runs, __entry->generation)
);

DEFINE_EVENT(baton_buf, baton_buf_alloc,
	     TP_PROTO(const struct baton_buf *buf), TP_ARGS(buf));
DEFINE_EVENT(baton_buf, baton_buf_free,
	     TP_PROTO(const struct baton_buf *buf), TP_ARGS(buf));
DEFINE_EVENT(baton_buf, baton_buf_move_begin,
	     TP_PROTO(const struct baton_buf *buf), TP_ARGS(buf));

TRACE_EVENT(baton_buf_move_end,
	TP_PROTO(const struct baton_buf *buf, size_t copied, u64 ns),
	TP_ARGS(buf, copied, ns),
	TP_STRUCT__entry(
		__string(exporter, buf->name)
		__field(unsigned long, ino)
		__field(size_t, copied)
		__field(phys_addr_t, start)
		__field(unsigned int, runs)
		__field(unsigned int, generation)
		__field(u64, ns)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__entry->ino = file_inode(buf->file)->i_ino;
		__entry->copied = copied;
		__entry->start = buf->storage->runs[0].start;
		__entry->runs = buf->storage->run_count;
		__entry->generation = buf->generation;
		__entry->ns = ns;
	),
	TP_printk("%s buffer=%lu copied=%zu at=%pa pieces=%u generation=%u ns=%llu",
		  __get_str(exporter), __entry->ino, __entry->copied, &__entry->start,
		  __entry->runs, __entry->generation, __entry->ns)
);

TRACE_EVENT(baton_buf_attach,
	TP_PROTO(const struct baton_buf *buf, const struct baton_user *user),
	TP_ARGS(buf, user),
	TP_STRUCT__entry(
		__string(exporter, buf->name)
		__string(dev, dev_name(user->dev))
		__field(unsigned long, ino)
		__field(u64, highest)
		__field(u64, boundary)
		__field(size_t, max_segment)
		__field(unsigned int, max_segments)
		__field(size_t, align)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__assign_str(dev);
		__entry->ino = file_inode(buf->file)->i_ino;
		__entry->highest = user->limits.highest;
		__entry->boundary = user->limits.boundary;
		__entry->max_segment = user->limits.max_segment;
		__entry->max_segments = user->limits.max_segments;
		__entry->align = user->limits.align;
	),
	TP_printk("%s buffer=%lu dev=%s highest=%#llx boundary=%#llx max_segment=%#zx max_segments=%u align=%zu",
		  __get_str(exporter), __entry->ino, __get_str(dev), __entry->highest,
		  __entry->boundary, __entry->max_segment, __entry->max_segments,
		  __entry->align)
);

/* What all attachments and the newcomer reach: from the lowest to the highest byte */
TRACE_EVENT(baton_buf_merge,
	TP_PROTO(const struct baton_buf *buf, const struct baton_user *newcomer,
		 const struct baton_reach *reach),
	TP_ARGS(buf, newcomer, reach),
	TP_STRUCT__entry(
		__string(exporter, buf->name)
		__string(dev, dev_name(newcomer->dev))
		__field(unsigned long, ino)
		__field(unsigned int, ranges)
		__field(u64, lowest)
		__field(u64, highest)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__assign_str(dev);
		__entry->ino = file_inode(buf->file)->i_ino;
		__entry->ranges = reach->count;
		__entry->lowest = reach->range[0].start;
		__entry->highest = reach->range[reach->count - 1].end - 1;
	),
	TP_printk("%s buffer=%lu dev=%s ranges=%u lowest=%#llx highest=%#llx",
		  __get_str(exporter), __entry->ino, __get_str(dev), __entry->ranges,
		  __entry->lowest, __entry->highest)
);

TRACE_EVENT(baton_buf_refuse,
	TP_PROTO(const struct baton_buf *buf, struct device *dev, int error, const char *why),
	TP_ARGS(buf, dev, error, why),
	TP_STRUCT__entry(
		__string(exporter, buf->name)
		__string(dev, dev_name(dev))
		__string(why, why)
		__field(unsigned long, ino)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(exporter);
		__assign_str(dev);
		__assign_str(why);
		__entry->ino = file_inode(buf->file)->i_ino;
		__entry->error = error;
	),
	TP_printk("%s buffer=%lu dev=%s error=%d why=%s",
		  __get_str(exporter), __entry->ino, __get_str(dev), __entry->error,
		  __get_str(why))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE baton-buf-trace
#include <trace/define_trace.h>
