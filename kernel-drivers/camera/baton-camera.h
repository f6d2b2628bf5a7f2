/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Baton camera: shared between the parts of the driver
 */
#ifndef BATON_CAMERA_H
#define BATON_CAMERA_H

#include <linux/dma-fence.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>
#include <media/media-device.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-dev.h>
#include <media/v4l2-device.h>
#include <media/v4l2-subdev.h>
#include <media/videobuf2-v4l2.h>

#include "baton-registerfields.h"
#include "baton-camera-regs.h"

#define BATON_CAMERA_NAME "baton-camera"
#define BATON_CAMERA_HW_PLANES 2
/* A ring with one entry free always takes all buffers of a queue. */
#define BATON_CAMERA_RING_ENTRIES 64
#define BATON_CAMERA_LOG_ENTRIES 256

/* A frame descriptor in the ring; offsets BATON_CAMERA_DESC_* */
struct baton_camera_desc {
	__le32 cookie;
	__le32 reserved;
	__le64 list[BATON_CAMERA_HW_PLANES];
	__le16 count[BATON_CAMERA_HW_PLANES];
	__le32 reserved2;
	__le32 status;
	__le32 sequence;
	__le64 timestamp;
	__le64 hash;
	__le64 err_addr;
};

/* A segment list entry; offsets BATON_CAMERA_SEG_* */
struct baton_camera_segment {
	__le64 address;
	__le32 length;
	__le32 reserved;
};

/**
 * struct baton_camera_format - a pixel format
 * @fourcc: V4L2_PIX_FMT_*
 * @pixel: BATON_CAMERA_FORMAT_*
 * @bytes: bytes per pixel of the first plane
 * @hw_planes: planes that the engine writes
 * @mem_planes: memory planes in the V4L2 API
 */
struct baton_camera_format {
	u32 fourcc;
	u8 pixel;
	u8 bytes;
	u8 hw_planes;
	u8 mem_planes;
};

/**
 * struct baton_camera_list - where a plane lies, in the form the engine reads
 * @segments: coherent memory
 * @dma: its bus address
 * @size: its size in bytes
 * @count: number of segments
 * @address: CPU address of the plane's first byte
 */
struct baton_camera_list {
	struct baton_camera_segment *segments;
	dma_addr_t dma;
	size_t size;
	u16 count;
	phys_addr_t address;
};

/* Where a buffer is between buf_queue and vb2_buffer_done() */
enum baton_camera_state {
	BATON_CAMERA_IDLE,	/* with vb2 */
	BATON_CAMERA_QUEUED,	/* in the ring, or waiting for the engine to start */
	BATON_CAMERA_PARKED,	/* has moved and waits for its new addresses */
};

/**
 * struct baton_camera_buffer - a V4L2 buffer and its segment lists
 * @vb: the buffer
 * @lists: of all planes; written while the engine does not know the buffer
 * @status: BATON_CAMERA_DESC_* of the last frame in it
 * @list: in &baton_camera.queued or &baton_camera.parked, by @state
 * @state: where it is
 * @mapped: memory planes whose @lists are valid
 * @index: of its descriptor, while queued with the engine running
 * @withdrawn: recalled from the ring, where its entry still is
 * @failed: it could not be mapped after a move
 * @fence: signals when the frame in flight has ended, if a move asked for it
 * @deadline: in jiffies, by which it must have
 * @leaving: memory planes that move then
 */
struct baton_camera_buffer {
	struct vb2_v4l2_buffer vb;
	struct baton_camera_list lists[BATON_CAMERA_HW_PLANES];
	u32 status;

	/* under ring_lock */
	struct list_head list;
	enum baton_camera_state state;
	unsigned long mapped;
	unsigned int index;
	bool withdrawn;
	bool failed;
	struct dma_fence *fence;
	unsigned long deadline;
	unsigned long leaving;
};

/**
 * struct baton_camera_log_entry - a finished frame, for debugfs
 * @timestamp: CLOCK_MONOTONIC, ns, of the frame's start
 * @hash: over the pixels, 0 if off
 * @address: CPU address of the first byte of each plane
 * @pieces: number of segments of each plane
 * @sequence: as in the V4L2 buffer
 * @status: BATON_CAMERA_DESC_*
 * @buffer: index of the V4L2 buffer
 */
struct baton_camera_log_entry {
	u64 timestamp;
	u64 hash;
	phys_addr_t address[BATON_CAMERA_HW_PLANES];
	u16 pieces[BATON_CAMERA_HW_PLANES];
	u32 sequence;
	u32 status;
	u32 buffer;
};

/**
 * struct baton_camera - a camera engine
 * @dev: the device
 * @regs: its registers
 * @irq: its interrupt
 * @name: "baton-camera.N", N from the device tree alias
 * @mdev: media device with @sensor and @vdev
 * @v4l2_dev: owns this structure
 * @vdev: capture node
 * @vdev_pad: its pad
 * @pipe: pipeline of the media graph while streaming
 * @queue: its buffers
 * @lock: serialises file operations, protects @format and @info
 * @format: what to capture
 * @info: entry of the format table for @format
 * @sensor: source of the pictures
 * @sensor_pad: its pad
 * @ctrls: controls of the sensor
 * @test_pattern: the pattern generator stands in for the sensor
 * @free_running: V4L2_CID_BATON_FREE_RUNNING
 * @ring_lock: protects all below and the registers
 * @ctrl: value of CAM_CTRL
 * @irq_enable: value of CAM_IRQ_ENABLE
 * @dma_rate: CAM_DMA_RATE while suspended
 * @frame_sync_users: subscriptions to V4L2_EVENT_FRAME_SYNC
 * @ring: descriptors, coherent memory
 * @ring_dma: their bus address
 * @head: first descriptor that has not been reaped
 * @tail: first free descriptor
 * @queued: buffers in the ring, in its order
 * @parked: buffers that have moved and wait for @move_work
 * @running: the engine may be told about new buffers
 * @move_work: gives buffers that have moved to the engine again
 * @fence_context: of the fences of frames in flight
 * @fence_seqno: of the last fence
 * @interval_ms: the time between two frames, rounded down
 * @hang_timer: limits the time in which they signal
 * @first_sequence: V4L2 sequence of the engine's frame 0
 * @next_sequence: one more than the last frame's
 * @ended_frames: frame times that had ended when the engine was started
 * @source_size: CAM_SRC_SIZE when it was last looked at
 * @source_state: CAM_SRC_STATUS when it was last looked at
 * @log: last finished frames
 * @log_count: frames logged since probe
 * @debugfs: directory
 */
