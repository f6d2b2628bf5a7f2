// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: the ring of frame descriptors and the interrupt
 *
 * The engine takes descriptors in ring order and ends them in that order, so
 * the buffers in flight are a list and a descriptor's index is only ever
 * compared with HEAD and TAIL.
 */

#include <linux/dma-mapping.h>
#include <linux/ktime.h>
#include <media/v4l2-event.h>

#include "baton-camera.h"

static_assert(sizeof(struct baton_camera_desc) == BATON_CAMERA_DESC_SIZE);
static_assert(offsetof(struct baton_camera_desc, list) == BATON_CAMERA_DESC_LIST0);
static_assert(offsetof(struct baton_camera_desc, count) == BATON_CAMERA_DESC_COUNT0);
static_assert(offsetof(struct baton_camera_desc, status) == BATON_CAMERA_DESC_STATUS);
static_assert(offsetof(struct baton_camera_desc, err_addr) == BATON_CAMERA_DESC_ERR_ADDR);

#define BATON_CAMERA_IRQS (R_CAM_IRQ_STATUS_FRAME_DONE_MASK |	\
			   R_CAM_IRQ_STATUS_BUS_ERROR_MASK |	\
			   R_CAM_IRQ_STATUS_DESC_ERROR_MASK |	\
			   R_CAM_IRQ_STATUS_SOURCE_MASK)

#define BATON_CAMERA_CLOCK_ERROR_NS (20 * NSEC_PER_USEC)
#define BATON_CAMERA_CLOCK_TRIES 5

static const char * const baton_camera_status_names[] = {
	[BATON_CAMERA_DESC_PENDING] = "not written",
	[BATON_CAMERA_DESC_DONE] = "done",
	[BATON_CAMERA_DESC_OVERRUN] = "overrun",
	[BATON_CAMERA_DESC_BUS_ERROR] = "bus error",
	[BATON_CAMERA_DESC_BAD_DESC] = "bad descriptor",
	[BATON_CAMERA_DESC_BAD_SEGMENT] = "bad segment",
	[BATON_CAMERA_DESC_SHORT_LIST] = "segment list too short",
	[BATON_CAMERA_DESC_SOURCE] = "no complete frame from the sensor",
	[BATON_CAMERA_DESC_BAD_CONFIG] = "bad register value",
	[BATON_CAMERA_DESC_RING_ERROR] = "ring not accessible",
};

static const char *baton_camera_status_name(u32 status)
{
	if (status >= ARRAY_SIZE(baton_camera_status_names))
		return "unknown status";
	return baton_camera_status_names[status];
}

static unsigned int baton_camera_ring_next(unsigned int index)
{
	return (index + 1) % BATON_CAMERA_RING_ENTRIES;
}

/**
 * baton_camera_ring_init() - allocate the ring
 * @cam: the camera
 *
 * Return: 0 or -ENOMEM.
 */
int baton_camera_ring_init(struct baton_camera *cam)
{
	INIT_LIST_HEAD(&cam->queued);
	spin_lock_init(&cam->ring_lock);
	cam->irq_enable = BATON_CAMERA_IRQS;
	baton_camera_move_init(cam);
	cam->ring = dmam_alloc_coherent(cam->dev,
					BATON_CAMERA_RING_ENTRIES * sizeof(*cam->ring),
					&cam->ring_dma, GFP_KERNEL);
	return cam->ring ? 0 : -ENOMEM;
}

/* Frame times that have ended since reset, in whatever way */
static u32 baton_camera_ended_frames(struct baton_camera *cam)
{
	return baton_camera_read(cam, A_CAM_FRAMES) +
	       baton_camera_read(cam, A_CAM_DROPS) +
	       baton_camera_read(cam, A_CAM_OVERRUNS) +
	       baton_camera_read(cam, A_CAM_ERRORS);
}

static void baton_camera_fill_desc(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	struct baton_camera_desc *desc = &cam->ring[buf->index];
	unsigned int plane;

	memset(desc, 0, sizeof(*desc));
	desc->cookie = cpu_to_le32(buf->vb.vb2_buf.index);
	for (plane = 0; plane < cam->info->hw_planes; plane++) {
		desc->list[plane] = cpu_to_le64(buf->lists[plane].dma);
		desc->count[plane] = cpu_to_le16(buf->lists[plane].count);
	}
}

