// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pipeline.h"

void report_add(struct report *report, const struct frame *frame)
{
	uint32_t expected = 0;

	if (report->count % 256 == 0) {
		report->records = realloc(report->records, (report->count + 256) *
					  sizeof(*report->records));
		if (!report->records)
			fail("out of memory");
	}
	if (report->count)
		expected = report->records[report->count - 1].frame.sequence + 1;
	report->missed += frame->sequence - expected;
	report->errors += !!(frame->flags & V4L2_BUF_FLAG_ERROR);
	report->records[report->count++] = (struct record){ .frame = *frame };
}

void report_shown(struct report *report, unsigned int record, const struct flip *flip)
{
	if (!report->shown)
		report->first_frame_boot_ns = now_ns(CLOCK_BOOTTIME);
	report->shown++;
	report->end_ns = flip->time_ns;
	report->records[record].shown = true;
	report->records[record].flip = *flip;
}

static void write_string(FILE *out, const char *text)
{
	if (!text) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', out);
		if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", *text);
		else
			putc(*text, out);
	}
	putc('"', out);
}

/* A hash or an address; as a string, for JSON's numbers have 53 bits. */
static void write_hex(FILE *out, const char *name, uint64_t value)
{
	if (value)
		fprintf(out, ", \"%s\": \"0x%016llx\"", name, (unsigned long long)value);
	else
		fprintf(out, ", \"%s\": null", name);
}

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void write_options(FILE *out, const struct options *options,
			  const struct display *display)
{
	const struct image *image = &display->image;

	fputs("\"pipeline\": {\n  \"camera\": ", out);
	write_string(out, options->camera);
	fputs(", \"card\": ", out);
	write_string(out, options->card);
	fprintf(out, ",\n  \"allocator\": \"%s\", \"attach_after\": %u, \"attach_late\": %s, "
		"\"copy\": %s, ", allocator_names[options->allocator], options->attach_after,
		boolean(options->attach_late), boolean(options->copy));
	fprintf(out, "\"processes\": %u, \"buffers\": %u,\n", options->processes,
		options->buffers);
	fprintf(out, "  \"format\": \"%s\", \"width\": %u, \"height\": %u, \"plane\": \"%s\",\n",
		options->format->name, image->width, image->height,
		options->overlay ? "overlay" : "primary");
	fprintf(out, "  \"mode\": {\"width\": %u, \"height\": %u, \"hz\": %.3f, \"vrr\": %s},\n",
		display->mode.hdisplay, display->mode.vdisplay,
		mode_hz(&display->mode), boolean(display->vrr));
	fprintf(out, "  \"frames\": %u, \"free_running\": %s, \"hash\": %s\n},\n",
		options->frames, boolean(options->free_running), boolean(options->hash));
}

static void write_place(FILE *out, const struct record *record, unsigned int planes)
{
	fprintf(out, "{\"sequence\": %u, \"cpu_addresses\": [", record->frame.sequence);
	for (unsigned int i = 0; i < planes; i++)
		fprintf(out, "%s\"0x%016llx\"", i ? ", " : "",
			(unsigned long long)record->camera[i].address);
	fputs("], \"pieces\": [", out);
	for (unsigned int i = 0; i < planes; i++)
		fprintf(out, "%s%u", i ? ", " : "", record->camera[i].count);
	fputs("]}", out);
}

/* All places to which the camera wrote frames of this buffer, in order. */
static void write_places(FILE *out, const struct report *report, unsigned int buffer,
			 unsigned int planes)
{
	uint64_t last = 0;

	fputs(", \"places\": [", out);
	for (unsigned int i = 0; i < report->count; i++) {
		const struct record *record = &report->records[i];
		uint64_t address = record->camera[0].address;

		if (record->frame.buffer != buffer || !address || address == last)
			continue;
		if (last)
			fputs(", ", out);
		write_place(out, record, planes);
		last = address;
	}
	fputs("]}", out);
}

