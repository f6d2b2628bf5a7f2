// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton bus monitor: perf PMU "baton_monitor"
 *
 * Each event is a free-running counter of one master, so that any number of
 * them can be counted at the same time, system-wide and without sampling:
 *
 *	config:0-7	0 bytes read, 1 bytes written, 2 and 3 transactions read and
 *			written, 4 transactions that were not answered
 *	config:8-15	number of the master
 */

#include <linux/cpuhotplug.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "baton-monitor.h"

#define BATON_MONITOR_EVENT_MASK	GENMASK_ULL(7, 0)
#define BATON_MONITOR_MASTER_MASK	GENMASK_ULL(15, 8)

static const struct {
	const char *name;
	u32 reg;
} baton_monitor_counters[BATON_MONITOR_EVENTS] = {
	{ "read_bytes", A_MASTER_READ_BYTES_LO },
	{ "write_bytes", A_MASTER_WRITE_BYTES_LO },
	{ "reads", A_MASTER_READS_LO },
	{ "writes", A_MASTER_WRITES_LO },
	{ "errors", A_MASTER_ERRORS_LO },
};

static enum cpuhp_state baton_monitor_cpuhp_state;

static struct baton_monitor *to_baton_monitor(struct pmu *pmu)
{
	return container_of(pmu, struct baton_monitor, pmu);
}

PMU_FORMAT_ATTR(event, "config:0-7");
PMU_FORMAT_ATTR(master, "config:8-15");

static struct attribute *baton_monitor_format_attrs[] = {
	&format_attr_event.attr,
	&format_attr_master.attr,
	NULL
};

static const struct attribute_group baton_monitor_format_group = {
	.name = "format",
	.attrs = baton_monitor_format_attrs,
};

static ssize_t cpumask_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct baton_monitor *mon = to_baton_monitor(dev_get_drvdata(dev));

	return cpumap_print_to_pagebuf(true, buf, cpumask_of(mon->cpu));
}
static DEVICE_ATTR_RO(cpumask);

static struct attribute *baton_monitor_cpumask_attrs[] = {
	&dev_attr_cpumask.attr,
	NULL
};

static const struct attribute_group baton_monitor_cpumask_group = {
	.attrs = baton_monitor_cpumask_attrs,
};

static ssize_t baton_monitor_event_show(struct device *dev, struct device_attribute *attr,
					char *page)
{
	struct perf_pmu_events_attr *event = container_of(attr, struct perf_pmu_events_attr, attr);

	return sysfs_emit(page, "event=0x%02llx,master=0x%02llx\n",
			  FIELD_GET(BATON_MONITOR_EVENT_MASK, event->id),
			  FIELD_GET(BATON_MONITOR_MASTER_MASK, event->id));
}

static int baton_monitor_add_attr(struct baton_monitor *mon, unsigned int master,
				  unsigned int counter)
{
	unsigned int index = master * BATON_MONITOR_EVENTS + counter;
	struct perf_pmu_events_attr *event = &mon->events[index];
	char *name;

	name = devm_kasprintf(mon->dev, GFP_KERNEL, "%s_%s", mon->names[master],
			      baton_monitor_counters[counter].name);
	if (!name)
		return -ENOMEM;

	sysfs_attr_init(&event->attr.attr);
	event->attr.attr.name = name;
	event->attr.attr.mode = 0444;
	event->attr.show = baton_monitor_event_show;
	event->id = FIELD_PREP(BATON_MONITOR_EVENT_MASK, counter) |
		    FIELD_PREP(BATON_MONITOR_MASTER_MASK, master);
	mon->event_attrs[index] = &event->attr.attr;

	return 0;
}

static int baton_monitor_make_groups(struct baton_monitor *mon)
{
	unsigned int i;
	int ret;

	for (i = 0; i < mon->num_masters * BATON_MONITOR_EVENTS; i++) {
		ret = baton_monitor_add_attr(mon, i / BATON_MONITOR_EVENTS,
					     i % BATON_MONITOR_EVENTS);
		if (ret)
			return ret;
	}
	mon->events_group.name = "events";
	mon->events_group.attrs = mon->event_attrs;
	mon->groups[0] = &mon->events_group;
	mon->groups[1] = &baton_monitor_format_group;
	mon->groups[2] = &baton_monitor_cpumask_group;

	return 0;
}

static int baton_monitor_event_init(struct perf_event *event)
{
	struct baton_monitor *mon = to_baton_monitor(event->pmu);
	u64 counter = FIELD_GET(BATON_MONITOR_EVENT_MASK, event->attr.config);
	u64 master = FIELD_GET(BATON_MONITOR_MASTER_MASK, event->attr.config);
	struct perf_event *sibling;

	if (event->attr.type != event->pmu->type)
		return -ENOENT;

	/* The traffic of the bus belongs to no task and cannot interrupt. */
	if (is_sampling_event(event) || event->attach_state & PERF_ATTACH_TASK)
		return -EOPNOTSUPP;
	if (event->cpu < 0)
		return -EINVAL;

	if (event->attr.config & ~(BATON_MONITOR_EVENT_MASK | BATON_MONITOR_MASTER_MASK) ||
	    counter >= BATON_MONITOR_EVENTS || master >= mon->num_masters)
		return -EINVAL;

	if (event->group_leader->pmu != event->pmu && !is_software_event(event->group_leader))
		return -EINVAL;
	for_each_sibling_event(sibling, event->group_leader) {
		if (sibling->pmu != event->pmu && !is_software_event(sibling))
			return -EINVAL;
	}

	event->cpu = mon->cpu;
	event->hw.config_base = baton_monitor_master_reg(master,
							 baton_monitor_counters[counter].reg);

	return 0;
}

