// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton buffers: KUnit tests of the limits
 *
 * What the core computes is compared with a search that looks at one small
 * piece of memory after the other. Windows and buffers are generated; each seed
 * always gives the same ones.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/prandom.h>

#include "baton-buf.h"
#include "baton-buf-limits.h"

/* Limits lie at multiples of this, so also within pages. */
#define UNIT SZ_1K
#define UNITS_PER_PAGE (PAGE_SIZE / UNIT)
/* Memory begins at 0 and has as many pages. */
#define PAGES 48
#define UNITS (PAGES * UNITS_PER_PAGE)
/* Three devices' have at most BATON_MAX_RANGES intersections. */
#define MAX_WINDOWS 3
#define MAX_RUNS 4
#define ROUNDS 2000

/* A device, and a buffer that it might use */
struct generated {
	struct bus_dma_region windows[MAX_WINDOWS + 1];
	struct baton_limits limits;
	struct baton_run runs[MAX_RUNS];
	unsigned int run_count;
};

static const unsigned int seeds[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void seed_to_desc(const unsigned int *seed, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", *seed);
}

KUNIT_ARRAY_PARAM(seed, seeds, seed_to_desc);

static struct rnd_state start_random(struct kunit *test)
{
	const unsigned int *seed = test->param_value;
	struct rnd_state random;

	prandom_seed_state(&random, *seed);
	return random;
}

static u32 below(struct rnd_state *random, u32 end)
{
	return prandom_u32_state(random) % end;
}

/* In ascending order, with gaps or without, at unrelated bus addresses */
static void generate_windows(struct rnd_state *random, struct bus_dma_region *window,
			     unsigned int count)
{
	u64 unit = 0;

	for (; count; count--, window++) {
		unit += below(random, 3) ? below(random, 12) : 0;
		window->cpu_start = unit * UNIT;
		window->dma_start = (u64)below(random, UNITS) * UNIT;
		window->size = (1 + below(random, UNITS)) * UNIT;
		unit += window->size / UNIT;
	}
	window->size = 0;
}

static void generate_limits(struct rnd_state *random, struct generated *g)
{
	generate_windows(random, g->windows, 1 + below(random, MAX_WINDOWS));
	g->limits = (struct baton_limits) {
		.windows = below(random, 8) ? g->windows : NULL,
		.highest = below(random, 2) ? U64_MAX : (1 + below(random, 2 * UNITS)) * UNIT - 1,
		.boundary = below(random, 2) ? U64_MAX : (PAGE_SIZE << below(random, 5)) - 1,
		.max_segment = PAGE_SIZE * (below(random, 2) ? PAGES : 1 + below(random, 4)),
		.max_segments = below(random, 2) ? 0 : 1 + below(random, 6),
		.align = below(random, 2) ? 0 : UNIT << below(random, 5),
	};
}

static void generate_runs(struct rnd_state *random, struct generated *g)
{
	u32 page = 0;

	g->run_count = 0;
	while (g->run_count < MAX_RUNS) {
		u32 pages = 1 + below(random, 10);

		page += below(random, 6);
		if (page + pages > PAGES)
			break;
		g->runs[g->run_count++] = (struct baton_run) {
			page * PAGE_SIZE, pages * PAGE_SIZE
		};
		page += pages;
	}
}

/* The window with the unit at @phys, and its bus address */
static int search_window(const struct baton_limits *limits, u64 phys, u64 *bus)
{
	int i;

	*bus = phys;
	if (!limits->windows)
		return 0;

	for (i = 0; limits->windows[i].size; i++) {
		const struct bus_dma_region *window = &limits->windows[i];

		*bus = window->dma_start + (phys - window->cpu_start);
		if (phys >= window->cpu_start && phys < window->cpu_start + window->size)
			return i;
	}
	return -1;
}

static bool unit_is_reachable(const struct baton_limits *limits, u64 phys)
{
	u64 bus;

	return search_window(limits, phys, &bus) >= 0 && bus + UNIT - 1 <= limits->highest;
}

/* Can the bytes from @phys on be one segment? */
static bool is_segment(const struct baton_limits *limits, u64 phys, size_t len)
{
	u64 at, bus, first_bus;
	int window = search_window(limits, phys, &first_bus);

	for (at = phys; at < phys + len; at += UNIT) {
		if (!unit_is_reachable(limits, at) || search_window(limits, at, &bus) != window)
			return false;
		if ((first_bus ^ bus) & ~limits->boundary)
			return false;
	}
	return len <= limits->max_segment;
}

static void fit_is_the_longest_segment(struct kunit *test)
{
	struct rnd_state random = start_random(test);
	struct generated g;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		u64 phys = below(&random, PAGES) * PAGE_SIZE;
		size_t len = (1 + below(&random, 12)) * PAGE_SIZE;
		const char *why = NULL;
		size_t longest = len;
		dma_addr_t dma;
		u64 bus;
		size_t fit;

		generate_limits(&random, &g);
		while (longest && !is_segment(&g.limits, phys, longest))
			longest -= PAGE_SIZE;

		fit = baton_limits_fit(&g.limits, phys, len, &dma, &why);
		KUNIT_ASSERT_EQ_MSG(test, fit, longest, "round %u", round);
		if (fit < len)
			KUNIT_ASSERT_NOT_NULL(test, why);
		if (fit) {
			search_window(&g.limits, phys, &bus);
			KUNIT_ASSERT_EQ(test, dma, bus);
		}
	}
}

