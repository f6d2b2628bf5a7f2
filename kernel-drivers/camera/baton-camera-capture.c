// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Baton camera: the capture video node
 */

#include <linux/of.h>
#include <linux/sizes.h>
#include <media/v4l2-common.h>
#include <media/v4l2-event.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-ioctl.h>
#include <media/videobuf2-v4l2.h>

#include "baton-buf.h"
#include "baton-camera.h"

#define BATON_CAMERA_DEFAULT_WIDTH 1920
#define BATON_CAMERA_DEFAULT_HEIGHT 1080
#define BATON_CAMERA_MAX_PITCH (R_CAM_PITCH_PLANE0_MASK & ~(BATON_CAMERA_PITCH_ALIGN - 1))

static const struct baton_camera_format baton_camera_formats[] = {
	{ V4L2_PIX_FMT_XBGR32, BATON_CAMERA_FORMAT_XRGB8888, 4, 1, 1 },
	{ V4L2_PIX_FMT_RGB565, BATON_CAMERA_FORMAT_RGB565, 2, 1, 1 },
	{ V4L2_PIX_FMT_NV12, BATON_CAMERA_FORMAT_NV12, 1, 2, 1 },
	{ V4L2_PIX_FMT_NV12M, BATON_CAMERA_FORMAT_NV12, 1, 2, 2 },
};

static const struct baton_camera_format *baton_camera_find_format(u32 fourcc)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(baton_camera_formats); i++)
		if (baton_camera_formats[i].fourcc == fourcc)
			return &baton_camera_formats[i];
	return NULL;
}

static void baton_camera_fill_yuv_colors(struct baton_camera *cam,
					 struct v4l2_pix_format_mplane *format)
{
	u32 color = baton_camera_read(cam, A_CAM_SRC_COLOR);

	/* The pattern generator's own */
	if (READ_ONCE(cam->ctrl) & R_CAM_CTRL_PATTERN_MASK)
		color = BATON_COLOR_BT601;

	switch (FIELD_EX32(color, CAM_SRC_COLOR, ENCODING)) {
	case BATON_COLOR_BT709:
		format->colorspace = V4L2_COLORSPACE_REC709;
		format->ycbcr_enc = V4L2_YCBCR_ENC_709;
		break;
	case BATON_COLOR_BT2020:
		format->colorspace = V4L2_COLORSPACE_BT2020;
		format->ycbcr_enc = V4L2_YCBCR_ENC_BT2020;
		break;
	default:
		format->colorspace = V4L2_COLORSPACE_SMPTE170M;
		format->ycbcr_enc = V4L2_YCBCR_ENC_601;
		break;
	}
	format->xfer_func = V4L2_XFER_FUNC_709;
	format->quantization = FIELD_EX32(color, CAM_SRC_COLOR, FULL_RANGE) ?
		V4L2_QUANTIZATION_FULL_RANGE : V4L2_QUANTIZATION_LIM_RANGE;
}

static void baton_camera_fill_colors(struct baton_camera *cam,
				     const struct baton_camera_format *info,
				     struct v4l2_pix_format_mplane *format)
{
	if (info->pixel == BATON_CAMERA_FORMAT_NV12) {
		baton_camera_fill_yuv_colors(cam, format);
		return;
	}
	format->colorspace = V4L2_COLORSPACE_SRGB;
	format->ycbcr_enc = V4L2_YCBCR_ENC_601;
	format->xfer_func = V4L2_XFER_FUNC_SRGB;
	format->quantization = V4L2_QUANTIZATION_FULL_RANGE;
}

/*
 * A plane begins where a segment does. In V4L2_PIX_FMT_NV12 the CbCr plane
 * follows right after the last luma line, so the luma plane must be a multiple
 * of the segment alignment.
 */
static u32 baton_camera_pitch_align(const struct baton_camera_format *info, u32 height)
{
	if (info->hw_planes == info->mem_planes)
		return BATON_CAMERA_PITCH_ALIGN;

	return max_t(u32, BATON_CAMERA_SEG_ALIGN / min_t(u32, BIT(__ffs(height)),
							 BATON_CAMERA_SEG_ALIGN),
		     BATON_CAMERA_PITCH_ALIGN);
}

static void baton_camera_fill_planes(const struct baton_camera_format *info,
				     struct v4l2_pix_format_mplane *format)
{
	u32 align = baton_camera_pitch_align(info, format->height);
	u32 max = ALIGN_DOWN(BATON_CAMERA_MAX_PITCH, align);
	u32 min = format->width * info->bytes;
	unsigned int i;

