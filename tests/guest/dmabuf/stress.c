// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads that race for descriptors, and processes that are killed anywhere. */
#define _GNU_SOURCE
#include <drm.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmabuf.h"

#define SIZE 65536
#define SLOTS 4
#define MAX_THREADS 16
#define VIDEO_TYPE V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

/* What yields dma-bufs: @number tells the buffers of a queue apart. */
struct source {
	const char *kind;
	int (*allocate)(int fd, unsigned int number);
	int fd;
};

struct racer {
	pthread_t thread;
	unsigned int seed;
	int rounds;
	struct source source;
	int card;
	int video;
	const int *slots;
	bool wrong;
};

static int allocate_heap(int heap, unsigned int number)
{
	struct dma_heap_allocation_data data = {
		.len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC,
	};

	(void)number;
	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -1 : (int)data.fd;
}

static int allocate_dumb(int card, unsigned int number)
{
	struct drm_mode_create_dumb dumb = { .width = SIZE / 64, .height = 16, .bpp = 32 };
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR };
	struct drm_gem_close gem_close = { 0 };
	int result, error;

	(void)number;
	if (ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb))
		return -1;
	prime.handle = dumb.handle;
	gem_close.handle = dumb.handle;
	result = ioctl(card, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
	error = errno;
	ioctl(card, DRM_IOCTL_GEM_CLOSE, &gem_close);
	errno = error;
	return result ? -1 : prime.fd;
}