/* The least number of segments that make a run, by trying all; 0 if it cannot be */
static unsigned int search_segments(const struct baton_limits *limits,
				    const struct baton_run *run)
{
	unsigned int least[PAGES + 1] = { };
	unsigned int pages = run->len >> PAGE_SHIFT;
	unsigned int end, start;

	for (end = 1; end <= pages; end++) {
		for (start = 0; start < end; start++) {
			if (start && !least[start])
				continue;
			if (!is_segment(limits, run->start + start * PAGE_SIZE,
					(end - start) * PAGE_SIZE))
				continue;
			if (!least[end] || least[start] + 1 < least[end])
				least[end] = least[start] + 1;
		}
	}
	return least[pages];
}

static int search_all_segments(const struct generated *g)
{
	unsigned int total = 0;
	unsigned int i;
	u64 bus;

	for (i = 0; i < g->run_count; i++) {
		unsigned int segments = search_segments(&g->limits, &g->runs[i]);

		if (!segments)
			return -EBUSY;
		total += segments;
	}

	search_window(&g->limits, g->runs[0].start, &bus);
	if (g->limits.align && bus % g->limits.align)
		return -EBUSY;
	if (g->limits.max_segments && total > g->limits.max_segments)
		return -EBUSY;
	return total;
}

static void segments_are_the_fewest(struct kunit *test)
{
	struct rnd_state random = start_random(test);
	unsigned int usable = 0;
	struct generated g;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		const char *why = NULL;
		int segments;

		generate_limits(&random, &g);
		generate_runs(&random, &g);
		segments = baton_limits_segments(&g.limits, g.runs, g.run_count, &why);
		KUNIT_ASSERT_EQ_MSG(test, segments, search_all_segments(&g), "round %u", round);
		if (segments < 0)
			KUNIT_ASSERT_NOT_NULL(test, why);
		else
			usable++;
	}
	/* Both outcomes are common. */
	KUNIT_EXPECT_GT(test, usable, ROUNDS / 20);
	KUNIT_EXPECT_LT(test, usable, ROUNDS - ROUNDS / 20);
}

static bool reach_has(const struct baton_reach *reach, u64 phys)
{
	unsigned int i;

	for (i = 0; i < reach->count; i++)
		if (phys >= reach->range[i].start && phys < reach->range[i].end)
			return true;
	return false;
}

static void reach_is_what_can_be_addressed(struct kunit *test)
{
	struct rnd_state random = start_random(test);
	struct baton_reach reach;
	struct generated g;
	unsigned int round;
	u64 at;

	for (round = 0; round < ROUNDS / 10; round++) {
		generate_limits(&random, &g);
		baton_limits_reach(&g.limits, &reach);
		for (at = 0; at < UNITS * UNIT; at += UNIT)
			KUNIT_ASSERT_EQ_MSG(test, reach_has(&reach, at),
					    unit_is_reachable(&g.limits, at),
					    "round %u address %#llx", round, at);
	}
}

static void intersection_is_what_all_can_address(struct kunit *test)
{
	struct rnd_state random = start_random(test);
	struct baton_reach common, reach;
	struct generated g[3];
	unsigned int round, i;
	u64 at;

	for (round = 0; round < ROUNDS / 10; round++) {
		for (i = 0; i < ARRAY_SIZE(g); i++) {
			generate_limits(&random, &g[i]);
			baton_limits_reach(&g[i].limits, &reach);
			if (i)
				baton_reach_intersect(&common, &reach);
			else
				common = reach;
		}
		for (at = 0; at < UNITS * UNIT; at += UNIT)
			KUNIT_ASSERT_EQ_MSG(test, reach_has(&common, at),
					    unit_is_reachable(&g[0].limits, at) &&
					    unit_is_reachable(&g[1].limits, at) &&
					    unit_is_reachable(&g[2].limits, at),
					    "round %u address %#llx", round, at);
	}
}