static void write_buffers(FILE *out, const struct report *report,
			  const struct options *options, const struct image *image)
{
	bool has_chroma = options->format->has_chroma;
	uint32_t plane_size = image->pitch * image->height;

	fputs("\"buffers\": [", out);
	for (unsigned int i = 0; i < options->buffers; i++) {
		fprintf(out, "%s\n  {\"index\": %u, \"pitch\": %u, \"plane_sizes\": [%u",
			i ? "," : "", i, image->pitch, plane_size);
		if (has_chroma)
			fprintf(out, ", %u", plane_size / 2);
		putc(']', out);
		write_places(out, report, i, has_chroma ? 2 : 1);
	}
	fputs("\n],\n", out);
}

static void write_frame(FILE *out, const struct record *record)
{
	const struct frame *frame = &record->frame;

	fprintf(out, "{\"sequence\": %u, \"timestamp_ns\": %llu, \"buffer\": %u, \"flags\": %u, "
		"\"error\": %s, ", frame->sequence, (unsigned long long)frame->timestamp_ns,
		frame->buffer, frame->flags, boolean(frame->flags & V4L2_BUF_FLAG_ERROR));
	if (record->shown)
		fprintf(out, "\"shown_frame\": %u, \"flip_ns\": %llu", record->flip.frame,
			(unsigned long long)record->flip.time_ns);
	else
		fputs("\"shown_frame\": null, \"flip_ns\": null", out);
	write_hex(out, "camera_hash", record->camera_hash);
	write_hex(out, "display_hash", record->display_hash);
	write_hex(out, "camera_address", record->camera[0].address);
	write_hex(out, "display_address", record->display_address);
	putc('}', out);
}

static void write_frames(FILE *out, const struct report *report)
{
	fputs("\"frames\": [", out);
	for (unsigned int i = 0; i < report->count; i++) {
		fputs(i ? ",\n  " : "\n  ", out);
		write_frame(out, &report->records[i]);
	}
	fputs("\n],\n", out);
}

static uint64_t elapsed_ns(const struct report *report)
{
	return report->shown ? report->end_ns - report->start_ns : 0;
}

static double frames_per_second(const struct report *report)
{
	uint64_t elapsed = elapsed_ns(report);

	return elapsed ? report->shown * 1e9 / elapsed : 0;
}

static void write_summary(FILE *out, const struct report *report)
{
	fprintf(out, "\"summary\": {\n  \"captured\": %u, \"before_attach\": %u, \"shown\": %u, "
		"\"dropped\": %u, \"dropped_by_camera\": %u, \"dropped_by_pipeline\": %u, "
		"\"errors\": %u,\n", report->count, report->early, report->shown,
		report->missed + report->replaced, report->missed, report->replaced,
		report->errors);
	if (report->underruns < 0)
		fputs("  \"underruns\": null,", out);
	else
		fprintf(out, "  \"underruns\": %ld,", report->underruns);
	fprintf(out, " \"elapsed_ns\": %llu, \"fps\": %.3f, \"first_frame_boot_ns\": %llu\n}\n",
		(unsigned long long)elapsed_ns(report), frames_per_second(report),
		(unsigned long long)report->first_frame_boot_ns);
}

static int write_json(const struct report *report, const struct options *options,
		      const struct display *display)
{
	bool standard = !strcmp(options->json, "-");
	FILE *out = standard ? stdout : fopen(options->json, "we");
	int error = 0;

	if (!out) {
		complain("%s: %s", options->json, strerror(errno));
		return -1;
	}
	fputs("{\n", out);
	write_options(out, options, display);
	write_buffers(out, report, options, &display->image);
	write_frames(out, report);
	write_summary(out, report);
	fputs("}\n", out);
	if (fflush(out) || ferror(out)) {
		complain("%s: writing the report: %s", options->json, strerror(errno));
		error = -1;
	}
	if (!standard)
		fclose(out);
	return error;
}

int report_write(const struct report *report, const struct options *options,
		 const struct display *display)
{
	fprintf(stderr, "baton-pipeline: %u frames captured, %u shown, %u dropped by the camera, "
		"%u by the pipeline, %u with errors, %.1f frames/s\n", report->count,
		report->shown, report->missed, report->replaced, report->errors,
		frames_per_second(report));
	return options->json ? write_json(report, options, display) : 0;
}
