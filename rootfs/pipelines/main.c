// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pipeline.h"

#define NONE (-1)
#define NS_PER_SECOND 1000000000ull
#define ATTACH_INTERVAL 3	/* frames: a move can take the time of two */
#define TRACE_INTERVAL 100	/* frames; less than the drivers remember */

struct slot {
	unsigned int buffer;
	unsigned int record;
};

struct run {
	const struct options *options;
	struct source *source;
	struct display display;
	struct buffers buffers;
	struct report report;
	struct trace trace;

	struct slot waiting[MAX_BUFFERS];	/* oldest first */
	unsigned int waiting_count;
	struct slot flipping;	/* waits for its vblank */
	bool is_flipping;
	int on_screen;		/* buffer, or NONE */
	uint64_t attached_ns;	/* when the display had all buffers */
	bool ended;		/* no more frames are wanted or will come */
	uint64_t progress_ns;	/* of the last frame or flip */
	uint32_t traced_frames, traced_vblanks;
};

static void print_message(const char *format, va_list arguments)
{
	fputs("baton-pipeline: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_message(format, arguments);
	va_end(arguments);
	exit(1);
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_message(format, arguments);
	va_end(arguments);
}

int xioctl(int fd, unsigned long request, void *argument)
{
	int result;

	do {
		result = ioctl(fd, request, argument);
	} while (result && errno == EINTR);
	return result;
}

uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
	if (signal != SIGALRM)
		interrupted = true;
}

/*
 * A signal ends poll() and nothing else, so that the report is always written.
 * One each second lets poll() do without a timer for each frame, and without a
 * descriptor of signals.
 */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGALRM };
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	const struct itimerval second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };

	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
	setitimer(ITIMER_REAL, &second, NULL);
}

static bool has_frames(const struct run *run)
{
	const struct report *report = &run->report;

	return run->options->frames && report->count - report->early >= run->options->frames;
}

static bool wants_frames(const struct run *run)
{
	if (run->ended || has_frames(run))
		return false;
	/* Nothing is lost by waiting here: the camera waits for buffers. */
	return !run->options->free_running || !run->waiting_count;
}

/* How many frames may wait for the display: the camera keeps two buffers. */
static unsigned int waiting_limit(const struct run *run)
{
	return run->options->buffers > 5 ? run->options->buffers - 4 : 1;
}

static int drop_oldest(struct run *run)
{
	unsigned int buffer = run->waiting[0].buffer;

	run->waiting_count--;
	memmove(run->waiting, run->waiting + 1,
		run->waiting_count * sizeof(run->waiting[0]));
	run->report.replaced++;
	return run->source->release(run->source, buffer);
}

/* Whether the camera began this frame before the display had all buffers. */
static bool is_early(const struct run *run, const struct frame *frame)
{
	return !run->options->attach_late &&
	       (!buffers_attached(&run->buffers) || frame->timestamp_ns < run->attached_ns);
}

static int pass_over(struct run *run, unsigned int buffer)
{
	if (run->source->release(run->source, buffer))
		return -1;
	if (++run->report.early < run->options->attach_after ||
	    (run->report.early - run->options->attach_after) % ATTACH_INTERVAL ||
	    buffers_attached(&run->buffers))
		return 0;
	if (buffers_attach(&run->buffers, &run->display))
		return -1;
	run->attached_ns = now_ns(CLOCK_MONOTONIC);
	return 0;
}

static int take_frame(struct run *run)
{
	struct frame frame;

	switch (run->source->next(run->source, &frame)) {
	case NEXT_NONE:
		return 0;
	case NEXT_END:
		run->ended = true;
		return 0;
	case NEXT_ERROR:
		return -1;
	case NEXT_FRAME:
		break;
	}
	run->progress_ns = now_ns(CLOCK_MONOTONIC);
	report_add(&run->report, &frame);
	if (frame.flags & V4L2_BUF_FLAG_ERROR)
		return run->source->release(run->source, frame.buffer);
	if (is_early(run, &frame))
		return pass_over(run, frame.buffer);
	if (run->waiting_count == waiting_limit(run) && drop_oldest(run))
		return -1;
	run->waiting[run->waiting_count++] = (struct slot){
		.buffer = frame.buffer,
		.record = run->report.count - 1,
	};
	return 0;
}

static int show_next(struct run *run)
{
	uint32_t fb;

	if (run->is_flipping || !run->waiting_count)
		return 0;
	run->flipping = run->waiting[0];
	run->waiting_count--;
	memmove(run->waiting, run->waiting + 1,
		run->waiting_count * sizeof(run->waiting[0]));

	fb = buffers_framebuffer(&run->buffers, &run->display, run->flipping.buffer);
	if (!fb)
		return -1;
	if (run->options->copy &&
	    run->source->release(run->source, run->flipping.buffer))
		return -1;
	if (display_flip(&run->display, fb))
		return -1;
	run->is_flipping = true;
	return 0;
}

