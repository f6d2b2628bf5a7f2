// SPDX-License-Identifier: GPL-2.0-or-later
/* The camera: a V4L2 capture node with the multi-planar API. */
#include <errno.h>
#include <fcntl.h>
#include <linux/baton-camera.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pipeline.h"

#define DRIVER "baton-camera"
#define TYPE V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

struct camera {
	struct source source;
	const char *path;
	enum allocator allocator;
	struct image image;
	uint32_t memory;
	unsigned int count;
	int fds[MAX_BUFFERS];		/* with V4L2_MEMORY_DMABUF */
};

static struct camera camera;

static bool is_our_camera(const char *path)
{
	struct v4l2_capability capability = { 0 };
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool ours;

	if (fd < 0)
		return false;
	ours = !xioctl(fd, VIDIOC_QUERYCAP, &capability) &&
	       !strcmp((char *)capability.driver, DRIVER) &&
	       (capability.device_caps & V4L2_CAP_VIDEO_CAPTURE_MPLANE);
	close(fd);
	return ours;
}

const char *camera_find(void)
{
	static char path[32];
	bool denied = false;

	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/video%d", i);
		if (is_our_camera(path))
			return path;
		denied |= errno == EACCES;
	}
	if (denied)
		fail("no permission for /dev/video*; try as root");
	fail("no camera of driver " DRIVER " found: load its module, or name "
	     "another with --camera");
}

static void set_format(uint32_t pixelformat, uint32_t width, uint32_t height,
		       uint32_t pitch)
{
	struct v4l2_format format = { .type = TYPE };
	struct v4l2_pix_format_mplane *pix = &format.fmt.pix_mp;

	pix->pixelformat = pixelformat;
	pix->width = width;
	pix->height = height;
	pix->num_planes = 1;
	pix->plane_fmt[0].bytesperline = pitch;
	if (xioctl(camera.source.fd, VIDIOC_S_FMT, &format))
		fail("%s: setting the format: %s%s", camera.path, strerror(errno),
		     errno == EBUSY ? "; another program uses the camera" : "");
	if (pix->pixelformat != pixelformat || pix->num_planes != 1)
		fail("%s: the camera does not offer this --format", camera.path);
	if (pix->width != width || pix->height != height)
		fail("%s: the camera does not offer %ux%u; the nearest is %ux%u",
		     camera.path, width, height, pix->width, pix->height);

	camera.image.width = width;
	camera.image.height = height;
	camera.image.pitch = pix->plane_fmt[0].bytesperline;
	camera.image.size = pix->plane_fmt[0].sizeimage;
	camera.image.encoding = pix->ycbcr_enc == V4L2_YCBCR_ENC_BT2020 ? 2 :
				pix->ycbcr_enc == V4L2_YCBCR_ENC_709 ? 1 : 0;
	camera.image.full_range = pix->quantization == V4L2_QUANTIZATION_FULL_RANGE;
}

static void choose_format(const struct options *options)
{
	struct v4l2_format format = { .type = TYPE };
	uint32_t width = options->width, height = options->height;

	if (xioctl(camera.source.fd, VIDIOC_G_FMT, &format))
		fail("%s: %s", camera.path, strerror(errno));
	if (!width) {
		width = format.fmt.pix_mp.width;
		height = format.fmt.pix_mp.height;
	}
	/* Displays want lines that are multiples of 64 bytes. */
	set_format(options->format->v4l2, width, height,
		   (width * options->format->cpp + 63) / 64 * 64);
}

static void set_rate(double fps)
{
	struct v4l2_streamparm parameters = {
		.type = TYPE,
		.parm.capture.timeperframe = { 1000000, fps * 1000000 + 0.5 },
	};
	struct v4l2_fract *set = &parameters.parm.capture.timeperframe;
	double got;

	if (xioctl(camera.source.fd, VIDIOC_S_PARM, &parameters))
		fail("%s: setting the frame rate: %s", camera.path, strerror(errno));
	got = set->numerator ? (double)set->denominator / set->numerator : 0;
	if (got < fps * 0.999 || got > fps * 1.001)
		fail("%s: the camera does not offer %g frames/s; the nearest is %g",
		     camera.path, fps, got);
}

static int set_control(uint32_t id, int value)
{
	struct v4l2_control control = { .id = id, .value = value };

	return xioctl(camera.source.fd, VIDIOC_S_CTRL, &control);
}

static void set_controls(const struct options *options)
{
	if (options->pattern >= 0 &&
	    set_control(V4L2_CID_TEST_PATTERN, options->pattern))
		fail("%s: test pattern %d: %s", camera.path, options->pattern,
		     strerror(errno));
	/* Other drivers do not have this control. */
	if (set_control(V4L2_CID_BATON_FREE_RUNNING, options->free_running) &&
	    options->free_running)
		complain("%s: the camera has no free-running mode", camera.path);
}

/* The camera tells that its source has ended by an event. */
static void subscribe_end(void)
{
	struct v4l2_event_subscription subscription = { .type = V4L2_EVENT_EOS };

	xioctl(camera.source.fd, VIDIOC_SUBSCRIBE_EVENT, &subscription);
}

static bool has_ended(void)
{
	struct v4l2_event event = { 0 };

	while (!xioctl(camera.source.fd, VIDIOC_DQEVENT, &event))
		if (event.type == V4L2_EVENT_EOS)
			return true;
	return false;
}

