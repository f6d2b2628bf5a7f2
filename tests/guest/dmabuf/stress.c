// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads that race for descriptors, and processes that are killed anywhere. */
#define _GNU_SOURCE
#include <drm.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmabuf.h"

#define SIZE 65536
#define SLOTS 4
#define MAX_THREADS 16

struct racer {
	pthread_t thread;
	unsigned int seed;
	int rounds;
	int heap;
	int card;
	const int *slots;
	bool wrong;
};

static int allocate(int heap)
{
	struct dma_heap_allocation_data data = {
		.len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC,
	};

	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -1 : (int)data.fd;
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

static int touch(int fd)
{
	uint64_t *words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (words == MAP_FAILED)
		return -1;
	__atomic_fetch_add(words, 1, __ATOMIC_RELAXED);
	return munmap(words, SIZE);
}

/* Puts a new buffer into the slot, as if the number were used again. */
static int replace(int heap, int slot)
{
	int fd = allocate(heap), result;

	if (fd < 0)
		return -1;
	result = dup3(fd, slot, O_CLOEXEC);
	close(fd);
	return result < 0 ? -1 : 0;
}

static int act(struct racer *racer, int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN | POLLOUT };

	switch (rand_r(&racer->seed) % 6) {
	case 0:
		return replace(racer->heap, fd);
	case 1:
		return import_once(racer->card, fd);
	case 2:
		return sync_access(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	case 3:
		return sync_access(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	case 4:
		return touch(fd);
	default:
		return poll(&poller, 1, 0) < 0 ? -1 : 0;
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

/* race THREADS ROUNDS SEED HEAP CARD: use numbers that others use again; wrong threads */
static int cmd_race(char **arg)
{
	struct racer racers[MAX_THREADS] = { 0 };
	unsigned int threads = number(arg[0]), wrong = 0;
	int heap = open(arg[3], O_RDWR | O_CLOEXEC), card = open(arg[4], O_RDWR | O_CLOEXEC);
	int slots[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		slots[i] = allocate(heap);
	for (unsigned int i = 0; i < threads; i++) {
		racers[i] = (struct racer){
			.seed = number(arg[2]) + i, .rounds = number(arg[1]),
			.heap = heap, .card = card, .slots = slots,
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
	close(heap);
	return reply_ok("%u", wrong);
}

/* Everything that holds a buffer, over and over. */
static void be_killed(const char *heap_path, const char *card_path)
{
	int heap = open(heap_path, O_RDWR | O_CLOEXEC);

	for (;;) {
		int card = open(card_path, O_RDWR | O_CLOEXEC), fd = allocate(heap);

		touch(fd);
		sync_access(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
		import_once(card, fd);
		touch(fd);
		sync_access(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
		close(fd);
		close(card);
	}
}

/* victims ROUNDS SEED HEAP CARD: kill so many processes, each after up to 10 ms */
static int cmd_victims(char **arg)
{
	unsigned int seed = number(arg[1]);

	for (uint64_t i = 0; i < number(arg[0]); i++) {
		pid_t child = fork();

		if (child < 0)
			return reply_error();
		if (!child)
			be_killed(arg[2], arg[3]);
		usleep(rand_r(&seed) % 10000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return reply(0);
}

const struct command stress_commands[] = {
	{ "race", 5, cmd_race }, { "victims", 4, cmd_victims },
	{ }
};
