// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton bus monitor: debugfs
 *
 * baton-monitor/
 *   masters    one line for each bus master:
 *              NAME read_bytes=N write_bytes=N reads=N writes=N errors=N
 *              vblank_frame=N vblank_time=NS vblank_insns=N
 *              counters count while a perf event does, or "count" is 1
 *   count      1: count transfers
 *   transfers  1: record transfers
 *   events     1: record frames, vblanks and marks
 *   log        what is in the ring, one line each, oldest first:
 *              seq=N time=NS interval=N kind=KIND master=NAME plane=N status=N
 *              a=0xA b=0xB c=0xC d=0xD e=0xE, as in docs/hardware/monitor.md
 *   mark       a number written here becomes an event
 */

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/kstrtox.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "baton-monitor.h"

static void baton_monitor_show_master(struct seq_file *s, struct baton_monitor *mon,
				      unsigned int master)
{
	u32 at = baton_monitor_master_reg(master, 0);
	u64 time, insns;
	u32 frame;

	seq_printf(s, "%s read_bytes=%llu write_bytes=%llu reads=%llu writes=%llu errors=%llu",
		   mon->names[master], baton_monitor_read64(mon, at + A_MASTER_READ_BYTES_LO),
		   baton_monitor_read64(mon, at + A_MASTER_WRITE_BYTES_LO),
		   baton_monitor_read64(mon, at + A_MASTER_READS_LO),
		   baton_monitor_read64(mon, at + A_MASTER_WRITES_LO),
		   baton_monitor_read64(mon, at + A_MASTER_ERRORS_LO));

	/* TIME_LO latches the others, and select_lock keeps them. */
	scoped_guard(mutex, &mon->select_lock) {
		time = baton_monitor_read64(mon, at + A_MASTER_VBLANK_TIME_LO);
		insns = baton_monitor_read64(mon, at + A_MASTER_VBLANK_INSNS_LO);
		frame = baton_monitor_read(mon, at + A_MASTER_VBLANK_FRAME);
	}
	seq_printf(s, " vblank_frame=%u vblank_time=%llu vblank_insns=%llu\n", frame, time, insns);
}

