// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counts events of a PMU (commands.h).
 * usage: perf PMU      a name in /sys/bus/event_source/devices
 */
#include <linux/perf_event.h>

#include "commands.h"

static uint32_t pmu_type;

static int event_open(uint64_t config, int cpu, int pid, uint64_t period)
{
	struct perf_event_attr attr = {
		.type = pmu_type, .size = sizeof(attr), .config = config,
		.sample_period = period,
	};

	return syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* open CONFIG CPU [PID [PERIOD]]: fd; it counts at once */
static int cmd_open(char **arg)
{
	int pid = arg[2] ? (int)number(arg[2]) : -1;
	uint64_t period = arg[2] && arg[3] ? number(arg[3]) : 0;
	int fd = event_open(number(arg[0]), (int)number(arg[1]), pid, period);

	return fd < 0 ? reply_error() : reply_ok("%d", fd);
}

/* count FD: value */
static int cmd_count(char **arg)
{
	uint64_t value;

	if (read(number(arg[0]), &value, sizeof(value)) != sizeof(value))
		return reply_error();
	return reply_ok("%llu", (unsigned long long)value);
}

static const struct command commands[] = {
	{ "open", 2, cmd_open }, { "count", 1, cmd_count },
};

static int find_pmu(const char *name)
{
	char path[128];
	FILE *file;
	int found;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	found = fscanf(file, "%u", &pmu_type);
	fclose(file);
	return found == 1 ? 0 : -1;
}

int main(int argc, char **argv)
{
	return run_commands(commands, ARRAY_SIZE(commands), argc > 1 ? find_pmu(argv[1]) : -1);
}
