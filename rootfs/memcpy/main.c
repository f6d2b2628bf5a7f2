// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * baton-memcpy [MIB [ROUNDS]]: how fast this CPU copies memory, as JSON. The
 * yardstick for pipelines, which in theory read and write each byte once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1024ul * 1024)

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static unsigned long argument(int argc, char **argv, int index, unsigned long value,
			      unsigned long max)
{
	char *end;

	if (index < argc) {
		value = strtoul(argv[index], &end, 10);
		if (*end || !value || value > max) {
			fputs("usage: baton-memcpy [MIB [ROUNDS]], up to 256 and 1000\n", stderr);
			exit(2);
		}
	}
	return value;
}

int main(int argc, char **argv)
{
	size_t size = argument(argc, argv, 1, 8, 256) * MIB;
	unsigned long rounds = argument(argc, argv, 2, 15, 1000);
	char *from = malloc(size), *to = malloc(size);
	double *rates = calloc(rounds, sizeof(*rates));

	if (!from || !to || !rates) {
		fprintf(stderr, "baton-memcpy: out of memory\n");
		return 1;
	}
	/* Touch all pages first. */
	memset(from, 1, size);
	memset(to, 2, size);
	for (unsigned long i = 0; i < rounds; i++) {
		double start = seconds();

		memcpy(to, from, size);
		rates[i] = size / 1e6 / (seconds() - start);
		/* Use the result, so that no copy can be left out. */
		from[i % size] = to[(i * 4096) % size] + 1;
	}
	qsort(rates, rounds, sizeof(*rates), compare);
	printf("{\"bytes\": %zu, \"rounds\": %lu, \"median_mb_per_s\": %.1f, "
	       "\"min_mb_per_s\": %.1f, \"max_mb_per_s\": %.1f}\n", size, rounds,
	       rates[rounds / 2], rates[0], rates[rounds - 1]);
	return 0;
}
