// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <linux/dma-buf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline.h"

static void close_all(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

static void share_camera_memory(struct buffers *buffers, struct source *source,
				struct display *display)
{
	source->export(source, buffers->count, buffers->fds);
	for (unsigned int i = 0; i < buffers->count; i++) {
		display_import(display, &buffers->display[i], buffers->fds[i]);
		display_add_fb(display, &buffers->display[i]);
	}
	close_all(buffers->fds, buffers->count);
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
		.copy = options->copy,
		.size = image->size,
	};
	if (options->copy)
		share_nothing(buffers, source, display);
	else if (options->allocator == ALLOCATOR_CAMERA)
		share_camera_memory(buffers, source, display);
	else
		share_display_memory(buffers, source, display);
}

static void sync_for_cpu(int fd, uint64_t bracket)
{
	struct dma_buf_sync sync = { .flags = bracket | DMA_BUF_SYNC_READ };

	if (xioctl(fd, DMA_BUF_IOCTL_SYNC, &sync))
		fail("preparing a buffer for the CPU: %s", strerror(errno));
}

uint32_t buffers_framebuffer(struct buffers *buffers, unsigned int buffer)
{
	unsigned int target = buffers->next_target;

	if (!buffers->copy)
		return buffers->display[buffer].fb;
	/* No flip is pending, so only one target is on the screen. */
	sync_for_cpu(buffers->fds[buffer], DMA_BUF_SYNC_START);
	memcpy(buffers->target_maps[target], buffers->maps[buffer], buffers->size);
	sync_for_cpu(buffers->fds[buffer], DMA_BUF_SYNC_END);
	buffers->next_target = (target + 1) % ARRAY_SIZE(buffers->targets);
	return buffers->targets[target].fb;
}
