// SPDX-License-Identifier: GPL-2.0-or-later
#include <drm_fourcc.h>
#include <getopt.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

static const struct format formats[] = {
	{ "XR24", V4L2_PIX_FMT_XBGR32, DRM_FORMAT_XRGB8888, 4, false },
	{ "RG16", V4L2_PIX_FMT_RGB565, DRM_FORMAT_RGB565, 2, false },
	{ "NV12", V4L2_PIX_FMT_NV12, DRM_FORMAT_NV12, 1, true },
};

const char *const allocator_names[ALLOCATORS] = {
	[ALLOCATOR_CAMERA] = "camera",
	[ALLOCATOR_DISPLAY] = "display",
	[ALLOCATOR_HEAP] = "heap",
};

static const char help[] =
"Usage: baton-pipeline [OPTION]...\n"
"Shows a camera on a display. The buffers are shared through dma-buf: pixels are\n"
"not copied unless --copy asks for it.\n"
"\n"
"Devices:\n"
"  --camera PATH          V4L2 node; default: the first of driver baton-camera\n"
"  --card PATH            DRM node; default: the first of driver baton-display\n"
"Buffers:\n"
"  --allocator WHO        camera (VIDIOC_EXPBUF, the default), display (dumb\n"
"                         buffers, exported by PRIME) or heap (the dma-heap\n"
"                         baton)\n"
"  --attach-after N       the display attaches when the camera has filled N\n"
"                         frames, to a buffer every third frame; the buffers\n"
"                         move to where the display reaches them; default 0\n"
"  --attach-late          the display attaches to a buffer when the first frame\n"
"                         in it is to be shown; frames move on their way\n"
"  --buffers N            3 to 32; default 6\n"
"  --copy                 copy each frame with the CPU into buffers of the\n"
"                         display's own, for comparison\n"
"  --processes N          2: a second process has the camera and passes the\n"
"                         buffers as file descriptors; default 1\n"
"Picture:\n"
"  --size WxH             in pixels; default: what the camera is set to\n"
"  --format FORMAT        XR24 (default), RG16 or NV12\n"
"  --mode WxH[@HZ]        display mode; default: one of the picture's size, else\n"
"                         the preferred one with the picture in its middle\n"
"  --plane PLANE          primary (default) or overlay\n"
"  --fps N                frames per second; default: what the camera is set to\n"
"  --pattern[=N]          test pattern N of the camera's menu, 0 is off;\n"
"                         --pattern alone is 1\n"
"  --free-running         frames as fast as buffers are free, on a display with\n"
"                         variable refresh\n"
"Run:\n"
"  --frames N             end after N frames, not counting those before the\n"
"                         display attached; 0, the default: on SIGINT\n"
"  --hold                 keep the last of N frames on the screen until SIGINT\n"
"  --timeout SECONDS      fail when no frame comes for so long; default 10,\n"
"                         0 waits for ever\n"
"  --hash                 have both engines hash what they transfer, and report\n"
"                         hashes and addresses of each frame (needs debugfs)\n"
"  --json FILE            write a report; - is standard output\n"
"  --help\n"
"\n"
"Exit status: 0 when the frames were shown, also after SIGINT or SIGTERM; 1 on\n"
"failure; 2 for a wrong option.\n";

enum {
	OPT_CAMERA = 1, OPT_CARD, OPT_ALLOCATOR, OPT_ATTACH_AFTER, OPT_ATTACH_LATE,
	OPT_BUFFERS, OPT_COPY, OPT_PROCESSES, OPT_SIZE, OPT_FORMAT, OPT_MODE, OPT_PLANE, OPT_FPS,
	OPT_PATTERN, OPT_FREE_RUNNING, OPT_FRAMES, OPT_TIMEOUT, OPT_HASH,
	OPT_JSON, OPT_HOLD, OPT_HELP,
};

static const struct option long_options[] = {
	{ "camera", required_argument, NULL, OPT_CAMERA },
	{ "card", required_argument, NULL, OPT_CARD },
	{ "allocator", required_argument, NULL, OPT_ALLOCATOR },
	{ "attach-after", required_argument, NULL, OPT_ATTACH_AFTER },
	{ "attach-late", no_argument, NULL, OPT_ATTACH_LATE },
	{ "buffers", required_argument, NULL, OPT_BUFFERS },
	{ "copy", no_argument, NULL, OPT_COPY },
	{ "processes", required_argument, NULL, OPT_PROCESSES },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "plane", required_argument, NULL, OPT_PLANE },
	{ "fps", required_argument, NULL, OPT_FPS },
	{ "pattern", optional_argument, NULL, OPT_PATTERN },
	{ "free-running", no_argument, NULL, OPT_FREE_RUNNING },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "hash", no_argument, NULL, OPT_HASH },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "hold", no_argument, NULL, OPT_HOLD },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

static void usage(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "baton-pipeline: --%s %s: must be %s\n", option, value, wanted);
	exit(EXIT_USAGE);
}