static void baton_camera_append_desc(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	buf->index = cam->tail;
	buf->withdrawn = false;
	baton_camera_fill_desc(cam, buf);
	cam->tail = baton_camera_ring_next(cam->tail);
}

/**
 * baton_camera_ring_add() - put a buffer at the end of the ring
 * @cam: the camera
 * @buf: the buffer, mapped, on no list
 *
 * Call with ring_lock held.
 */
void baton_camera_ring_add(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	buf->state = BATON_CAMERA_QUEUED;
	list_add_tail(&buf->list, &cam->queued);
	if (cam->running) {
		baton_camera_append_desc(cam, buf);
		baton_camera_write(cam, A_CAM_TAIL, cam->tail);
	}
}

/**
 * baton_camera_ring_queue() - hand a buffer to the engine
 * @cam: the camera
 * @buf: the buffer
 *
 * While the engine is stopped the buffer waits for baton_camera_ring_start().
 */
void baton_camera_ring_queue(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	unsigned long flags;

	spin_lock_irqsave(&cam->ring_lock, flags);
	buf->failed = false;
	if (baton_camera_is_mapped(buf))
		baton_camera_ring_add(cam, buf);
	else
		baton_camera_park(cam, buf);
	spin_unlock_irqrestore(&cam->ring_lock, flags);
}

/**
 * baton_camera_ring_recall() - take a buffer back from the running engine
 * @cam: the camera
 * @buf: a buffer in the ring
 *
 * Call with ring_lock held.
 *
 * Return: BATON_CAMERA_RECALL_*; only if it is WITHDRAWN the engine will not
 * touch the buffer.
 */
u32 baton_camera_ring_recall(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	baton_camera_write(cam, A_CAM_RECALL, buf->index);
	return FIELD_EX32(baton_camera_read(cam, A_CAM_RECALL_RESULT), CAM_RECALL_RESULT, RESULT);
}

/**
 * baton_camera_ring_restore() - give a recalled buffer back, in its old place
 * @cam: the camera
 * @buf: the buffer, mapped
 *
 * Call with ring_lock held.
 *
 * Return: BATON_CAMERA_RECALL_RESTORED, or another value if its turn is over.
 */
u32 baton_camera_ring_restore(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	baton_camera_fill_desc(cam, buf);
	baton_camera_write(cam, A_CAM_RESTORE, buf->index);
	return FIELD_EX32(baton_camera_read(cam, A_CAM_RECALL_RESULT), CAM_RECALL_RESULT, RESULT);
}

static void baton_camera_set_up(struct baton_camera *cam, u32 interval)
{
	const struct v4l2_pix_format_mplane *format = &cam->format;
	u32 size = FIELD_PREP(R_CAM_SIZE_WIDTH_MASK, format->width) |
		   FIELD_PREP(R_CAM_SIZE_HEIGHT_MASK, format->height);
	u32 pitch = FIELD_PREP(R_CAM_PITCH_PLANE0_MASK, format->plane_fmt[0].bytesperline);

	if (cam->info->hw_planes > 1) {
		unsigned int plane = cam->info->mem_planes - 1;

		pitch |= FIELD_PREP(R_CAM_PITCH_PLANE1_MASK,
				    format->plane_fmt[plane].bytesperline);
	}

	baton_camera_write(cam, A_CAM_FORMAT, cam->info->pixel);
	baton_camera_write(cam, A_CAM_SIZE, size);
	baton_camera_write(cam, A_CAM_PITCH, pitch);
	cam->interval_ms = interval / NSEC_PER_MSEC;
	baton_camera_write(cam, A_CAM_INTERVAL, interval);
	baton_camera_write(cam, A_CAM_RING_LO, lower_32_bits(cam->ring_dma));
	baton_camera_write(cam, A_CAM_RING_HI, upper_32_bits(cam->ring_dma));
	baton_camera_write(cam, A_CAM_RING_SIZE, BATON_CAMERA_RING_ENTRIES);
}