	format->num_planes = info->mem_planes;
	for (i = 0; i < info->mem_planes; i++) {
		struct v4l2_plane_pix_format *plane = &format->plane_fmt[i];
		u32 lines = i ? format->height / 2 : format->height;

		if (info->hw_planes > info->mem_planes)
			lines += lines / 2;
		plane->bytesperline = ALIGN(clamp(plane->bytesperline, min, max), align);
		plane->sizeimage = plane->bytesperline * lines;
		memset(plane->reserved, 0, sizeof(plane->reserved));
	}
}

/* Make @format one that can be captured */
static const struct baton_camera_format *
baton_camera_fit_format(struct baton_camera *cam, struct v4l2_pix_format_mplane *format)
{
	const struct baton_camera_format *info = baton_camera_find_format(format->pixelformat);

	if (!info)
		info = &baton_camera_formats[0];

	format->pixelformat = info->fourcc;
	format->field = V4L2_FIELD_NONE;
	format->flags = 0;
	memset(format->reserved, 0, sizeof(format->reserved));
	baton_camera_fit_size(cam, &format->width, &format->height);
	baton_camera_fill_planes(info, format);
	baton_camera_fill_colors(cam, info, format);
	return info;
}

static int baton_camera_querycap(struct file *file, void *fh, struct v4l2_capability *cap)
{
	struct baton_camera *cam = video_drvdata(file);

	strscpy(cap->driver, BATON_CAMERA_NAME, sizeof(cap->driver));
	strscpy(cap->card, cam->name, sizeof(cap->card));
	return 0;
}

static int baton_camera_enum_fmt(struct file *file, void *fh, struct v4l2_fmtdesc *desc)
{
	if (desc->index >= ARRAY_SIZE(baton_camera_formats))
		return -EINVAL;

	desc->pixelformat = baton_camera_formats[desc->index].fourcc;
	return 0;
}

/* Until there are buffers the format follows the sensor */
static int baton_camera_g_fmt(struct file *file, void *fh, struct v4l2_format *f)
{
	struct baton_camera *cam = video_drvdata(file);

	if (!vb2_is_busy(&cam->queue))
		cam->info = baton_camera_fit_format(cam, &cam->format);
	f->fmt.pix_mp = cam->format;
	return 0;
}

static int baton_camera_try_fmt(struct file *file, void *fh, struct v4l2_format *f)
{
	baton_camera_fit_format(video_drvdata(file), &f->fmt.pix_mp);
	return 0;
}

static int baton_camera_s_fmt(struct file *file, void *fh, struct v4l2_format *f)
{
	struct baton_camera *cam = video_drvdata(file);

	if (vb2_is_busy(&cam->queue))
		return -EBUSY;

	cam->info = baton_camera_fit_format(cam, &f->fmt.pix_mp);
	cam->format = f->fmt.pix_mp;
	return 0;
}

static int baton_camera_enum_framesizes(struct file *file, void *fh,
					struct v4l2_frmsizeenum *fsize)
{
	struct baton_camera *cam = video_drvdata(file);

	if (fsize->index || !baton_camera_find_format(fsize->pixel_format))
		return -EINVAL;

	if (baton_camera_source_size(cam, &fsize->discrete.width, &fsize->discrete.height)) {
		fsize->type = V4L2_FRMSIZE_TYPE_DISCRETE;
		return 0;
	}

	fsize->type = V4L2_FRMSIZE_TYPE_STEPWISE;
	fsize->stepwise = (struct v4l2_frmsize_stepwise){
		.min_width = BATON_CAMERA_MIN_SIZE,
		.max_width = BATON_CAMERA_MAX_WIDTH,
		.step_width = 2,
		.min_height = BATON_CAMERA_MIN_SIZE,
		.max_height = BATON_CAMERA_MAX_HEIGHT,
		.step_height = 2,
	};
	return 0;
}

static int baton_camera_enum_frameintervals(struct file *file, void *fh,
					    struct v4l2_frmivalenum *fival)
{
	u32 width = fival->width;
	u32 height = fival->height;

	if (fival->index || !baton_camera_find_format(fival->pixel_format))
		return -EINVAL;

	baton_camera_fit_size(video_drvdata(file), &width, &height);
	if (width != fival->width || height != fival->height)
		return -EINVAL;

	fival->type = V4L2_FRMIVAL_TYPE_CONTINUOUS;
	fival->stepwise.min = (struct v4l2_fract){ 1, 1000 };
	fival->stepwise.max = (struct v4l2_fract){ 4, 1 };
	fival->stepwise.step = (struct v4l2_fract){ 1, 1 };
	return 0;
}

static int baton_camera_g_parm(struct file *file, void *fh, struct v4l2_streamparm *parm)
{
	struct baton_camera *cam = video_drvdata(file);

	return v4l2_g_parm_cap(&cam->vdev, &cam->sensor, parm);
}

static int baton_camera_s_parm(struct file *file, void *fh, struct v4l2_streamparm *parm)
{
	struct baton_camera *cam = video_drvdata(file);

	if (vb2_is_streaming(&cam->queue))
		return -EBUSY;

	return v4l2_s_parm_cap(&cam->vdev, &cam->sensor, parm);
}