/* More windows than there is room for may be missed, but none is made up. */
static void reach_with_many_windows_is_not_exceeded(struct kunit *test)
{
	struct bus_dma_region windows[2 * BATON_MAX_RANGES + 1] = { };
	struct baton_limits limits = { .windows = windows, .highest = U64_MAX };
	struct baton_reach reach;
	unsigned int i;

	for (i = 0; i < 2 * BATON_MAX_RANGES; i++)
		windows[i] = (struct bus_dma_region) {
			.cpu_start = 2 * i * PAGE_SIZE, .size = PAGE_SIZE,
		};

	baton_limits_reach(&limits, &reach);
	KUNIT_EXPECT_EQ(test, reach.count, BATON_MAX_RANGES);
	for (i = 0; i < 4 * BATON_MAX_RANGES; i++)
		KUNIT_EXPECT_TRUE(test, !reach_has(&reach, i * PAGE_SIZE) || i % 2 == 0);
}

/* A segment must not begin in one window and end in the next, past a hole. */
static void no_segment_spans_a_hole(struct kunit *test)
{
	const struct bus_dma_region windows[] = {
		{ .cpu_start = 0, .dma_start = 0, .size = 2 * PAGE_SIZE },
		{ .cpu_start = 3 * PAGE_SIZE, .dma_start = 3 * PAGE_SIZE, .size = 2 * PAGE_SIZE },
		{ }
	};
	const struct baton_limits limits = {
		.windows = windows, .highest = U64_MAX, .boundary = U64_MAX, .max_segment = SZ_1G,
	};
	const struct baton_run across = { 0, 5 * PAGE_SIZE };
	const struct baton_run within = { 3 * PAGE_SIZE, 2 * PAGE_SIZE };
	const char *why;

	KUNIT_EXPECT_EQ(test, baton_limits_segments(&limits, &across, 1, &why), -EBUSY);
	KUNIT_EXPECT_STREQ(test, why, "DMA window");
	KUNIT_EXPECT_EQ(test, baton_limits_segments(&limits, &within, 1, &why), 1);
}

static void limits_come_from_the_device(struct kunit *test)
{
	const struct baton_buf_needs needs = { .max_segments = 3, .align = 256 };
	struct device_dma_parameters parms = { };
	struct baton_limits limits;
	struct device *dev;

	dev = kunit_device_register(test, "importer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dev->dma_mask = NULL;
	KUNIT_EXPECT_EQ(test, baton_limits_init(&limits, dev), -EINVAL);

	dev->coherent_dma_mask = DMA_BIT_MASK(36);
	dev->dma_mask = &dev->coherent_dma_mask;
	dev->bus_dma_limit = DMA_BIT_MASK(33);
	dev->dma_parms = &parms;
	KUNIT_ASSERT_EQ(test, baton_limits_init(&limits, dev), 0);
	KUNIT_EXPECT_EQ(test, limits.highest, DMA_BIT_MASK(33));
	KUNIT_EXPECT_EQ(test, limits.max_segment, SZ_64K);
	KUNIT_EXPECT_EQ(test, limits.boundary, ULONG_MAX);
	KUNIT_EXPECT_FALSE(test, limits.declared);

	dma_set_max_seg_size(dev, SZ_1M);
	dma_set_seg_boundary(dev, SZ_4M - 1);
	dev->bus_dma_limit = 0;
	KUNIT_ASSERT_EQ(test, devm_baton_buf_declare(dev, &needs), 0);
	KUNIT_ASSERT_EQ(test, baton_limits_init(&limits, dev), 0);
	KUNIT_EXPECT_EQ(test, limits.highest, DMA_BIT_MASK(36));
	KUNIT_EXPECT_EQ(test, limits.max_segment, SZ_1M);
	KUNIT_EXPECT_EQ(test, limits.boundary, SZ_4M - 1);
	KUNIT_EXPECT_TRUE(test, limits.declared);
	KUNIT_EXPECT_EQ(test, limits.max_segments, 3);
	KUNIT_EXPECT_EQ(test, limits.align, 256);
	dev->dma_parms = NULL;
}

static struct kunit_case baton_limits_cases[] = {
	KUNIT_CASE_PARAM(fit_is_the_longest_segment, seed_gen_params),
	KUNIT_CASE_PARAM(segments_are_the_fewest, seed_gen_params),
	KUNIT_CASE_PARAM(reach_is_what_can_be_addressed, seed_gen_params),
	KUNIT_CASE_PARAM(intersection_is_what_all_can_address, seed_gen_params),
	KUNIT_CASE(reach_with_many_windows_is_not_exceeded),
	KUNIT_CASE(no_segment_spans_a_hole),
	KUNIT_CASE(limits_come_from_the_device),
	{}
};

static struct kunit_suite baton_limits_suite = {
	.name = "baton-buf-limits",
	.test_cases = baton_limits_cases,
};
kunit_test_suite(baton_limits_suite);

MODULE_DESCRIPTION("KUnit tests of the limits of Baton buffers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING);
