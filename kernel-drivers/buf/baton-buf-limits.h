/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton buffers: what a device can address
 */
#ifndef BATON_BUF_LIMITS_H
#define BATON_BUF_LIMITS_H

#include <linux/types.h>

struct bus_dma_region;
struct device;

/* A physically contiguous piece of storage, page aligned */
struct baton_run {
	phys_addr_t start;
	size_t len;
};

/* A range of CPU addresses, @end exclusive */
struct baton_range {
	u64 start;
	u64 end;
};

#define BATON_MAX_RANGES 8

struct baton_reach {
	unsigned int count;
	struct baton_range range[BATON_MAX_RANGES];
};

/**
 * struct baton_limits - what one device needs of a buffer
 * @windows: of its bus, ended by an entry of size 0; NULL: bus = CPU address
 * @highest: last bus address it can emit
 * @boundary: mask that no segment crosses
 * @max_segment: bytes in one segment
 * @max_segments: in one buffer, 0: any number
 * @align: of the first byte's bus address, 0: any
 * @declared: @max_segments and @align come from the driver; without that a
 *	single segment is preferred
 */
struct baton_limits {
	const struct bus_dma_region *windows;
	u64 highest;
	u64 boundary;
	size_t max_segment;
	unsigned int max_segments;
	size_t align;
	bool declared;
};

int baton_limits_init(struct baton_limits *limits, struct device *dev);
size_t baton_limits_fit(const struct baton_limits *limits, phys_addr_t phys, size_t len,
			dma_addr_t *dma, const char **why);
int baton_limits_segments(const struct baton_limits *limits, const struct baton_run *runs,
			  unsigned int count, const char **why);
void baton_limits_reach(const struct baton_limits *limits, struct baton_reach *reach);
void baton_reach_intersect(struct baton_reach *reach, const struct baton_reach *other);

#endif