static void request_buffers(unsigned int count)
{
	struct v4l2_requestbuffers request = {
		.count = count,
		.type = TYPE,
		.memory = camera.memory,
	};

	if (xioctl(camera.source.fd, VIDIOC_REQBUFS, &request))
		fail("%s: allocating %u buffers: %s%s", camera.path, count, strerror(errno),
		     errno == ENOMEM ? "; try a smaller --buffers or --size" : "");
	if (request.count < count)
		fail("%s: only %u of %u buffers; try --buffers %u", camera.path,
		     request.count, count, request.count);
	camera.count = count;
}

static void camera_export(struct source *source, unsigned int count, int *fds)
{
	camera.memory = V4L2_MEMORY_MMAP;
	request_buffers(count);
	for (unsigned int i = 0; i < count; i++) {
		struct v4l2_exportbuffer export = {
			.type = TYPE,
			.index = i,
			.flags = O_RDWR | O_CLOEXEC,
		};

		if (xioctl(source->fd, VIDIOC_EXPBUF, &export))
			fail("%s: exporting a buffer: %s", camera.path, strerror(errno));
		fds[i] = export.fd;
	}
}

static int queue_buffer(unsigned int index)
{
	struct v4l2_plane plane = {
		.m.fd = camera.fds[index],
		.length = camera.image.size,
	};
	struct v4l2_buffer buffer = {
		.index = index,
		.type = TYPE,
		.memory = camera.memory,
		.m.planes = &plane,
		.length = 1,
	};

	return xioctl(camera.source.fd, VIDIOC_QBUF, &buffer);
}

static void camera_import(struct source *source, unsigned int count, const int *fds)
{
	(void)source;
	camera.memory = V4L2_MEMORY_DMABUF;
	request_buffers(count);
	memcpy(camera.fds, fds, count * sizeof(*fds));
}

static void camera_start(struct source *source)
{
	int type = TYPE;

	for (unsigned int i = 0; i < camera.count; i++) {
		if (!queue_buffer(i))
			continue;
		if (camera.memory == V4L2_MEMORY_DMABUF)
			fail("buffer %u cannot be shared: %s refuses the %s's memory: "
			     "%s; try --allocator camera, or --copy", i, camera.path,
			     allocator_names[camera.allocator], strerror(errno));
		fail("%s: queueing buffer %u: %s", camera.path, i, strerror(errno));
	}
	if (xioctl(source->fd, VIDIOC_STREAMON, &type))
		fail("%s: starting: %s", camera.path, strerror(errno));
}

static enum next_result camera_next(struct source *source, struct frame *frame)
{
	struct v4l2_plane plane = { 0 };
	struct v4l2_buffer buffer = {
		.type = TYPE,
		.memory = camera.memory,
		.m.planes = &plane,
		.length = 1,
	};

	if (xioctl(source->fd, VIDIOC_DQBUF, &buffer)) {
		if (errno == EAGAIN)
			return has_ended() ? NEXT_END : NEXT_NONE;
		if (errno == EPIPE)
			return NEXT_END;
		complain("%s: the camera stopped: %s; see dmesg", camera.path,
			 strerror(errno));
		return NEXT_ERROR;
	}
	/* After the end, all frames have errors. */
	if (buffer.flags & V4L2_BUF_FLAG_ERROR && has_ended())
		return NEXT_END;
	*frame = (struct frame){
		.buffer = buffer.index,
		.sequence = buffer.sequence,
		.flags = buffer.flags,
		.timestamp_ns = buffer.timestamp.tv_sec * 1000000000ull +
				buffer.timestamp.tv_usec * 1000ull,
	};
	return NEXT_FRAME;
}

static int camera_release(struct source *source, unsigned int buffer)
{
	(void)source;
	if (!queue_buffer(buffer))
		return 0;
	complain("%s: queueing buffer %u: %s", camera.path, buffer, strerror(errno));
	return -1;
}

static void camera_stop(struct source *source)
{
	int type = TYPE;

	xioctl(source->fd, VIDIOC_STREAMOFF, &type);
}

struct source *camera_open(const struct options *options, struct image *image)
{
	struct v4l2_capability capability = { 0 };
	int fd;

	camera.path = options->camera ? options->camera : camera_find();
	camera.allocator = options->allocator;
	fd = open(camera.path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("%s: %s%s", camera.path, strerror(errno),
		     errno == EACCES ? "; try as root" : "");
	if (xioctl(fd, VIDIOC_QUERYCAP, &capability))
		fail("%s: not a V4L2 device: %s", camera.path, strerror(errno));
	if (!(capability.device_caps & V4L2_CAP_VIDEO_CAPTURE_MPLANE))
		fail("%s: no capture node with the multi-planar API (vivid has it with "
		     "multiplanar=2)", camera.path);

	camera.source = (struct source){
		.fd = fd,
		.export = camera_export,
		.import = camera_import,
		.start = camera_start,
		.next = camera_next,
		.release = camera_release,
		.stop = camera_stop,
	};
	set_controls(options);
	subscribe_end();
	choose_format(options);
	if (options->fps)
		set_rate(options->fps);
	*image = camera.image;
	return &camera.source;
}
