// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: buffers that move while the camera streams
 *
 * The camera keeps a buffer's addresses until it is told that the buffer moves.
 * A descriptor that the engine has not begun is recalled, and restored in its
 * old place when the buffer has its new addresses; a frame in flight ends first
 * and is waited for with a fence.
 *
 * The callbacks come with the buffer's dma_resv held and take ring_lock only.
 * Attaching happens under the queue's lock, so taking that here could deadlock.
 */

#include <linux/dma-fence.h>
#include <linux/module.h>

#include "baton-buf.h"
#include "baton-camera.h"

/* Beyond the frame interval: the engine does not answer any more. */
#define BATON_CAMERA_HANG_MS 1000

/**
 * baton_camera_signal() - a frame has ended: tell the moves that wait for it
 * @buf: its buffer, which the engine does not touch any more
 * @error: 0 or a negative error code
 *
 * Call with ring_lock held.
 */
void baton_camera_signal(struct baton_camera_buffer *buf, int error)
{
	struct dma_fence *fence = buf->fence;

	if (!fence)
		return;

	/* The planes may move from now on without further notice. */
	buf->mapped &= ~buf->leaving;
	buf->leaving = 0;
	buf->fence = NULL;
	if (error)
		dma_fence_set_error(fence, error);
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

/* The engine is stopped hard: it abandons the frame and writes no more. */
static void baton_camera_hung(struct timer_list *timer)
{
	struct baton_camera *cam = from_timer(cam, timer, hang_timer);
	struct baton_camera_buffer *buf;
	unsigned long flags;
	bool hung = false;

	spin_lock_irqsave(&cam->ring_lock, flags);
	list_for_each_entry(buf, &cam->queued, list) {
		if (!buf->fence)
			continue;
		if (time_after_eq(jiffies, buf->deadline))
			hung = true;
		else
			timer_reduce(timer, buf->deadline);
	}
	if (hung) {
		cam->running = false;
		cam->ctrl &= ~R_CAM_CTRL_ENABLE_MASK;
		baton_camera_write(cam, A_CAM_CTRL, cam->ctrl);
		list_for_each_entry(buf, &cam->queued, list)
			baton_camera_signal(buf, -ETIMEDOUT);
	}
	spin_unlock_irqrestore(&cam->ring_lock, flags);

	if (hung) {
		dev_err(cam->dev, "stopped: a frame did not end in time\n");
		vb2_queue_error(&cam->queue);
	}
}

/**
 * baton_camera_is_mapped() - does the camera know where a buffer lies?
 * @buf: the buffer
 *
 * Call with ring_lock held.
 *
 * Return: whether all of its segment lists are valid.
 */
bool baton_camera_is_mapped(struct baton_camera_buffer *buf)
{
	return buf->mapped == GENMASK(buf->vb.vb2_buf.num_planes - 1, 0);
}

/**
 * baton_camera_park() - keep a buffer that has moved until it is mapped again
 * @cam: the camera
 * @buf: the buffer, on no list
 *
 * Call with ring_lock held.
 */
void baton_camera_park(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	buf->state = BATON_CAMERA_PARKED;
	buf->withdrawn = false;
	list_add_tail(&buf->list, &cam->parked);
	schedule_work(&cam->move_work);
}

/* Is the engine writing to the buffer, or has it just finished? */
static bool baton_camera_is_busy(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	if (buf->state != BATON_CAMERA_QUEUED || !cam->running || buf->withdrawn)
		return false;
	if (baton_camera_ring_recall(cam, buf) != BATON_CAMERA_RECALL_WITHDRAWN)
		return true;

	buf->withdrawn = true;
	schedule_work(&cam->move_work);
	return false;
}

static struct dma_fence *baton_camera_stop(struct vb2_buffer *vb, unsigned int plane)
{
	struct baton_camera_buffer *buf = to_baton_camera_buffer(vb);
	struct baton_camera *cam = vb2_get_drv_priv(vb->vb2_queue);
	struct dma_fence *fence;

	fence = baton_buf_fence_new(cam->fence_context, atomic64_inc_return(&cam->fence_seqno));

	spin_lock_irq(&cam->ring_lock);
	if (!baton_camera_is_busy(cam, buf)) {
		buf->mapped &= ~BIT(plane);
		dma_fence_signal(fence);
		dma_fence_put(fence);
		fence = NULL;
	} else if (buf->fence) {
		dma_fence_signal(fence);
		dma_fence_put(fence);
		fence = dma_fence_get(buf->fence);
		buf->leaving |= BIT(plane);
	} else {
		buf->fence = dma_fence_get(fence);
		buf->deadline = jiffies + msecs_to_jiffies(cam->interval_ms + BATON_CAMERA_HANG_MS);
		buf->leaving |= BIT(plane);
		timer_reduce(&cam->hang_timer, buf->deadline);
	}
	spin_unlock_irq(&cam->ring_lock);
	return fence;
}

/* Plane 1 of a format with one memory plane follows plane 0. */
static int baton_camera_map(struct vb2_buffer *vb, unsigned int plane, struct sg_table *sgt)
{
	struct baton_camera_buffer *buf = to_baton_camera_buffer(vb);
	struct baton_camera *cam = vb2_get_drv_priv(vb->vb2_queue);
	size_t luma = cam->format.plane_fmt[0].bytesperline * cam->format.height;
	int ret;

	ret = baton_camera_segments_fill(cam, &buf->lists[plane], sgt, 0);
	if (!ret && cam->info->hw_planes > cam->info->mem_planes)
		ret = baton_camera_segments_fill(cam, &buf->lists[1], sgt, luma);
	if (ret)
		return ret;

	spin_lock_irq(&cam->ring_lock);
	buf->mapped |= BIT(plane);
	spin_unlock_irq(&cam->ring_lock);
	return 0;
}

const struct baton_buf_vb2_ops baton_camera_memory = {
	.mem = BATON_BUF_VB2_MEM_OPS,
	.name = BATON_CAMERA_NAME,
	.exporter.owner = THIS_MODULE,
	.map = baton_camera_map,
	.stop = baton_camera_stop,
};

static struct baton_camera_buffer *baton_camera_next_moved(struct baton_camera *cam)
{
	struct baton_camera_buffer *buf;

	buf = list_first_entry_or_null(&cam->parked, struct baton_camera_buffer, list);
	if (buf)
		return buf;

	list_for_each_entry(buf, &cam->queued, list)
		if (buf->withdrawn && !buf->failed)
			return buf;
	return NULL;
}

/*
 * The buffer has its new addresses, or cannot get any.  A withdrawn entry that
 * the engine has passed over meanwhile is left to baton_camera_ring_reap().
 */
static void baton_camera_return_moved(struct baton_camera *cam, struct baton_camera_buffer *buf,
				      int error)
{
	buf->failed = error;
	if (buf->state == BATON_CAMERA_PARKED && error) {
		list_del(&buf->list);
		buf->state = BATON_CAMERA_IDLE;
		vb2_buffer_done(&buf->vb.vb2_buf, VB2_BUF_STATE_ERROR);
	} else if (!baton_camera_is_mapped(buf)) {
		return;
	} else if (buf->state == BATON_CAMERA_PARKED) {
		list_del(&buf->list);
		baton_camera_ring_add(cam, buf);
	} else if (buf->withdrawn &&
		   baton_camera_ring_restore(cam, buf) == BATON_CAMERA_RECALL_RESTORED) {
		buf->withdrawn = false;
	}
}

static void baton_camera_move_work(struct work_struct *work)
{
	struct baton_camera *cam = container_of(work, struct baton_camera, move_work);
	struct baton_camera_buffer *buf;
	int ret;

	for (;;) {
		baton_camera_ring_reap(cam);

		spin_lock_irq(&cam->ring_lock);
		buf = baton_camera_next_moved(cam);
		spin_unlock_irq(&cam->ring_lock);
		if (!buf)
			return;

		ret = baton_buf_vb2_map(&buf->vb.vb2_buf, true);
		if (ret)
			dev_warn_ratelimited(cam->dev, "buffer %u lost in a move: %d\n",
					     buf->vb.vb2_buf.index, ret);

		spin_lock_irq(&cam->ring_lock);
		baton_camera_return_moved(cam, buf, ret);
		spin_unlock_irq(&cam->ring_lock);
	}
}

/**
 * baton_camera_move_init() - be ready for buffers to move
 * @cam: the camera
 */
void baton_camera_move_init(struct baton_camera *cam)
{
	INIT_LIST_HEAD(&cam->parked);
	INIT_WORK(&cam->move_work, baton_camera_move_work);
	cam->fence_context = dma_fence_context_alloc(1);
	timer_setup(&cam->hang_timer, baton_camera_hung, 0);
}

/**
 * baton_camera_move_cleanup() - undo baton_camera_move_init()
 * @cam: the camera, not streaming
 */
void baton_camera_move_cleanup(struct baton_camera *cam)
{
	timer_shutdown_sync(&cam->hang_timer);
	cancel_work_sync(&cam->move_work);
}
