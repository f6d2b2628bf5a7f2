/* SPDX-License-Identifier: GPL-2.0-or-later */
/* baton-pipeline: shows a camera on a display, without a copy. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <xf86drmMode.h>

#define MAX_BUFFERS 32
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { EXIT_USAGE = 2 };

/* Prints "baton-pipeline: ..." and ends the program with status 1. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Prints "baton-pipeline: ..."; the caller then stops in an orderly way. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* ioctl() that goes on after a signal. */
int xioctl(int fd, unsigned long request, void *argument);
uint64_t now_ns(clockid_t clock);

/*
 * options.c
 */
struct format {
	const char *name;
	uint32_t v4l2;
	uint32_t drm;
	unsigned int cpp;		/* bytes per pixel of the first plane */
	bool has_chroma;		/* a CbCr plane of half the height follows */
};

enum allocator { ALLOCATOR_CAMERA, ALLOCATOR_DISPLAY, ALLOCATOR_HEAP, ALLOCATORS };

extern const char *const allocator_names[ALLOCATORS];

struct options {
	const char *camera;		/* NULL: the first of our driver */
	const char *card;		/* NULL: the first of our driver */
	const struct format *format;
	enum allocator allocator;
	unsigned int attach_after;	/* frames of the camera */
	bool attach_late;		/* to a buffer when it is first shown */
	bool copy;
	unsigned int processes;
	unsigned int frames;		/* 0: until a signal */
	unsigned int buffers;
	unsigned int width, height;	/* 0: what the camera is set to */
	unsigned int mode_width, mode_height;	/* 0: the picture's, or preferred */
	double mode_hz;			/* 0: any */
	double fps;			/* 0: what the camera is set to */
	bool free_running;
	int pattern;			/* -1: what the camera is set to */
	bool overlay;
	bool hash;
	bool hold;			/* the last picture, until a signal */
	unsigned int timeout;		/* seconds without a frame, 0: no limit */
	const char *json;		/* NULL: none, "-": standard output */
};

void options_parse(struct options *options, int argc, char **argv);

/*
 * What the camera delivers
 */
struct image {
	uint32_t width, height;
	uint32_t pitch;			/* of both planes */
	uint32_t size;			/* bytes in a buffer */
	uint32_t encoding;		/* 0 BT.601, 1 BT.709, 2 BT.2020 */
	bool full_range;
};

struct frame {
	uint32_t buffer;
	uint32_t sequence;
	uint32_t flags;			/* V4L2_BUF_FLAG_* */
	uint64_t timestamp_ns;
};

/*
 * Where frames come from: the camera itself (camera.c), or a process that has
 * it (link.c). Buffers are passed as dma-buf descriptors.
 */
enum next_result { NEXT_FRAME, NEXT_NONE, NEXT_END, NEXT_ERROR };

struct source {
	int fd;				/* POLLIN or POLLPRI: call next() */
	/* Allocates buffers in the camera's memory and hands them out. */
	void (*export)(struct source *source, unsigned int count, int *fds);
	/* Takes buffers from elsewhere. */
	void (*import)(struct source *source, unsigned int count, const int *fds);
	void (*start)(struct source *source);
	enum next_result (*next)(struct source *source, struct frame *frame);
	/* Gives a buffer back to the camera; returns 0, or -1 after complaining. */
	int (*release)(struct source *source, unsigned int buffer);
	void (*stop)(struct source *source);
};

struct source *camera_open(const struct options *options, struct image *image);
struct source *link_open(const struct options *options, struct image *image);

/* Path of the first capture node of the project's driver. Static storage. */
const char *camera_find(void);

/*
 * display.c
 */
struct display_buffer {
	uint32_t handle;
	uint32_t fb;
	uint32_t size;
};

/* Vblank counts are those of the DRM core. */
struct flip {
	uint32_t frame;			/* vblank with which it took effect */
	uint64_t time_ns;
};