static void baton_camera_rewind(struct baton_camera *cam)
{
	struct baton_camera_buffer *buf, *next;

	cam->head = 0;
	cam->tail = 0;
	list_for_each_entry_safe(buf, next, &cam->queued, list) {
		if (baton_camera_is_mapped(buf)) {
			baton_camera_append_desc(cam, buf);
		} else {
			list_del(&buf->list);
			baton_camera_park(cam, buf);
		}
	}
	baton_camera_write(cam, A_CAM_TAIL, cam->tail);

	cam->first_sequence = cam->next_sequence;
	cam->ended_frames = baton_camera_ended_frames(cam);
}

static int baton_camera_enable(struct baton_camera *cam)
{
	u32 error;

	baton_camera_write(cam, A_CAM_ERR_STATUS, 0);
	cam->ctrl |= R_CAM_CTRL_ENABLE_MASK;
	baton_camera_write(cam, A_CAM_CTRL, cam->ctrl);
	if (baton_camera_read(cam, A_CAM_CTRL) & R_CAM_CTRL_ENABLE_MASK) {
		cam->running = true;
		return 0;
	}

	cam->ctrl &= ~R_CAM_CTRL_ENABLE_MASK;
	error = FIELD_EX32(baton_camera_read(cam, A_CAM_ERR_STATUS), CAM_ERR_STATUS, CODE);
	dev_err(cam->dev, "%ux%u refused: %s\n", cam->format.width, cam->format.height,
		baton_camera_status_name(error));
	return -EPIPE;
}

/**
 * baton_camera_ring_start() - start the engine
 * @cam: the camera
 *
 * Buffers queued so far go to the engine in their order. Frames continue to
 * count from next_sequence.
 *
 * Return: 0, or -EPIPE if the engine refuses the format.
 */
int baton_camera_ring_start(struct baton_camera *cam)
{
	u32 interval = baton_camera_interval_ns(cam);
	int ret;

	spin_lock_irq(&cam->ring_lock);
	baton_camera_set_up(cam, interval);
	baton_camera_rewind(cam);
	ret = baton_camera_enable(cam);
	spin_unlock_irq(&cam->ring_lock);
	return ret;
}

static void baton_camera_log(struct baton_camera *cam, struct baton_camera_buffer *buf,
			     u64 hash)
{
	struct baton_camera_log_entry *entry;
	unsigned int plane;

	entry = &cam->log[cam->log_count++ % BATON_CAMERA_LOG_ENTRIES];
	entry->timestamp = buf->vb.vb2_buf.timestamp;
	entry->hash = hash;
	for (plane = 0; plane < BATON_CAMERA_HW_PLANES; plane++) {
		entry->address[plane] = buf->lists[plane].address;
		entry->pieces[plane] = buf->lists[plane].count;
	}
	entry->sequence = buf->vb.sequence;
	entry->status = buf->status;
	entry->buffer = buf->vb.vb2_buf.index;
}

static void baton_camera_warn(struct baton_camera *cam, struct baton_camera_buffer *buf,
			      u64 address)
{
	const char *status = baton_camera_status_name(buf->status);

	if (address)
		dev_warn_ratelimited(cam->dev, "frame %u failed: %s at bus address %#llx\n",
				     buf->vb.sequence, status, address);
	else
		dev_warn_ratelimited(cam->dev, "frame %u failed: %s\n",
				     buf->vb.sequence, status);
}

/*
 * From the engine's clock to CLOCK_MONOTONIC. The two are read one after the
 * other: not too far apart.
 */
static u64 baton_camera_clock_offset(struct baton_camera *cam)
{
	unsigned int tries = BATON_CAMERA_CLOCK_TRIES;
	u64 before, engine, after;

	do {
		before = ktime_get_ns();
		engine = baton_camera_read64(cam, A_CAM_TIME_LO);
		after = ktime_get_ns();
	} while (after - before > BATON_CAMERA_CLOCK_ERROR_NS && --tries);

	return before - engine;
}