struct baton_camera {
	struct device *dev;
	void __iomem *regs;
	int irq;
	char name[32];

	struct media_device mdev;
	struct v4l2_device v4l2_dev;
	struct video_device vdev;
	struct media_pad vdev_pad;
	struct media_pipeline pipe;
	struct vb2_queue queue;
	struct mutex lock; /* file operations and format */
	struct v4l2_pix_format_mplane format;
	const struct baton_camera_format *info;

	struct v4l2_subdev sensor;
	struct media_pad sensor_pad;
	struct v4l2_ctrl_handler ctrls;
	struct v4l2_ctrl *test_pattern;
	struct v4l2_ctrl *free_running;

	spinlock_t ring_lock; /* ring, registers and log */
	u32 ctrl;
	u32 irq_enable;
	u32 dma_rate;
	unsigned int frame_sync_users;
	struct baton_camera_desc *ring;
	dma_addr_t ring_dma;
	unsigned int head;
	unsigned int tail;
	struct list_head queued;
	struct list_head parked;
	bool running;
	struct work_struct move_work;
	u64 fence_context;
	atomic64_t fence_seqno;
	u32 interval_ms;
	struct timer_list hang_timer;
	u32 first_sequence;
	u32 next_sequence;
	u32 ended_frames;
	u32 source_size;
	u32 source_state;
	struct baton_camera_log_entry log[BATON_CAMERA_LOG_ENTRIES];
	unsigned int log_count;

	struct dentry *debugfs;
};

static inline u32 baton_camera_read(struct baton_camera *cam, u32 reg)
{
	return readl(cam->regs + reg);
}

static inline void baton_camera_write(struct baton_camera *cam, u32 reg, u32 value)
{
	writel(value, cam->regs + reg);
}

/* Reading LO latches HI.  Call with ring_lock held. */
static inline u64 baton_camera_read64(struct baton_camera *cam, u32 lo)
{
	u32 low = baton_camera_read(cam, lo);

	return low | (u64)baton_camera_read(cam, lo + 4) << 32;
}

static inline struct baton_camera_buffer *to_baton_camera_buffer(struct vb2_buffer *vb)
{
	return container_of(to_vb2_v4l2_buffer(vb), struct baton_camera_buffer, vb);
}

/* baton-camera-ring.c */
int baton_camera_ring_init(struct baton_camera *cam);
int baton_camera_ring_start(struct baton_camera *cam);
void baton_camera_ring_stop(struct baton_camera *cam);
void baton_camera_ring_return(struct baton_camera *cam, enum vb2_buffer_state state);
void baton_camera_ring_queue(struct baton_camera *cam, struct baton_camera_buffer *buf);
void baton_camera_update_ctrl(struct baton_camera *cam, u32 mask, bool set);
void baton_camera_frame_sync(struct baton_camera *cam, bool subscribe);
irqreturn_t baton_camera_irq(int irq, void *data);

void baton_camera_ring_add(struct baton_camera *cam, struct baton_camera_buffer *buf);
void baton_camera_ring_reap(struct baton_camera *cam);
u32 baton_camera_ring_recall(struct baton_camera *cam, struct baton_camera_buffer *buf);
u32 baton_camera_ring_restore(struct baton_camera *cam, struct baton_camera_buffer *buf);

/* baton-camera-move.c */
extern const struct baton_buf_vb2_ops baton_camera_memory;
void baton_camera_move_init(struct baton_camera *cam);
void baton_camera_move_cleanup(struct baton_camera *cam);
void baton_camera_park(struct baton_camera *cam, struct baton_camera_buffer *buf);
bool baton_camera_is_mapped(struct baton_camera_buffer *buf);
void baton_camera_signal(struct baton_camera_buffer *buf, int error);

/* baton-camera-segments.c */
int baton_camera_segments_fill(struct baton_camera *cam, struct baton_camera_list *list,
			       struct sg_table *sgt, size_t offset);
void baton_camera_segments_free(struct baton_camera *cam, struct baton_camera_list *list);

/* baton-camera-capture.c */
int baton_camera_capture_init(struct baton_camera *cam);

/* baton-camera-sensor.c */
int baton_camera_sensor_init(struct baton_camera *cam);
void baton_camera_sensor_cleanup(struct baton_camera *cam);
void baton_camera_source_changed(struct baton_camera *cam);
void baton_camera_grab_ctrls(struct baton_camera *cam, bool grabbed);
bool baton_camera_source_size(struct baton_camera *cam, u32 *width, u32 *height);
void baton_camera_fit_size(struct baton_camera *cam, u32 *width, u32 *height);
u32 baton_camera_interval_ns(struct baton_camera *cam);

/* baton-camera-debugfs.c */
void baton_camera_debugfs_init(struct baton_camera *cam);

#endif