static int baton_camera_enum_input(struct file *file, void *fh, struct v4l2_input *input)
{
	if (input->index)
		return -EINVAL;

	input->type = V4L2_INPUT_TYPE_CAMERA;
	strscpy(input->name, "Sensor", sizeof(input->name));
	return 0;
}

static int baton_camera_g_input(struct file *file, void *fh, unsigned int *index)
{
	*index = 0;
	return 0;
}

static int baton_camera_s_input(struct file *file, void *fh, unsigned int index)
{
	return index ? -EINVAL : 0;
}

static struct baton_camera *baton_camera_from_fh(struct v4l2_fh *fh)
{
	return container_of(fh->vdev, struct baton_camera, vdev);
}

static int baton_camera_frame_sync_add(struct v4l2_subscribed_event *event, unsigned int elems)
{
	baton_camera_frame_sync(baton_camera_from_fh(event->fh), true);
	return 0;
}

static void baton_camera_frame_sync_del(struct v4l2_subscribed_event *event)
{
	baton_camera_frame_sync(baton_camera_from_fh(event->fh), false);
}

static const struct v4l2_subscribed_event_ops baton_camera_frame_sync_ops = {
	.add = baton_camera_frame_sync_add,
	.del = baton_camera_frame_sync_del,
};

static int baton_camera_subscribe_event(struct v4l2_fh *fh,
					const struct v4l2_event_subscription *sub)
{
	switch (sub->type) {
	case V4L2_EVENT_FRAME_SYNC:
		return v4l2_event_subscribe(fh, sub, 4, &baton_camera_frame_sync_ops);
	case V4L2_EVENT_EOS:
		return v4l2_event_subscribe(fh, sub, 2, NULL);
	case V4L2_EVENT_SOURCE_CHANGE:
		return v4l2_src_change_event_subscribe(fh, sub);
	default:
		return v4l2_ctrl_subscribe_event(fh, sub);
	}
}

static const struct v4l2_ioctl_ops baton_camera_ioctl_ops = {
	.vidioc_querycap = baton_camera_querycap,
	.vidioc_enum_fmt_vid_cap = baton_camera_enum_fmt,
	.vidioc_g_fmt_vid_cap_mplane = baton_camera_g_fmt,
	.vidioc_try_fmt_vid_cap_mplane = baton_camera_try_fmt,
	.vidioc_s_fmt_vid_cap_mplane = baton_camera_s_fmt,
	.vidioc_enum_framesizes = baton_camera_enum_framesizes,
	.vidioc_enum_frameintervals = baton_camera_enum_frameintervals,
	.vidioc_g_parm = baton_camera_g_parm,
	.vidioc_s_parm = baton_camera_s_parm,
	.vidioc_enum_input = baton_camera_enum_input,
	.vidioc_g_input = baton_camera_g_input,
	.vidioc_s_input = baton_camera_s_input,
	.vidioc_subscribe_event = baton_camera_subscribe_event,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
	.vidioc_log_status = v4l2_ctrl_log_status,
	.vidioc_reqbufs = vb2_ioctl_reqbufs,
	.vidioc_create_bufs = vb2_ioctl_create_bufs,
	.vidioc_remove_bufs = vb2_ioctl_remove_bufs,
	.vidioc_prepare_buf = vb2_ioctl_prepare_buf,
	.vidioc_querybuf = vb2_ioctl_querybuf,
	.vidioc_qbuf = vb2_ioctl_qbuf,
	.vidioc_dqbuf = vb2_ioctl_dqbuf,
	.vidioc_expbuf = vb2_ioctl_expbuf,
	.vidioc_streamon = vb2_ioctl_streamon,
	.vidioc_streamoff = vb2_ioctl_streamoff,
};

static const struct v4l2_file_operations baton_camera_fops = {
	.owner = THIS_MODULE,
	.open = v4l2_fh_open,
	.release = vb2_fop_release,
	.poll = vb2_fop_poll,
	.mmap = vb2_fop_mmap,
	.unlocked_ioctl = video_ioctl2,
};

static int baton_camera_queue_setup(struct vb2_queue *queue, unsigned int *num_buffers,
				    unsigned int *num_planes, unsigned int sizes[],
				    struct device *alloc_devs[])
{
	struct baton_camera *cam = vb2_get_drv_priv(queue);
	unsigned int i;

	if (*num_planes && *num_planes != cam->format.num_planes)
		return -EINVAL;

	for (i = 0; i < cam->format.num_planes; i++) {
		u32 size = cam->format.plane_fmt[i].sizeimage;

		if (!*num_planes)
			sizes[i] = size;
		else if (sizes[i] < size)
			return -EINVAL;
	}
	*num_planes = cam->format.num_planes;
	return 0;
}