static void tell_first(const struct run *run)
{
	const struct display *display = &run->display;

	fprintf(stderr, "baton-pipeline: showing %ux%u %s in mode %ux%u, %.2f Hz\n",
		display->image.width, display->image.height, display->format->name,
		display->mode.hdisplay, display->mode.vdisplay, mode_hz(&display->mode));
}

static int finish_flip(struct run *run)
{
	int before = run->on_screen;

	run->progress_ns = now_ns(CLOCK_MONOTONIC);
	report_shown(&run->report, run->flipping.record, &run->display.flip);
	if (run->report.shown == 1)
		tell_first(run);
	run->is_flipping = false;
	if (run->options->copy)
		return 0;
	run->on_screen = run->flipping.buffer;
	return before == NONE ? 0 : run->source->release(run->source, before);
}

static int handle_display(struct run *run)
{
	display_read_events(&run->display);
	return run->display.flip_done ? finish_flip(run) : 0;
}

static void trace_frames(struct run *run)
{
	trace_read(&run->trace, &run->report);
	run->traced_frames = run->report.count;
	run->traced_vblanks = run->display.flip.frame;
}

static void trace_when_due(struct run *run)
{
	if (run->report.count - run->traced_frames >= TRACE_INTERVAL ||
	    run->display.flip.frame - run->traced_vblanks >= TRACE_INTERVAL)
		trace_frames(run);
}

/* Called each second. */
static int check_progress(struct run *run)
{
	uint64_t silence = now_ns(CLOCK_MONOTONIC) - run->progress_ns;
	uint64_t limit = run->options->timeout * NS_PER_SECOND;

	if (silence >= NS_PER_SECOND)
		trace_frames(run);
	if (!limit || silence < limit)
		return 0;
	if (run->is_flipping)
		complain("the display has not shown a frame for %u s; see dmesg",
			 run->options->timeout);
	else
		complain("no frame from the camera for %u s: has it a source? "
			 "--pattern needs none, --timeout changes the limit",
			 run->options->timeout);
	return -1;
}

static int run_step(struct run *run)
{
	struct pollfd polled[] = {
		{ .fd = run->display.fd, .events = POLLIN },
		{ .fd = wants_frames(run) ? run->source->fd : -1,
		  .events = POLLIN | POLLPRI },
	};
	int ready = poll(polled, ARRAY_SIZE(polled), -1);

	if (interrupted)
		run->ended = true;
	if (ready < 0)
		return check_progress(run);
	if (polled[0].revents && handle_display(run))
		return -1;
	if (polled[1].revents && take_frame(run))
		return -1;
	if (show_next(run))
		return -1;
	trace_when_due(run);
	return 0;
}

static bool is_done(const struct run *run)
{
	return (run->ended || has_frames(run)) && !run->waiting_count && !run->is_flipping;
}

static void set_up(struct run *run)
{
	const struct options *options = run->options;
	struct image image;

	catch_signals();
	run->source = options->processes == 2 ? link_open(options, &image) :
						camera_open(options, &image);
	display_open(&run->display, options, &image);
	trace_open(&run->trace, options, run->display.fd);
	buffers_share(&run->buffers, options, &image, run->source, &run->display);
}

/* Keeps the last picture on the screen. */
static void hold_picture(void)
{
	puts("holding the last picture until SIGINT");
	fflush(stdout);
	while (!interrupted)
		pause();
}

static int stream(struct run *run)
{
	int error = 0;

	run->on_screen = NONE;
	run->report.start_ns = now_ns(CLOCK_MONOTONIC);
	run->progress_ns = run->report.start_ns;
	run->source->start(run->source);
	while (!error && !is_done(run))
		error = run_step(run);
	/* The last picture's hash is known when it was read to its end. */
	display_wait_vblanks(&run->display, 2);
	trace_close(&run->trace, &run->report);
	if (run->options->hold && !error)
		hold_picture();
	run->source->stop(run->source);
	return error;
}

int main(int argc, char **argv)
{
	struct options options;
	static struct run run;
	int error;

	options_parse(&options, argc, argv);
	run.options = &options;
	set_up(&run);
	error = stream(&run);
	if (report_write(&run.report, &options, &run.display))
		error = -1;
	if (!error && !interrupted && options.frames && !has_frames(&run)) {
		complain("the camera's source ended after %u of %u frames",
			 run.report.count - run.report.early, options.frames);
		error = -1;
	}
	if (!error && !interrupted && !run.report.shown) {
		complain("no frame was shown: all %u had errors; see dmesg",
			 run.report.count);
		error = -1;
	}
	return error ? 1 : 0;
}