static int masters_show(struct seq_file *s, void *data)
{
	struct baton_monitor *mon = s->private;
	unsigned int i;

	for (i = 0; i < mon->num_masters; i++)
		baton_monitor_show_master(s, mon, i);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(masters);

/* The part of the ring that a reader of "log" is shown */
struct baton_monitor_log {
	struct baton_monitor *mon;
	u64 first;
	u64 end;
};

static void *baton_monitor_log_start(struct seq_file *s, loff_t *pos)
{
	struct baton_monitor_log *log = s->private;

	return *pos < log->end - log->first ? pos : NULL;
}

static void *baton_monitor_log_next(struct seq_file *s, void *v, loff_t *pos)
{
	++*pos;
	return baton_monitor_log_start(s, pos);
}

static void baton_monitor_log_stop(struct seq_file *s, void *v)
{
}

static const char *baton_monitor_kind(u32 kind)
{
	static const char * const kinds[] = {
		[BATON_MONITOR_READ] = "READ",
		[BATON_MONITOR_WRITE] = "WRITE",
		[BATON_MONITOR_FRAME_START] = "FRAME_START",
		[BATON_MONITOR_FRAME_DONE] = "FRAME_DONE",
		[BATON_MONITOR_DROP] = "DROP",
		[BATON_MONITOR_MARK] = "MARK",
		[BATON_MONITOR_VBLANK] = "VBLANK",
		[BATON_MONITOR_LATCH] = "LATCH",
	};

	return kind < ARRAY_SIZE(kinds) && kinds[kind] ? kinds[kind] : "?";
}

static int baton_monitor_log_show(struct seq_file *s, void *v)
{
	struct baton_monitor_log *log = s->private;
	struct baton_monitor *mon = log->mon;
	u64 seq = log->first + *(loff_t *)v;
	u32 type, master, reg;

	guard(mutex)(&mon->select_lock);
	baton_monitor_write(mon, A_MON_LOG_SELECT, lower_32_bits(seq));
	type = baton_monitor_read(mon, A_REC_TYPE);
	/* Replaced by a younger record since the file was opened */
	if (!FIELD_EX32(type, REC_TYPE, KIND))
		return SEQ_SKIP;

	master = FIELD_EX32(type, REC_TYPE, MASTER);
	seq_printf(s, "seq=%llu time=%llu interval=%u kind=%s master=%s plane=%u status=%u",
		   seq, baton_monitor_read64(mon, A_REC_TIME_LO),
		   baton_monitor_read(mon, A_REC_INTERVAL),
		   baton_monitor_kind(FIELD_EX32(type, REC_TYPE, KIND)),
		   master < mon->num_masters ? mon->names[master] : "-",
		   (u32)FIELD_EX32(type, REC_TYPE, PLANE), (u32)FIELD_EX32(type, REC_TYPE, STATUS));
	for (reg = A_REC_A_LO; reg <= A_REC_E_LO; reg += 8)
		seq_printf(s, " %c=0x%llx", 'a' + (reg - A_REC_A_LO) / 8,
			   baton_monitor_read64(mon, reg));
	seq_putc(s, '\n');

	return 0;
}

static const struct seq_operations baton_monitor_log_ops = {
	.start = baton_monitor_log_start,
	.next = baton_monitor_log_next,
	.stop = baton_monitor_log_stop,
	.show = baton_monitor_log_show,
};

static int baton_monitor_log_open(struct inode *inode, struct file *file)
{
	struct baton_monitor_log *log;

	log = __seq_open_private(file, &baton_monitor_log_ops, sizeof(*log));
	if (!log)
		return -ENOMEM;

	log->mon = inode->i_private;
	log->end = baton_monitor_read64(log->mon, A_MON_LOG_COUNT_LO);
	log->first = log->end - min_t(u64, log->end, log->mon->num_records);

	return 0;
}

static const struct file_operations baton_monitor_log_fops = {
	.owner = THIS_MODULE,
	.open = baton_monitor_log_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

static int mark_get(void *data, u64 *value)
{
	*value = baton_monitor_read(data, A_MON_MARK);
	return 0;
}

static int mark_set(void *data, u64 value)
{
	if (value > U32_MAX)
		return -EINVAL;

	baton_monitor_write(data, A_MON_MARK, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_monitor_mark_fops, mark_get, mark_set, "%llu\n");

static int count_get(void *data, u64 *value)
{
	struct baton_monitor *mon = data;

	*value = mon->debugfs_counts;
	return 0;
}

static int count_set(void *data, u64 value)
{
	struct baton_monitor *mon = data;
	bool on = value;

	guard(mutex)(&mon->select_lock);
	if (mon->debugfs_counts != on)
		baton_monitor_count(mon, on);
	mon->debugfs_counts = on;

	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_monitor_count_fops, count_get, count_set, "%llu\n");

static int transfers_get(void *data, u64 *value)
{
	*value = FIELD_EX32(baton_monitor_read(data, A_MON_CTRL), MON_CTRL, TRANSFERS);
	return 0;
}

static int transfers_set(void *data, u64 value)
{
	baton_monitor_update_ctrl(data, R_MON_CTRL_TRANSFERS_MASK, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_monitor_transfers_fops, transfers_get, transfers_set, "%llu\n");

static int events_get(void *data, u64 *value)
{
	*value = FIELD_EX32(baton_monitor_read(data, A_MON_CTRL), MON_CTRL, EVENTS);
	return 0;
}

static int events_set(void *data, u64 value)
{
	baton_monitor_update_ctrl(data, R_MON_CTRL_EVENTS_MASK, value);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(baton_monitor_events_fops, events_get, events_set, "%llu\n");

/**
 * baton_monitor_debugfs_register - make the debugfs directory
 * @mon: the monitor
 */
void baton_monitor_debugfs_register(struct baton_monitor *mon)
{
	struct dentry *dir = debugfs_create_dir("baton-monitor", NULL);

	debugfs_create_file("masters", 0444, dir, mon, &masters_fops);
	debugfs_create_file("log", 0444, dir, mon, &baton_monitor_log_fops);
	debugfs_create_file_unsafe("count", 0644, dir, mon, &baton_monitor_count_fops);
	debugfs_create_file_unsafe("transfers", 0644, dir, mon, &baton_monitor_transfers_fops);
	debugfs_create_file_unsafe("events", 0644, dir, mon, &baton_monitor_events_fops);
	debugfs_create_file_unsafe("mark", 0644, dir, mon, &baton_monitor_mark_fops);
	mon->debugfs = dir;
}