static void baton_camera_buf_cleanup(struct vb2_buffer *vb)
{
	struct baton_camera *cam = vb2_get_drv_priv(vb->vb2_queue);
	struct baton_camera_buffer *buf = to_baton_camera_buffer(vb);
	unsigned int i;

	for (i = 0; i < BATON_CAMERA_HW_PLANES; i++)
		baton_camera_segments_free(cam, &buf->lists[i]);
	buf->mapped = 0;
}

static int baton_camera_buf_prepare(struct vb2_buffer *vb)
{
	struct baton_camera *cam = vb2_get_drv_priv(vb->vb2_queue);
	unsigned int i;

	for (i = 0; i < cam->format.num_planes; i++) {
		u32 size = cam->format.plane_fmt[i].sizeimage;

		if (vb2_plane_size(vb, i) < size)
			return -EINVAL;
		vb2_set_plane_payload(vb, i, size);
	}
	return baton_buf_vb2_map(vb, false);
}

static void baton_camera_buf_queue(struct vb2_buffer *vb)
{
	struct baton_camera *cam = vb2_get_drv_priv(vb->vb2_queue);

	baton_camera_ring_queue(cam, to_baton_camera_buffer(vb));
}

static int baton_camera_start_streaming(struct vb2_queue *queue, unsigned int count)
{
	struct baton_camera *cam = vb2_get_drv_priv(queue);
	int ret;

	ret = video_device_pipeline_start(&cam->vdev, &cam->pipe);
	if (ret)
		goto err_return;

	baton_camera_grab_ctrls(cam, true);
	cam->next_sequence = 0;
	ret = baton_camera_ring_start(cam);
	if (ret)
		goto err_pipeline;
	return 0;

err_pipeline:
	baton_camera_grab_ctrls(cam, false);
	video_device_pipeline_stop(&cam->vdev);
err_return:
	baton_camera_ring_return(cam, VB2_BUF_STATE_QUEUED);
	return ret;
}

static void baton_camera_stop_streaming(struct vb2_queue *queue)
{
	struct baton_camera *cam = vb2_get_drv_priv(queue);

	baton_camera_ring_stop(cam);
	baton_camera_ring_return(cam, VB2_BUF_STATE_ERROR);
	baton_camera_grab_ctrls(cam, false);
	video_device_pipeline_stop(&cam->vdev);
}

static const struct vb2_ops baton_camera_queue_ops = {
	.queue_setup = baton_camera_queue_setup,
	.buf_cleanup = baton_camera_buf_cleanup,
	.buf_prepare = baton_camera_buf_prepare,
	.buf_finish = baton_buf_vb2_finish,
	.buf_queue = baton_camera_buf_queue,
	.start_streaming = baton_camera_start_streaming,
	.stop_streaming = baton_camera_stop_streaming,
	BATON_VB2_WAIT_OPS
};

static int baton_camera_queue_init(struct baton_camera *cam)
{
	struct vb2_queue *queue = &cam->queue;

	queue->type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
	queue->io_modes = VB2_MMAP | VB2_DMABUF;
	queue->dev = cam->dev;
	queue->lock = &cam->lock;
	queue->drv_priv = cam;
	queue->ops = &baton_camera_queue_ops;
	queue->mem_ops = &baton_camera_memory.mem;
	queue->buf_struct_size = sizeof(struct baton_camera_buffer);
	queue->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC |
				 V4L2_BUF_FLAG_TSTAMP_SRC_SOE;
	return vb2_queue_init(queue);
}

/**
 * baton_camera_capture_init() - make the capture node and link it to the sensor
 * @cam: the camera
 *
 * The node is not registered yet.
 *
 * Return: 0 or a negative error code.
 */
int baton_camera_capture_init(struct baton_camera *cam)
{
	struct video_device *vdev = &cam->vdev;
	int ret;

	cam->format.width = BATON_CAMERA_DEFAULT_WIDTH;
	cam->format.height = BATON_CAMERA_DEFAULT_HEIGHT;
	cam->info = baton_camera_fit_format(cam, &cam->format);
	ret = baton_camera_queue_init(cam);
	if (ret)
		return ret;

	strscpy(vdev->name, cam->name, sizeof(vdev->name));
	vdev->fops = &baton_camera_fops;
	vdev->ioctl_ops = &baton_camera_ioctl_ops;
	vdev->release = video_device_release_empty;
	vdev->v4l2_dev = &cam->v4l2_dev;
	vdev->lock = &cam->lock;
	vdev->queue = &cam->queue;
	vdev->device_caps = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_STREAMING;
	video_set_drvdata(vdev, cam);

	cam->vdev_pad.flags = MEDIA_PAD_FL_SINK;
	return media_entity_pads_init(&vdev->entity, 1, &cam->vdev_pad);
}