static unsigned int parse_number(const char *option, const char *text,
				 unsigned int min, unsigned int max)
{
	char wanted[64], *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < min || value > max) {
		snprintf(wanted, sizeof(wanted), "a number from %u to %u", min, max);
		usage(option, text, wanted);
	}
	return value;
}

static const struct format *parse_format(const char *text)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(text, formats[i].name))
			return &formats[i];
	usage("format", text, "XR24, RG16 or NV12");
	return NULL;
}

static enum allocator parse_allocator(const char *text)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(allocator_names); i++)
		if (!strcmp(text, allocator_names[i]))
			return i;
	usage("allocator", text, "camera, display or heap");
	return 0;
}

static bool parse_overlay(const char *text)
{
	if (strcmp(text, "primary") && strcmp(text, "overlay"))
		usage("plane", text, "primary or overlay");
	return !strcmp(text, "overlay");
}

static void parse_size(const char *option, const char *text, unsigned int *width,
		       unsigned int *height, double *hz)
{
	const char *wanted = hz ? "WIDTHxHEIGHT or WIDTHxHEIGHT@HZ" : "WIDTHxHEIGHT";
	int end = 0;

	if (sscanf(text, "%5ux%5u%n", width, height, &end) < 2 || !*width || !*height)
		usage(option, text, wanted);
	if (hz && text[end] == '@') {
		char *rest;

		*hz = strtod(text + end + 1, &rest);
		if (*rest || *hz < 1 || *hz > 1000)
			usage(option, text, wanted);
	} else if (text[end]) {
		usage(option, text, wanted);
	}
}

static double parse_fps(const char *text)
{
	char *end;
	double fps = strtod(text, &end);

	if (*end || !(fps >= 0.01 && fps <= 1000))
		usage("fps", text, "a number from 0.01 to 1000");
	return fps;
}

static void parse_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case OPT_CAMERA:
		o->camera = value;
		break;
	case OPT_CARD:
		o->card = value;
		break;
	case OPT_ALLOCATOR:
		o->allocator = parse_allocator(value);
		break;
	case OPT_ATTACH_AFTER:
		o->attach_after = parse_number("attach-after", value, 0, 100000000);
		break;
	case OPT_ATTACH_LATE:
		o->attach_late = true;
		break;
	case OPT_BUFFERS:
		o->buffers = parse_number("buffers", value, 3, MAX_BUFFERS);
		break;
	case OPT_COPY:
		o->copy = true;
		break;
	case OPT_PROCESSES:
		o->processes = parse_number("processes", value, 1, 2);
		break;
	case OPT_SIZE:
		parse_size("size", value, &o->width, &o->height, NULL);
		break;
	case OPT_FORMAT:
		o->format = parse_format(value);
		break;
	case OPT_MODE:
		parse_size("mode", value, &o->mode_width, &o->mode_height, &o->mode_hz);
		break;
	case OPT_PLANE:
		o->overlay = parse_overlay(value);
		break;
	case OPT_FPS:
		o->fps = parse_fps(value);
		break;
	case OPT_PATTERN:
		o->pattern = value ? parse_number("pattern", value, 0, 255) : 1;
		break;
	case OPT_FREE_RUNNING:
		o->free_running = true;
		break;
	case OPT_FRAMES:
		o->frames = parse_number("frames", value, 0, 100000000);
		break;
	case OPT_TIMEOUT:
		o->timeout = parse_number("timeout", value, 0, 86400);
		break;
	case OPT_HASH:
		o->hash = true;
		break;
	case OPT_HOLD:
		o->hold = true;
		break;
	case OPT_JSON:
		o->json = value;
		break;
	case OPT_HELP:
		fputs(help, stdout);
		exit(0);
	default:	/* getopt has said what is wrong */
		fputs("Try 'baton-pipeline --help'.\n", stderr);
		exit(EXIT_USAGE);
	}
}

static void usage_conflict(const char *message)
{
	fprintf(stderr, "baton-pipeline: %s\n", message);
	exit(EXIT_USAGE);
}

static void check_options(const struct options *options)
{
	if (options->copy && options->allocator != ALLOCATOR_CAMERA)
		usage_conflict("--copy copies from the camera's buffers; leave out "
			       "--allocator");
	if (options->attach_after && options->attach_late)
		usage_conflict("--attach-after and --attach-late exclude each other");
	if ((options->attach_after || options->attach_late) &&
	    (options->copy || options->allocator == ALLOCATOR_DISPLAY))
		usage_conflict("--attach-after and --attach-late are for buffers of the camera or "
			       "the heap that are shared; leave out --copy and --allocator display");
}

void options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.format = &formats[0],
		.processes = 1,
		.buffers = 6,
		.pattern = -1,
		.timeout = 10,
	};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		parse_option(options, option, optarg);
	if (optind < argc) {
		fprintf(stderr, "baton-pipeline: unexpected argument '%s'\n", argv[optind]);
		exit(EXIT_USAGE);
	}
	check_options(options);
}
