// SPDX-License-Identifier: GPL-2.0-or-later
/* V4L2 calls whose structures point to others. */
#include <linux/videodev2.h>
#include <sys/ioctl.h>

#include "dmabuf.h"

static int call(int request, char **arg, struct v4l2_buffer *buffer, struct v4l2_plane *planes)
{
	buffer->type = number(arg[1]);
	buffer->memory = number(arg[2]);
	if (V4L2_TYPE_IS_MULTIPLANAR(buffer->type)) {
		buffer->m.planes = planes;
		buffer->length = VIDEO_MAX_PLANES;
	}
	return ioctl(number(arg[0]), request, buffer);
}

/* queue FD TYPE MEMORY INDEX [DMABUF LENGTH]...: for each plane */
static int cmd_queue(char **arg)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = { .index = number(arg[3]) };
	unsigned int count = 0;

	for (; arg[4 + 2 * count]; count++) {
		planes[count].m.fd = number(arg[4 + 2 * count]);
		planes[count].length = number(arg[5 + 2 * count]);
	}
	buffer.m.fd = planes[0].m.fd;
	buffer.length = planes[0].length;
	return reply(call(VIDIOC_QBUF, arg, &buffer, planes));
}

/* dequeue FD TYPE MEMORY: index, flags */
static int cmd_dequeue(char **arg)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = { 0 };

	if (call(VIDIOC_DQBUF, arg, &buffer, planes))
		return reply_error();
	return reply_ok("%u %u", buffer.index, buffer.flags);
}

/* query FD TYPE MEMORY INDEX: offset and length of each plane of an MMAP buffer */
static int cmd_query(char **arg)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = { .index = number(arg[3]) };

	if (call(VIDIOC_QUERYBUF, arg, &buffer, planes))
		return reply_error();
	if (!V4L2_TYPE_IS_MULTIPLANAR(buffer.type))
		return reply_ok("%u %u", buffer.m.offset, buffer.length);
	return reply_ok("%u %u", planes[0].m.mem_offset, planes[0].length);
}

const struct command video_commands[] = {
	{ "queue", 4, cmd_queue }, { "dequeue", 3, cmd_dequeue }, { "query", 4, cmd_query },
	{ }
};