/* Give a buffer to vb2. */
static void baton_camera_buffer_done(struct baton_camera_buffer *buf, enum vb2_buffer_state state)
{
	list_del(&buf->list);
	buf->state = BATON_CAMERA_IDLE;
	vb2_buffer_done(&buf->vb.vb2_buf, state);
	baton_camera_signal(buf, 0);
}

static void baton_camera_end_frame(struct baton_camera *cam, struct baton_camera_buffer *buf,
				   const struct baton_camera_desc *desc, u64 clock_offset)
{
	buf->status = le32_to_cpu(desc->status);
	buf->vb.field = V4L2_FIELD_NONE;
	buf->vb.sequence = cam->first_sequence + le32_to_cpu(desc->sequence);
	buf->vb.vb2_buf.timestamp = le64_to_cpu(desc->timestamp) + clock_offset;
	cam->next_sequence = buf->vb.sequence + 1;
	baton_camera_log(cam, buf, le64_to_cpu(desc->hash));

	if (buf->status != BATON_CAMERA_DESC_DONE)
		baton_camera_warn(cam, buf, le64_to_cpu(desc->err_addr));
	baton_camera_buffer_done(buf, buf->status == BATON_CAMERA_DESC_DONE ?
				 VB2_BUF_STATE_DONE : VB2_BUF_STATE_ERROR);
}

/* The engine has passed over the entry of a buffer that moved */
static void baton_camera_passed_over(struct baton_camera *cam, struct baton_camera_buffer *buf)
{
	if (buf->failed) {
		baton_camera_buffer_done(buf, VB2_BUF_STATE_ERROR);
	} else {
		list_del(&buf->list);
		baton_camera_park(cam, buf);
	}
}

/**
 * baton_camera_ring_reap() - return the buffers whose descriptors have ended
 * @cam: the camera
 */
void baton_camera_ring_reap(struct baton_camera *cam)
{
	struct baton_camera_buffer *buf;
	unsigned long flags;
	unsigned int head;
	u64 offset;

	spin_lock_irqsave(&cam->ring_lock, flags);
	head = FIELD_EX32(baton_camera_read(cam, A_CAM_HEAD), CAM_HEAD, INDEX);
	if (cam->head != head)
		offset = baton_camera_clock_offset(cam);

	while (cam->head != head && !list_empty(&cam->queued)) {
		buf = list_first_entry(&cam->queued, struct baton_camera_buffer, list);
		if (buf->withdrawn)
			baton_camera_passed_over(cam, buf);
		else
			baton_camera_end_frame(cam, buf, &cam->ring[cam->head], offset);
		cam->head = baton_camera_ring_next(cam->head);
	}
	spin_unlock_irqrestore(&cam->ring_lock, flags);
}

/**
 * baton_camera_ring_stop() - stop the engine
 * @cam: the camera
 *
 * The frame in flight is abandoned; its buffer and those behind it stay
 * queued. The engine does not touch them when the function returns.
 */
void baton_camera_ring_stop(struct baton_camera *cam)
{
	struct baton_camera_buffer *buf;

	spin_lock_irq(&cam->ring_lock);
	cam->running = false;
	cam->ctrl &= ~R_CAM_CTRL_ENABLE_MASK;
	baton_camera_write(cam, A_CAM_CTRL, cam->ctrl);
	spin_unlock_irq(&cam->ring_lock);

	baton_camera_ring_reap(cam);
	synchronize_irq(cam->irq);

	spin_lock_irq(&cam->ring_lock);
	list_for_each_entry(buf, &cam->queued, list) {
		buf->withdrawn = false;
		baton_camera_signal(buf, 0);
	}
	spin_unlock_irq(&cam->ring_lock);
}

/**
 * baton_camera_ring_return() - give all queued buffers back to vb2
 * @cam: the camera, stopped
 * @state: in which state
 */
