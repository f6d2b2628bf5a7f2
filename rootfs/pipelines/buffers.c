// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline.h"

#define HEAP "/dev/dma_heap/baton"

static void allocate_in_heap(struct buffers *buffers)
{
	int heap = open(HEAP, O_RDONLY | O_CLOEXEC);

	if (heap < 0)
		fail(HEAP ": %s%s", strerror(errno),
		     errno == ENOENT ? "; load module baton-heap" : "");
	for (unsigned int i = 0; i < buffers->count; i++) {
		struct dma_heap_allocation_data allocation = {
			.len = buffers->size,
			.fd_flags = O_RDWR | O_CLOEXEC,
		};

		if (xioctl(heap, DMA_HEAP_IOCTL_ALLOC, &allocation))
			fail(HEAP ": allocating a buffer: %s", strerror(errno));
		buffers->fds[i] = allocation.fd;
	}
	close(heap);
}

static void share_display_memory(struct buffers *buffers, struct source *source,
				 struct display *display)
{
	for (unsigned int i = 0; i < buffers->count; i++) {
		struct display_buffer *buffer = &buffers->display[i];

		display_create(display, buffer);
		display_add_fb(display, buffer);
		buffers->fds[i] = display_export(display, buffer);
	}
	buffers->attached = buffers->count;
	source->import(source, buffers->count, buffers->fds);
}

static void share_nothing(struct buffers *buffers, struct source *source,
			  struct display *display)
{
	source->export(source, buffers->count, buffers->fds);
	for (unsigned int i = 0; i < buffers->count; i++) {
		buffers->maps[i] = mmap(NULL, buffers->size, PROT_READ, MAP_SHARED,
					buffers->fds[i], 0);
		if (buffers->maps[i] == MAP_FAILED)
			fail("mapping a buffer of the camera: %s", strerror(errno));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(buffers->targets); i++) {
		struct display_buffer *target = &buffers->targets[i];

		display_create(display, target);
		display_add_fb(display, target);
		buffers->target_maps[i] = display_map(display, target);
	}
}

void buffers_share(struct buffers *buffers, const struct options *options,
		   const struct image *image, struct source *source,
		   struct display *display)
{
	*buffers = (struct buffers){
		.count = options->buffers,
		.allocator = options->allocator,
		.copy = options->copy,
		.size = image->size,
	};
	if (options->copy) {
		share_nothing(buffers, source, display);
		return;
	}
	switch (options->allocator) {
	case ALLOCATOR_DISPLAY:
		share_display_memory(buffers, source, display);
		break;
	case ALLOCATOR_HEAP:
		allocate_in_heap(buffers);
		source->import(source, buffers->count, buffers->fds);
		break;
	default:
		source->export(source, buffers->count, buffers->fds);
	}
	while (!options->attach_after && !options->attach_late && !buffers_attached(buffers))
		if (buffers_attach(buffers, display))
			exit(1);
}

bool buffers_attached(const struct buffers *buffers)
{
	return buffers->copy || buffers->attached == buffers->count;
}

static int attach(struct buffers *buffers, struct display *display, unsigned int index)
{
	struct display_buffer *buffer = &buffers->display[index];
	int fd = buffers->fds[index];

	if (display_import(display, buffer, fd, buffers->allocator))
		return -1;
	display_add_fb(display, buffer);
	buffers->attached++;
	/* The camera needs no descriptor of its own memory. */
	if (buffers->allocator == ALLOCATOR_CAMERA)
		close(fd);
	return 0;
}

int buffers_attach(struct buffers *buffers, struct display *display)
{
	return attach(buffers, display, buffers->attached);
}

static void sync_for_cpu(int fd, uint64_t bracket)
{
	struct dma_buf_sync sync = { .flags = bracket | DMA_BUF_SYNC_READ };

	if (xioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail("preparing a buffer for the CPU: %s", strerror(errno));
}

uint32_t buffers_framebuffer(struct buffers *buffers, struct display *display,
			     unsigned int buffer)
{
	unsigned int target = buffers->next_target;

	if (!buffers->copy) {
		if (!buffers->display[buffer].fb && attach(buffers, display, buffer))
			return 0;
		return buffers->display[buffer].fb;
	}
	/* No flip is pending, so only one target is on the screen. */
	sync_for_cpu(buffers->fds[buffer], DMA_BUF_SYNC_START);
	memcpy(buffers->target_maps[target], buffers->maps[buffer], buffers->size);
	sync_for_cpu(buffers->fds[buffer], DMA_BUF_SYNC_END);
	buffers->next_target = (target + 1) % ARRAY_SIZE(buffers->targets);
	return buffers->targets[target].fb;
}