struct display {
	int fd;
	const struct format *format;
	struct image image;
	drmModeModeInfo mode;
	uint32_t connector, crtc, plane, primary;
	unsigned int crtc_index;
	bool vrr;
	bool configured;		/* the mode and the planes are set */
	uint32_t fb_property;		/* FB_ID of plane */
	bool flip_done;
	struct flip flip;
};

void display_open(struct display *display, const struct options *options,
		  const struct image *image);
void display_create(struct display *display, struct display_buffer *buffer);
int display_export(struct display *display, const struct display_buffer *buffer);
/* Attaches to a buffer of that allocator; returns 0, or -1 after complaining. */
int display_import(struct display *display, struct display_buffer *buffer, int fd,
		   enum allocator allocator);
void *display_map(struct display *display, const struct display_buffer *buffer);
/* Makes the framebuffer of a created or imported buffer. */
void display_add_fb(struct display *display, struct display_buffer *buffer);
double mode_hz(const drmModeModeInfo *mode);
/* Asks to show fb from the next vblank on; returns 0, or -1 after complaining. */
int display_flip(struct display *display, uint32_t fb);
/* Reads events: sets flip_done and flip. */
void display_read_events(struct display *display);
void display_wait_vblanks(struct display *display, unsigned int count);

/*
 * buffers.c: memory that both can reach
 */
struct buffers {
	unsigned int count;
	enum allocator allocator;
	int fds[MAX_BUFFERS];
	unsigned int attached;		/* how many the display has */
	struct display_buffer display[MAX_BUFFERS];

	/* The camera's buffers, and the display's to which they are copied. */
	bool copy;
	size_t size;
	const void *maps[MAX_BUFFERS];
	struct display_buffer targets[2];
	void *target_maps[2];
	unsigned int next_target;
};

void buffers_share(struct buffers *buffers, const struct options *options,
		   const struct image *image, struct source *source,
		   struct display *display);
/* Whether the display has all the buffers it will show. */
bool buffers_attached(const struct buffers *buffers);
/* Lets it have the next one; returns 0, or -1 after complaining. */
int buffers_attach(struct buffers *buffers, struct display *display);
/*
 * The framebuffer that shows this buffer, after copying it if that was asked for, or
 * attaching the display if it has not been; 0 after complaining.
 */
uint32_t buffers_framebuffer(struct buffers *buffers, struct display *display,
			     unsigned int buffer);

/*
 * report.c: what happened, as JSON
 */
struct piece {
	uint64_t address;		/* as the CPU sees it */
	unsigned int count;		/* pieces of the whole plane */
};

struct record {
	struct frame frame;
	bool shown;
	struct flip flip;
	/* 0: unknown */
	uint64_t camera_hash, display_hash;
	struct piece camera[2];		/* the first piece of each plane */
	uint64_t display_address;
};

struct report {
	struct record *records;
	unsigned int count;
	unsigned int shown;
	unsigned int errors;
	unsigned int missed;		/* gaps in the camera's sequence */
	unsigned int early;		/* begun before the display had all buffers */
	unsigned int replaced;		/* by a newer frame, before they were shown */
	long underruns;			/* -1: unknown */
	uint64_t start_ns, end_ns;
	uint64_t first_frame_boot_ns;
};

void report_add(struct report *report, const struct frame *frame);
void report_shown(struct report *report, unsigned int record, const struct flip *flip);
/* Prints a line for people to stderr and, if asked for, JSON. Returns 0 or -1. */
int report_write(const struct report *report, const struct options *options,
		 const struct display *display);

/*
 * trace.c: hashes and addresses from the drivers' debugfs
 */
struct trace {
	char camera[96], display[96];	/* directories, "" if there is none */
	bool enabled;			/* --hash */
	bool overlay;
	bool camera_hash, display_hash;	/* hashing was on before */
	long underruns;
};

void trace_open(struct trace *trace, const struct options *options, int card_fd);
/* Call at least once in 128 frames. */
void trace_read(struct trace *trace, struct report *report);
void trace_close(struct trace *trace, struct report *report);

#endif