void baton_camera_ring_return(struct baton_camera *cam, enum vb2_buffer_state state)
{
	struct baton_camera_buffer *buf, *next;

	cancel_work_sync(&cam->move_work);
	spin_lock_irq(&cam->ring_lock);
	list_splice_tail_init(&cam->parked, &cam->queued);
	list_for_each_entry_safe(buf, next, &cam->queued, list)
		baton_camera_buffer_done(buf, state);
	spin_unlock_irq(&cam->ring_lock);
}

/**
 * baton_camera_update_ctrl() - change a bit of CAM_CTRL
 * @cam: the camera
 * @mask: the bit
 * @set: its new value
 */
void baton_camera_update_ctrl(struct baton_camera *cam, u32 mask, bool set)
{
	spin_lock_irq(&cam->ring_lock);
	cam->ctrl = set ? cam->ctrl | mask : cam->ctrl & ~mask;
	baton_camera_write(cam, A_CAM_CTRL, cam->ctrl);
	spin_unlock_irq(&cam->ring_lock);
}

/**
 * baton_camera_frame_sync() - subscribe to the start of frames, or no more
 * @cam: the camera
 * @subscribe: which
 */
void baton_camera_frame_sync(struct baton_camera *cam, bool subscribe)
{
	spin_lock_irq(&cam->ring_lock);
	cam->frame_sync_users += subscribe ? 1 : -1;
	if (cam->frame_sync_users)
		cam->irq_enable |= R_CAM_IRQ_STATUS_FRAME_START_MASK;
	else
		cam->irq_enable &= ~R_CAM_IRQ_STATUS_FRAME_START_MASK;
	baton_camera_write(cam, A_CAM_IRQ_ENABLE, cam->irq_enable);
	spin_unlock_irq(&cam->ring_lock);
}

/*
 * The engine does not say which frame has started: it is the one after those
 * that have ended, unless it has ended meanwhile.
 */
static void baton_camera_frame_started(struct baton_camera *cam)
{
	struct v4l2_event event = { .type = V4L2_EVENT_FRAME_SYNC };
	u32 sequence;

	spin_lock(&cam->ring_lock);
	sequence = cam->first_sequence + baton_camera_ended_frames(cam) - cam->ended_frames;
	if (!(baton_camera_read(cam, A_CAM_STATUS) & R_CAM_STATUS_IN_FRAME_MASK))
		sequence--;
	spin_unlock(&cam->ring_lock);

	event.u.frame_sync.frame_sequence = sequence;
	v4l2_event_queue(&cam->vdev, &event);
}

static void baton_camera_check_halted(struct baton_camera *cam)
{
	u64 address;
	u32 error;

	if (!(baton_camera_read(cam, A_CAM_STATUS) & R_CAM_STATUS_HALTED_MASK))
		return;

	error = FIELD_EX32(baton_camera_read(cam, A_CAM_ERR_STATUS), CAM_ERR_STATUS, CODE);
	address = baton_camera_read64(cam, A_CAM_ERR_ADDR_LO);
	dev_err(cam->dev, "halted: %s, bus address %#llx\n",
		baton_camera_status_name(error), address);
	vb2_queue_error(&cam->queue);
}

/**
 * baton_camera_irq() - interrupt handler
 * @irq: its number
 * @data: the camera
 *
 * Return: whether the engine had raised it.
 */
irqreturn_t baton_camera_irq(int irq, void *data)
{
	struct baton_camera *cam = data;
	u32 status;

	status = baton_camera_read(cam, A_CAM_IRQ_STATUS) & READ_ONCE(cam->irq_enable);
	if (!status)
		return IRQ_NONE;

	baton_camera_write(cam, A_CAM_IRQ_STATUS, status);
	if (status & R_CAM_IRQ_STATUS_FRAME_START_MASK)
		baton_camera_frame_started(cam);
	if (status & R_CAM_IRQ_STATUS_FRAME_DONE_MASK)
		baton_camera_ring_reap(cam);
	if (status & R_CAM_IRQ_STATUS_SOURCE_MASK)
		baton_camera_source_changed(cam);
	if (status & (R_CAM_IRQ_STATUS_BUS_ERROR_MASK | R_CAM_IRQ_STATUS_DESC_ERROR_MASK))
		baton_camera_check_halted(cam);
	return IRQ_HANDLED;
}
