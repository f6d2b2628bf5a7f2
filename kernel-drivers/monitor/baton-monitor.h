/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton bus monitor
 */
#ifndef BATON_MONITOR_H
#define BATON_MONITOR_H

#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/perf_event.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "baton-registerfields.h"
#include "baton-monitor-regs.h"

#define BATON_MONITOR_NAME_SIZE 16
#define BATON_MONITOR_EVENTS 5		/* per master */

/**
 * struct baton_monitor - a bus monitor
 * @dev: the platform device
 * @regs: its registers
 * @lock: for MON_CTRL, the pairs of registers and @counting
 * @counting: how many want the counters to count
 * @select_lock: for the record of MON_LOG_SELECT, the block of VBLANK registers
 *	and @debugfs_counts
 * @debugfs_counts: debugfs wants them to count
 * @num_masters: masters that it watches
 * @num_records: size of its ring
 * @names: of the masters
 * @debugfs: its directory
 * @pmu: its counters
 * @cpu: which takes care of its perf events
 * @node: in the list of the hotplug state
 * @events: what it can count, for sysfs
 * @event_attrs: the attributes of @events
 * @events_group: @event_attrs as a directory
 * @groups: the directories of @pmu
 */
struct baton_monitor {
	struct device *dev;
	void __iomem *regs;
	raw_spinlock_t lock;
	unsigned int counting;
	struct mutex select_lock;	/* see above */
	bool debugfs_counts;
	unsigned int num_masters;
	unsigned int num_records;
	char names[BATON_MONITOR_MASTERS][BATON_MONITOR_NAME_SIZE + 1];
	struct dentry *debugfs;
	struct pmu pmu;
	unsigned int cpu;
	struct hlist_node node;
	struct perf_pmu_events_attr events[BATON_MONITOR_MASTERS * BATON_MONITOR_EVENTS];
	struct attribute *event_attrs[BATON_MONITOR_MASTERS * BATON_MONITOR_EVENTS + 1];
	struct attribute_group events_group;
	const struct attribute_group *groups[4];
};

static inline u32 baton_monitor_read(struct baton_monitor *mon, u32 reg)
{
	return readl(mon->regs + reg);
}

static inline void baton_monitor_write(struct baton_monitor *mon, u32 reg, u32 value)
{
	writel(value, mon->regs + reg);
}

static inline u32 baton_monitor_master_reg(unsigned int master, u32 reg)
{
	return BATON_MONITOR_MASTER_BASE + master * BATON_MONITOR_MASTER_STRIDE + reg;
}

u64 baton_monitor_read64(struct baton_monitor *mon, u32 reg_lo);
void baton_monitor_update_ctrl(struct baton_monitor *mon, u32 bits, bool on);
void baton_monitor_count(struct baton_monitor *mon, bool on);

int baton_monitor_pmu_init(void);
void baton_monitor_pmu_exit(void);
int baton_monitor_pmu_register(struct baton_monitor *mon);
void baton_monitor_pmu_unregister(struct baton_monitor *mon);

void baton_monitor_debugfs_register(struct baton_monitor *mon);

#endif
