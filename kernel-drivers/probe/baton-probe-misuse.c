// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: calls with arguments that make no sense
 */

#include <linux/dma-buf.h>
#include <linux/platform_device.h>

#include "baton-probe.h"

static int probe_attach_error(struct dma_buf *dmabuf, struct device *dev)
{
	return PTR_ERR_OR_ZERO(dma_buf_attach(dmabuf, dev));
}

static int probe_misuse_null(struct dma_buf *dmabuf, u32 call)
{
	struct iosys_map map = { };

	switch (call) {
	case BATON_PROBE_MISUSE_ATTACH_NULL_DEVICE:
		return probe_attach_error(dmabuf, NULL);
	case BATON_PROBE_MISUSE_DETACH_NULL:
		dma_buf_detach(dmabuf, NULL);
		return 0;
	case BATON_PROBE_MISUSE_MAP_NULL:
		return PTR_ERR_OR_ZERO(dma_buf_map_attachment_unlocked(NULL, DMA_BIDIRECTIONAL));
	case BATON_PROBE_MISUSE_UNMAP_NULL:
		dma_buf_unmap_attachment_unlocked(NULL, NULL, DMA_BIDIRECTIONAL);
		return 0;
	case BATON_PROBE_MISUSE_PUT_NULL:
		dma_buf_put(NULL);
		return 0;
	case BATON_PROBE_MISUSE_FD_NULL:
		return dma_buf_fd(NULL, 0);
	case BATON_PROBE_MISUSE_VMAP_NULL:
		return dma_buf_vmap_unlocked(NULL, &map);
	case BATON_PROBE_MISUSE_VUNMAP_NULL:
		dma_buf_vunmap_unlocked(NULL, &map);
		return 0;
	case BATON_PROBE_MISUSE_MMAP_NULL:
		return dma_buf_mmap(dmabuf, NULL, 0);
	case BATON_PROBE_MISUSE_BEGIN_NULL:
		return dma_buf_begin_cpu_access(NULL, DMA_FROM_DEVICE);
	case BATON_PROBE_MISUSE_VUNMAP_UNMAPPED:
		dma_buf_vunmap_unlocked(dmabuf, &map);
		return 0;
	default:
		return -EINVAL;
	}
}

static int probe_misuse_attachment(struct dma_buf *dmabuf, struct probe_attachment *attachment,
				   u32 call)
{
	if (call == BATON_PROBE_MISUSE_ATTACH_NULL_BUFFER)
		return probe_attach_error(NULL, &attachment->device->pdev->dev);
	if (attachment->attach->dmabuf == dmabuf)
		return -EINVAL;

	dma_buf_detach(dmabuf, attachment->attach);
	return 0;
}

/* Every call has a buffer, though some use none. */
int probe_misuse(struct probe_file *file, void *arg)
{
	const struct baton_probe_misuse *args = arg;
	struct probe_attachment *attachment;
	struct probe_buffer *buffer;
	int ret;

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	if (args->call != BATON_PROBE_MISUSE_DETACH_FOREIGN &&
	    args->call != BATON_PROBE_MISUSE_ATTACH_NULL_BUFFER) {
		ret = probe_misuse_null(buffer->dmabuf, args->call);
		goto put_buffer;
	}

	attachment = probe_find(file, args->attachment, &probe_attachment_kind);
	if (IS_ERR(attachment)) {
		ret = PTR_ERR(attachment);
	} else {
		ret = probe_misuse_attachment(buffer->dmabuf, attachment, args->call);
		probe_put(&attachment->object);
	}
put_buffer:
	probe_put(&buffer->object);
	return ret;
}

int probe_notify(struct probe_file *file, void *arg)
{
	const struct baton_probe_notify *args = arg;
	struct probe_buffer *buffer;
	int ret;

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	ret = probe_lock(buffer->dmabuf, args->lock);
	if (!ret) {
		dma_buf_move_notify(buffer->dmabuf);
		probe_unlock(buffer->dmabuf, args->lock);
	}
	probe_put(&buffer->object);
	return ret;
}