static void baton_monitor_event_update(struct perf_event *event)
{
	struct baton_monitor *mon = to_baton_monitor(event->pmu);
	u64 prev, now;

	do {
		prev = local64_read(&event->hw.prev_count);
		now = baton_monitor_read64(mon, event->hw.config_base);
	} while (local64_cmpxchg(&event->hw.prev_count, prev, now) != prev);

	local64_add(now - prev, &event->count);
}

static void baton_monitor_event_start(struct perf_event *event, int flags)
{
	struct baton_monitor *mon = to_baton_monitor(event->pmu);

	local64_set(&event->hw.prev_count, baton_monitor_read64(mon, event->hw.config_base));
	event->hw.state = 0;
}

static void baton_monitor_event_stop(struct perf_event *event, int flags)
{
	if (event->hw.state & PERF_HES_STOPPED)
		return;

	baton_monitor_event_update(event);
	event->hw.state |= PERF_HES_STOPPED | PERF_HES_UPTODATE;
}

static int baton_monitor_event_add(struct perf_event *event, int flags)
{
	struct baton_monitor *mon = to_baton_monitor(event->pmu);

	baton_monitor_count(mon, true);
	event->hw.state = PERF_HES_STOPPED | PERF_HES_UPTODATE;
	if (flags & PERF_EF_START)
		baton_monitor_event_start(event, flags);

	return 0;
}

static void baton_monitor_event_del(struct perf_event *event, int flags)
{
	baton_monitor_event_stop(event, PERF_EF_UPDATE);
	baton_monitor_count(to_baton_monitor(event->pmu), false);
}

static int baton_monitor_cpu_offline(unsigned int cpu, struct hlist_node *node)
{
	struct baton_monitor *mon = hlist_entry_safe(node, struct baton_monitor, node);
	unsigned int target;

	if (cpu != mon->cpu)
		return 0;

	target = cpumask_any_but(cpu_online_mask, cpu);
	if (target >= nr_cpu_ids)
		return 0;

	perf_pmu_migrate_context(&mon->pmu, cpu, target);
	mon->cpu = target;

	return 0;
}

/**
 * baton_monitor_pmu_register - offer the counters to perf
 * @mon: the monitor
 */
int baton_monitor_pmu_register(struct baton_monitor *mon)
{
	int ret;

	ret = baton_monitor_make_groups(mon);
	if (ret)
		return ret;

	mon->pmu = (struct pmu) {
		.module = THIS_MODULE,
		.parent = mon->dev,
		.task_ctx_nr = perf_invalid_context,
		.capabilities = PERF_PMU_CAP_NO_INTERRUPT | PERF_PMU_CAP_NO_EXCLUDE,
		.attr_groups = mon->groups,
		.event_init = baton_monitor_event_init,
		.add = baton_monitor_event_add,
		.del = baton_monitor_event_del,
		.start = baton_monitor_event_start,
		.stop = baton_monitor_event_stop,
		.read = baton_monitor_event_update,
	};
	mon->cpu = raw_smp_processor_id();

	ret = cpuhp_state_add_instance_nocalls(baton_monitor_cpuhp_state, &mon->node);
	if (ret)
		return dev_err_probe(mon->dev, ret, "cannot follow the CPUs\n");

	ret = perf_pmu_register(&mon->pmu, "baton_monitor", -1);
	if (ret) {
		cpuhp_state_remove_instance_nocalls(baton_monitor_cpuhp_state, &mon->node);
		return dev_err_probe(mon->dev, ret, "cannot register with perf\n");
	}

	return 0;
}

/**
 * baton_monitor_pmu_unregister - undo baton_monitor_pmu_register()
 * @mon: the monitor
 */
void baton_monitor_pmu_unregister(struct baton_monitor *mon)
{
	perf_pmu_unregister(&mon->pmu);
	cpuhp_state_remove_instance_nocalls(baton_monitor_cpuhp_state, &mon->node);
}

/**
 * baton_monitor_pmu_init - what all monitors share
 */
int baton_monitor_pmu_init(void)
{
	int ret;

	ret = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "perf/baton/monitor:online", NULL,
				      baton_monitor_cpu_offline);
	if (ret < 0)
		return ret;

	baton_monitor_cpuhp_state = ret;
	return 0;
}

/**
 * baton_monitor_pmu_exit - undo baton_monitor_pmu_init()
 */
void baton_monitor_pmu_exit(void)
{
	cpuhp_remove_multi_state(baton_monitor_cpuhp_state);
}
