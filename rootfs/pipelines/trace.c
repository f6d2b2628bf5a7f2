// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the drivers recorded of each frame: lines of NAME=VALUE in the file
 * "frames" of their debugfs directories. Other drivers have no such file; then
 * the report has no hashes and addresses.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pipeline.h"

#define DEBUGFS "/sys/kernel/debug"

static FILE *open_file(const char *directory, const char *name, const char *mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return fopen(path, mode);
}

/* Reads the first line; returns false if there is no such file. */
static bool read_line(const char *directory, const char *name, char *line, int size)
{
	FILE *file = open_file(directory, name, "re");
	bool read = file && fgets(line, size, file);

	if (file)
		fclose(file);
	if (read)
		line[strcspn(line, "\n")] = '\0';
	return read;
}

/* Finds " name=" in a line; returns what follows, or NULL. */
static const char *find_value(const char *line, const char *name)
{
	size_t length = strlen(name);

	while (line) {
		if (!strncmp(line, name, length) && line[length] == '=')
			return line + length + 1;
		line = strchr(line, ' ');
		if (line)
			line++;
	}
	return NULL;
}

static uint64_t find_number(const char *line, const char *name)
{
	const char *value = find_value(line, name);

	return value ? strtoull(value, NULL, 0) : 0;
}

static bool has_frames(const char *directory)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/frames", directory);
	return !access(path, R_OK);
}

static void find_camera(struct trace *trace, const char *node)
{
	char directory[64], name[32];
	struct stat status;

	if (stat(node, &status))
		return;
	snprintf(directory, sizeof(directory), "/sys/dev/char/%u:%u",
		 major(status.st_rdev), minor(status.st_rdev));
	if (!read_line(directory, "name", name, sizeof(name)))
		return;
	snprintf(trace->camera, sizeof(trace->camera), DEBUGFS "/%s", name);
	if (!has_frames(trace->camera))
		trace->camera[0] = '\0';
}

static void find_display(struct trace *trace, int card_fd)
{
	struct stat status;

	if (fstat(card_fd, &status))
		return;
	snprintf(trace->display, sizeof(trace->display), DEBUGFS "/dri/%u",
		 minor(status.st_rdev));
	if (!has_frames(trace->display))
		trace->display[0] = '\0';
}

/* Switches hashing; returns whether it was on. */
static bool set_hash(const char *directory, bool on)
{
	char before[8] = "";
	FILE *file;

	if (!directory[0])
		return false;
	read_line(directory, "hash", before, sizeof(before));
	file = open_file(directory, "hash", "we");
	if (file) {
		fprintf(file, "%d\n", on);
		fclose(file);
	}
	return before[0] == '1' || before[0] == 'Y';
}

static long read_underruns(const struct trace *trace)
{
	char line[256];

	if (!trace->display[0] ||
	    !read_line(trace->display, "counters", line, sizeof(line)))
		return -1;
	return find_number(line, "underruns");
}

void trace_open(struct trace *trace, const struct options *options, int card_fd)
{
	*trace = (struct trace){ .enabled = options->hash, .overlay = options->overlay };
	find_camera(trace, options->camera ? options->camera : camera_find());
	find_display(trace, card_fd);
	trace->underruns = read_underruns(trace);
	if (!trace->enabled)
		return;
	if (!trace->camera[0] || !trace->display[0])
		complain("no hashes and addresses from %s: its driver has no debugfs file "
			 "'frames', or debugfs is not mounted",
			 trace->camera[0] ? "the display" : "the camera");
	trace->camera_hash = set_hash(trace->camera, true);
	trace->display_hash = set_hash(trace->display, true);
}

/* Sequence numbers start at 0 with each stream: the time tells them apart. */
static struct record *find_captured(struct report *report, const char *line)
{
	uint32_t sequence = find_number(line, "seq");
	uint64_t time_us = find_number(line, "time") / 1000;

	for (unsigned int i = report->count; i-- > 0;) {
		struct record *record = &report->records[i];

		if (record->frame.sequence == sequence)
			return record->frame.timestamp_ns / 1000 == time_us ? record : NULL;
	}
	return NULL;
}

/* "addr=ADDRESS,PIECES" comes once for each plane. */
static void read_camera_line(struct report *report, const char *line)
{
	struct record *record = find_captured(report, line);
	const char *address = find_value(line, "addr");

	if (!record)
		return;
	record->camera_hash = find_number(line, "hash");
	for (unsigned int i = 0; address && i < ARRAY_SIZE(record->camera); i++) {
		char *end;

		record->camera[i].address = strtoull(address, &end, 0);
		record->camera[i].count = *end == ',' ? strtoul(end + 1, NULL, 10) : 1;
		address = find_value(end, "addr");
	}
}

static struct record *find_shown(struct report *report, const char *line)
{
	uint32_t frame = find_number(line, "frame");

	for (unsigned int i = report->count; i-- > 0;) {
		struct record *record = &report->records[i];

		if (record->shown && record->flip.frame == frame)
			return record;
	}
	return NULL;
}

/* A plane is written as ADDRESS:HASH. */
static void read_display_line(struct report *report, const char *line, bool overlay)
{
	const char *plane = find_value(line, overlay ? "p1" : "p0");
	const char *hash = plane ? strchr(plane, ':') : NULL;
	struct record *record = hash ? find_shown(report, line) : NULL;

	if (!record)
		return;
	record->display_address = strtoull(plane, NULL, 0);
	record->display_hash = strtoull(hash + 1, NULL, 0);
}

void trace_read(struct trace *trace, struct report *report)
{
	FILE *camera, *display;
	char line[512];

	if (!trace->enabled)
		return;
	camera = trace->camera[0] ? open_file(trace->camera, "frames", "re") : NULL;
	while (camera && fgets(line, sizeof(line), camera))
		read_camera_line(report, line);
	if (camera)
		fclose(camera);
	display = trace->display[0] ? open_file(trace->display, "frames", "re") : NULL;
	while (display && fgets(line, sizeof(line), display))
		read_display_line(report, line, trace->overlay);
	if (display)
		fclose(display);
}

void trace_close(struct trace *trace, struct report *report)
{
	long underruns = read_underruns(trace);

	report->underruns = underruns < 0 ? -1 : underruns - trace->underruns;
	trace_read(trace, report);
	if (trace->enabled && !trace->camera_hash)
		set_hash(trace->camera, false);
	if (trace->enabled && !trace->display_hash)
		set_hash(trace->display, false);
}
