// SPDX-License-Identifier: GPL-2.0-or-later
/* What importers of the probe (linux/baton-probe.h) do over and over. */
#include <linux/baton-probe.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dmabuf.h"

#define USAGE_BOOKKEEP 3 /* enum dma_resv_usage */

/* DMA of a device, from map to unmap */
struct transfer {
	uint32_t mapping;
	uint32_t fence;
};

static int drop(int probe, uint32_t id)
{
	struct baton_probe_drop drop = { .id = id };

	return ioctl(probe, BATON_PROBE_IOC_DROP, &drop);
}

static int begin_transfer(int probe, uint32_t buffer, uint32_t attachment,
			  struct transfer *transfer)
{
	struct baton_probe_map map = { .attachment = attachment };
	struct baton_probe_fence_new fence = { 0 };
	struct baton_probe_fence_add add = { .buffer = buffer, .usage = USAGE_BOOKKEEP };

	if (ioctl(probe, BATON_PROBE_IOC_MAP, &map) ||
	    ioctl(probe, BATON_PROBE_IOC_FENCE_NEW, &fence))
		return -1;
	*transfer = (struct transfer){ map.id, fence.id };
	add.fence = fence.id;
	return ioctl(probe, BATON_PROBE_IOC_FENCE_ADD, &add);
}

static int end_transfer(int probe, const struct transfer *transfer)
{
	struct baton_probe_fence_signal signal = { .fence = transfer->fence };

	if (ioctl(probe, BATON_PROBE_IOC_FENCE_SIGNAL, &signal) ||
	    drop(probe, transfer->fence))
		return -1;
	return drop(probe, transfer->mapping);
}

/*
 * transfer PROBE BUFFER ATTACHMENT OVERLAP: transfers of 9 ms each until "stop", with gaps
 * of 1 ms, or each begins before the last one has ended; how many
 */
static int cmd_transfer(char **arg)
{
	uint32_t buffer = number(arg[1]), attachment = number(arg[2]);
	int probe = number(arg[0]), overlap = number(arg[3]);
	struct transfer now, next;
	unsigned int count = 1;

	if (begin_transfer(probe, buffer, attachment, &now))
		return reply_error();
	for (; !is_stopped(); count++) {
		usleep(9000);
		if (overlap && begin_transfer(probe, buffer, attachment, &next))
			return reply_error();
		if (end_transfer(probe, &now))
			return reply_error();
		if (!overlap)
			usleep(1000);
		if (!overlap && begin_transfer(probe, buffer, attachment, &next))
			return reply_error();
		now = next;
	}
	return end_transfer(probe, &now) ? reply_error() : reply_ok("%u", count);
}

/* attach COUNT PROBE BUFFER DEVICE: attach and detach, statically and dynamically in turn */
static int cmd_attach(char **arg)
{
	int probe = number(arg[1]);

	for (uint64_t i = 0; i < number(arg[0]); i++) {
		struct baton_probe_attach attach = {
			.buffer = number(arg[2]), .device = number(arg[3]),
			.flags = i % 2 ? BATON_PROBE_ATTACH_DYNAMIC : 0,
		};

		if (ioctl(probe, BATON_PROBE_IOC_ATTACH, &attach) || drop(probe, attach.id))
			return reply_error();
	}
	return reply(0);
}

const struct command probe_commands[] = {
	{ "transfer", 4, cmd_transfer }, { "attach", 4, cmd_attach },
	{ }
};
