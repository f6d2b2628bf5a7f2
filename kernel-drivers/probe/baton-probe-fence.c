// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton probe: fences that user space signals
 */

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "baton-buf.h"
#include "baton-probe.h"

struct probe_fence {
	struct probe_object object;
	struct dma_fence *fence;
};

static struct probe_fence *probe_fence_of(struct probe_object *object)
{
	return container_of(object, struct probe_fence, object);
}

/* Nobody waits for ever because a test died. */
static int probe_fence_end(struct dma_fence *fence, int error)
{
	unsigned long flags;
	bool signaled;

	dma_fence_lock_irqsave(fence, flags);
	signaled = test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
	if (error && !signaled)
		dma_fence_set_error(fence, error);
	dma_fence_signal_locked(fence);
	dma_fence_unlock_irqrestore(fence, flags);
	return signaled ? -EINVAL : 0;
}

static void probe_fence_drop(struct probe_object *object)
{
	probe_fence_end(probe_fence_of(object)->fence, -ECANCELED);
}

static void probe_fence_release(struct probe_object *object)
{
	struct probe_fence *fence = probe_fence_of(object);

	dma_fence_put(fence->fence);
	kfree(fence);
}

const struct probe_kind probe_fence_kind = {
	.drop = probe_fence_drop,
	.release = probe_fence_release,
};

int probe_fence_new(struct probe_file *file, void *arg)
{
	struct baton_probe_fence_new *args = arg;
	struct probe_fence *fence;

	fence = probe_alloc(sizeof(*fence), &probe_fence_kind);
	if (IS_ERR(fence))
		return PTR_ERR(fence);

	fence->fence = baton_buf_fence_new(dma_fence_context_alloc(1), 1);
	return probe_publish(file, &fence->object, &args->id);
}

static int probe_resv_add(struct dma_resv *resv, struct dma_fence *fence, u32 usage)
{
	int ret;

	if (usage > DMA_RESV_USAGE_BOOKKEEP)
		return -EINVAL;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;

	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, fence, usage);
	dma_resv_unlock(resv);
	return ret;
}

int probe_fence_add(struct probe_file *file, void *arg)
{
	const struct baton_probe_fence_add *args = arg;
	struct probe_buffer *buffer;
	struct probe_fence *fence;
	int ret;

	fence = probe_find(file, args->fence, &probe_fence_kind);
	if (IS_ERR(fence))
		return PTR_ERR(fence);

	buffer = probe_find(file, args->buffer, &probe_buffer_kind);
	if (IS_ERR(buffer)) {
		ret = PTR_ERR(buffer);
	} else {
		ret = probe_resv_add(buffer->dmabuf->resv, fence->fence, args->usage);
		probe_put(&buffer->object);
	}
	probe_put(&fence->object);
	return ret;
}

int probe_fence_signal(struct probe_file *file, void *arg)
{
	const struct baton_probe_fence_signal *args = arg;
	struct probe_fence *fence;
	int ret;

	if (args->error > 0 || args->error < -MAX_ERRNO)
		return -EINVAL;

	fence = probe_find(file, args->fence, &probe_fence_kind);
	if (IS_ERR(fence))
		return PTR_ERR(fence);

	ret = probe_fence_end(fence->fence, args->error);
	probe_put(&fence->object);
	return ret;
}