/* Of a queue with buffers for each slot. */
static int allocate_video(int video, unsigned int number)
{
	struct v4l2_exportbuffer export = {
		.type = VIDEO_TYPE, .index = number % SLOTS, .flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(video, VIDIOC_EXPBUF, &export) ? -1 : export.fd;
}

static struct source make_source(const char *kind, int fd)
{
	static const struct source sources[] = {
		{ .kind = "heap", .allocate = allocate_heap },
		{ .kind = "dumb", .allocate = allocate_dumb },
		{ .kind = "video", .allocate = allocate_video },
	};
	struct source source = sources[0];

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (!strcmp(sources[i].kind, kind))
			source = sources[i];
	source.fd = fd;
	return source;
}

static int allocate(const struct source *source, unsigned int number)
{
	return source->allocate(source->fd, number);
}

static int sync_access(int fd, uint64_t flags)
{
	struct dma_buf_sync sync = { flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

/* Imports into a display, and gives it back. */
static int import_once(int card, int fd)
{
	struct drm_prime_handle prime = { .fd = fd };
	struct drm_gem_close gem_close = { 0 };

	if (ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		return -1;
	gem_close.handle = prime.handle;
	ioctl(card, DRM_IOCTL_GEM_CLOSE, &gem_close);
	return 0;
}

static int queue(int video, enum v4l2_memory memory, unsigned int index, int fd)
{
	struct v4l2_plane plane = { .m.fd = fd, .length = SIZE };
	struct v4l2_buffer buffer = {
		.type = VIDEO_TYPE, .memory = memory, .index = index,
		.m.planes = &plane, .length = 1,
	};

	return ioctl(video, VIDIOC_QBUF, &buffer);
}

static int stream(int video, unsigned long request)
{
	int type = VIDEO_TYPE;

	return ioctl(video, request, &type);
}

/* Imports into a camera, which keeps it until another one has that index. */
static int queue_once(int video, unsigned int index, int fd)
{
	if (queue(video, V4L2_MEMORY_DMABUF, index, fd))
		return -1;
	return stream(video, VIDIOC_STREAMOFF);
}

static int touch(int fd)
{
	uint64_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (words == MAP_FAILED)
		return -1;
	__atomic_fetch_add(words, 1, __ATOMIC_RELAXED);
	return munmap(words, SIZE);
}

/* Puts a new buffer into the slot, as if the number were used again. */
static int replace(struct racer *racer, int slot)
{
	int fd = allocate(&racer->source, rand_r(&racer->seed)), result;

	if (fd < 0)
		return -1;
	result = dup3(fd, slot, O_CLOEXEC);
	close(fd);
	return result < 0 ? -1 : 0;
}

static int act(struct racer *racer, int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT };

	switch (rand_r(&racer->seed) % (racer->video < 0 ? 6 : 7)) {
	case 0:
		return replace(racer, fd);
	case 1:
		return import_once(racer->card, fd);
	case 2:
		return sync_access(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	case 3:
		return sync_access(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	case 4:
		return touch(fd);
	case 5:
		return poll(&poller, 1, 0) < 0 ? -1 : 0;
	default:
		return queue_once(racer->video, rand_r(&racer->seed) % SLOTS, fd);
	}
}

/* dup3() of a number that another thread is just opening gives EBUSY. */
static bool may_fail_with(int error)
{
	return error == EBADF || error == EINVAL || error == ENOENT || error == EBUSY;
}

static void *race(void *data)
{
	struct racer *racer = data;

	for (int i = 0; i < racer->rounds && !racer->wrong; i++) {
		int fd = racer->slots[rand_r(&racer->seed) % SLOTS];

		if (act(racer, fd) && !may_fail_with(errno)) {
			perror("racing thread");
			racer->wrong = true;
		}
	}
	return NULL;
}

/*
 * race THREADS ROUNDS SEED heap|dumb|video FD CARD [VIDEO]: use numbers that others use again,
 * of buffers that FD yields and CARD and the DMABUF queue VIDEO import; wrong threads
 */
static int cmd_race(char **arg)
{
	struct racer racers[MAX_THREADS] = { 0 };
	struct source source = make_source(arg[3], number(arg[4]));
	unsigned int threads = number(arg[0]), wrong = 0;
	int card = open(arg[5], O_RDWR | O_CLOEXEC), slots[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		slots[i] = allocate(&source, i);
	for (unsigned int i = 0; i < threads; i++) {
		racers[i] = (struct racer){
			.seed = number(arg[2]) + i, .rounds = number(arg[1]),
			.source = source, .card = card, .slots = slots,
			.video = arg[6] ? (int)number(arg[6]) : -1,
		};
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(racers[i].thread, NULL);
		wrong += racers[i].wrong;
	}
	for (int i = 0; i < SLOTS; i++)
		close(slots[i]);
	close(card);
	return reply_ok("%u", wrong);
}

/* Everything that holds a buffer, once. */
static void hold(const struct source *source, const char *card_path)
{
	int card = open(card_path, O_RDWR | O_CLOEXEC), fd = allocate(source, 0);

	touch(fd);
	sync_access(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	import_once(card, fd);
	touch(fd);
	sync_access(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
	close(fd);
	close(card);
}

/* A stream, with buffers on the way and without. */
static void hold_stream(const struct source *source, const char *card_path)
{
	struct v4l2_requestbuffers request = {
		.count = SLOTS, .type = VIDEO_TYPE, .memory = V4L2_MEMORY_MMAP,
	};

	ioctl(source->fd, VIDIOC_REQBUFS, &request);
	hold(source, card_path);
	for (unsigned int i = 0; i < SLOTS; i++)
		queue(source->fd, V4L2_MEMORY_MMAP, i, -1);
	stream(source->fd, VIDIOC_STREAMON);
	hold(source, card_path);
	stream(source->fd, VIDIOC_STREAMOFF);
	request.count = 0;
	ioctl(source->fd, VIDIOC_REQBUFS, &request);
}

static void be_killed(const char *kind, const char *path, const char *card_path)
{
	struct source source = make_source(kind, open(path, O_RDWR | O_CLOEXEC));

	for (;;)
		if (source.allocate == allocate_video)
			hold_stream(&source, card_path);
		else
			hold(&source, card_path);
}

/* victims ROUNDS SEED heap|dumb|video PATH CARD: kill so many processes, each after up to 10 ms */
static int cmd_victims(char **arg)
{
	unsigned int seed = number(arg[1]);

	for (uint64_t i = 0; i < number(arg[0]); i++) {
		pid_t child = fork();

		if (child < 0)
			return reply_error();
		if (!child)
			be_killed(arg[2], arg[3], arg[4]);
		usleep(rand_r(&seed) % 10000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return reply(0);
}

static void be_traced(char **program)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	execvp(program[0], program);
	_exit(127);
}

/*
 * stop_at COUNT PROGRAM...: run it until it has entered and left COUNT system calls; how many
 * it was, fewer if it ended first, and its process
 */
static int cmd_stop_at(char **arg)
{
	unsigned long long stops = 0;
	pid_t child = fork();
	int status;

	if (child < 0)
		return reply_error();
	if (!child)
		be_traced(arg + 1);
	while (waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       stops < number(arg[0])) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		stops++;
	}
	return reply_ok("%llu %d", stops, child);
}

/* kill PROCESS: which "stop_at" has stopped */
static int cmd_kill(char **arg)
{
	pid_t child = number(arg[0]);

	if (kill(child, SIGKILL))
		return reply_error();
	return reply(waitpid(child, NULL, 0) != child);
}

const struct command stress_commands[] = {
	{ "race", 6, cmd_race }, { "victims", 5, cmd_victims },
	{ "stop_at", 2, cmd_stop_at }, { "kill", 1, cmd_kill },
	{ }
};
