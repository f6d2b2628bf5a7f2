// SPDX-License-Identifier: GPL-2.0-or-later
/* Drives a camera for tests. */
#define _GNU_SOURCE
#include <drm.h>
#include <linux/media.h>
#include <linux/perf_event.h>
#include <linux/udmabuf.h>
#include <linux/videodev2.h>
#include <poll.h>

#include "commands.h"

#define TYPE V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

static int video;
static uint32_t memory;

static uint32_t fourcc(const char *text)
{
	return v4l2_fourcc(text[0], text[1], text[2], text[3]);
}

/* format try|set|get [FOURCC WIDTH HEIGHT [PITCH]]: what it is now, then its planes */
static int cmd_format(char **arg)
{
	struct v4l2_format format = { .type = TYPE };
	struct v4l2_pix_format_mplane *pix = &format.fmt.pix_mp;
	unsigned long request = !strcmp(arg[0], "set") ? VIDIOC_S_FMT :
				!strcmp(arg[0], "try") ? VIDIOC_TRY_FMT : VIDIOC_G_FMT;

	if (request != VIDIOC_G_FMT) {
		pix->pixelformat = fourcc(arg[1]);
		pix->width = number(arg[2]);
		pix->height = number(arg[3]);
		for (int i = 0; i < 2 && arg[4]; i++)
			pix->plane_fmt[i].bytesperline = number(arg[4]);
	}
	if (ioctl(video, request, &format))
		return reply_error();
	printf("ok %.4s %u %u %u %u %u %u", (char *)&pix->pixelformat, pix->width, pix->height,
	       pix->colorspace, pix->ycbcr_enc, pix->quantization, pix->xfer_func);
	for (int i = 0; i < pix->num_planes; i++)
		printf(" %u %u", pix->plane_fmt[i].bytesperline, pix->plane_fmt[i].sizeimage);
	return printf("\n");
}

/* formats: their names */
static int cmd_formats(char **arg)
{
	struct v4l2_fmtdesc desc = { .type = TYPE };

	(void)arg;
	printf("ok");
	for (; !ioctl(video, VIDIOC_ENUM_FMT, &desc); desc.index++)
		printf(" %.4s", (char *)&desc.pixelformat);
	return printf("\n");
}

/* sizes FOURCC: WIDTH HEIGHT, or MIN MAX STEP of width and of height */
static int cmd_sizes(char **arg)
{
	struct v4l2_frmsizeenum size = { .pixel_format = fourcc(arg[0]) };

	if (ioctl(video, VIDIOC_ENUM_FRAMESIZES, &size))
		return reply_error();
	if (size.type == V4L2_FRMSIZE_TYPE_DISCRETE)
		return printf("ok %u %u\n", size.discrete.width, size.discrete.height);
	return printf("ok %u %u %u %u %u %u\n", size.stepwise.min_width, size.stepwise.max_width,
		      size.stepwise.step_width, size.stepwise.min_height,
		      size.stepwise.max_height, size.stepwise.step_height);
}

/* interval [NUMERATOR DENOMINATOR]: the frame interval, after setting it */
static int cmd_interval(char **arg)
{
	struct v4l2_streamparm parm = { .type = TYPE };
	struct v4l2_fract *interval = &parm.parm.capture.timeperframe;

	if (arg[0]) {
		interval->numerator = number(arg[0]);
		interval->denominator = number(arg[1]);
	}
	if (ioctl(video, arg[0] ? VIDIOC_S_PARM : VIDIOC_G_PARM, &parm))
		return reply_error();
	return printf("ok %u %u\n", interval->numerator, interval->denominator);
}

/* control ID [VALUE]: its value, after setting it */
static int cmd_control(char **arg)
{
	struct v4l2_control control = { .id = number(arg[0]) };

	if (arg[1])
		control.value = number(arg[1]);
	if (ioctl(video, arg[1] ? VIDIOC_S_CTRL : VIDIOC_G_CTRL, &control))
		return reply_error();
	return printf("ok %d\n", control.value);
}

/* request mmap|dmabuf COUNT: number of buffers */
static int cmd_request(char **arg)
{
	struct v4l2_requestbuffers request = {
		.type = TYPE,
		.memory = !strcmp(arg[0], "mmap") ? V4L2_MEMORY_MMAP : V4L2_MEMORY_DMABUF,
		.count = number(arg[1]),
	};

	memory = request.memory;
	if (ioctl(video, VIDIOC_REQBUFS, &request))
		return reply_error();
	return printf("ok %u\n", request.count);
}

/* export INDEX PLANE: fd */
static int cmd_export(char **arg)
{
	struct v4l2_exportbuffer export = {
		.type = TYPE, .index = number(arg[0]), .plane = number(arg[1]),
		.flags = O_RDWR | O_CLOEXEC,
	};

	if (ioctl(video, VIDIOC_EXPBUF, &export))
		return reply_error();
	return printf("ok %d\n", export.fd);
}

/* prime CARD FD: import a dma-buf into a display for good; the card's fd, which holds it */
static int cmd_prime(char **arg)
{
	struct drm_prime_handle prime = { .fd = number(arg[1]) };
	int card = open(arg[0], O_RDWR | O_CLOEXEC);
	int result = card < 0 || ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	return result ? reply_error() : printf("ok %d\n", card);
}

static int queue(unsigned int index, unsigned int count, char **fds)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = TYPE, .memory = memory, .index = index,
		.m.planes = planes, .length = count,
	};

	for (unsigned int i = 0; i < count && fds[i]; i++)
		planes[i].m.fd = number(fds[i]);
	return ioctl(video, VIDIOC_QBUF, &buffer);
}

/* queue INDEX PLANES [FD...] */
static int cmd_queue(char **arg)
{
	return reply(queue(number(arg[0]), number(arg[1]), arg + 2));
}

/* dequeue: INDEX SEQUENCE TIME_NS FLAGS BYTES... */
static int cmd_dequeue(char **arg)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = TYPE, .memory = memory, .m.planes = planes, .length = VIDEO_MAX_PLANES,
	};

	(void)arg;
	if (ioctl(video, VIDIOC_DQBUF, &buffer))
		return reply_error();
	printf("ok %u %u %llu %u", buffer.index, buffer.sequence,
	       buffer.timestamp.tv_sec * 1000000000ull + buffer.timestamp.tv_usec * 1000ull,
	       buffer.flags);
	for (unsigned int i = 0; i < buffer.length; i++)
		printf(" %u", planes[i].bytesused);
	return printf("\n");
}

/* Counts the instructions of one CPU, with the kernel's. */
static int open_counter(int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
	};

	return syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Takes a frame and queues its buffer again; its sequence in @sequence. */
static int take_frame(uint32_t *sequence)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = TYPE, .memory = memory, .m.planes = planes, .length = VIDEO_MAX_PLANES,
	};

	if (ioctl(video, VIDIOC_DQBUF, &buffer))
		return -1;
	*sequence = buffer.sequence;
	return queue(buffer.index, buffer.length, (char *[]){ NULL });
}

/* burst COUNT: take COUNT frames; instructions that CPU 0 retired meanwhile */
static int cmd_burst(char **arg)
{
	int counter = open_counter(0);
	uint64_t instructions = 0;
	uint32_t sequence;

	if (counter < 0)
		return reply_error();
	for (uint64_t i = number(arg[0]); i > 0; i--)
		if (take_frame(&sequence))
			return reply_error();
	if (read(counter, &instructions, sizeof(instructions)) < 0)
		return reply_error();
	close(counter);
	return printf("ok %llu\n", (unsigned long long)instructions);
}

/* relay CARD COUNT STEP FD...: stream; after each STEP of COUNT frames import the next
 * dma-buf into a display; the sequences
 */
static int cmd_relay(char **arg)
{
	int card = open(arg[0], O_RDWR | O_CLOEXEC), type = TYPE;
	uint64_t count = number(arg[1]), step = number(arg[2]);
	uint32_t sequences[256];

	if (card < 0 || count > ARRAY_SIZE(sequences) || ioctl(video, VIDIOC_STREAMON, &type))
		return reply_error();
	for (uint64_t i = 0; i < count; i++) {
		struct drm_prime_handle prime = { 0 };

		if (take_frame(&sequences[i]))
			return reply_error();
		if ((i + 1) % step || !arg[3])
			continue;
		prime.fd = number(arg[3]);
		arg++;
		if (ioctl(card, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
			return reply_error();
	}
	printf("ok");
	for (uint64_t i = 0; i < count; i++)
		printf(" %u", sequences[i]);
	return printf("\n");
}

/* on */
static int cmd_on(char **arg)
{
	int type = TYPE;

	(void)arg;
	return reply(ioctl(video, VIDIOC_STREAMON, &type));
}

/* off */
static int cmd_off(char **arg)
{
	int type = TYPE;

	(void)arg;
	return reply(ioctl(video, VIDIOC_STREAMOFF, &type));
}

/* subscribe TYPE: to an event */
static int cmd_subscribe(char **arg)
{
	struct v4l2_event_subscription subscription = { .type = number(arg[0]) };

	return reply(ioctl(video, VIDIOC_SUBSCRIBE_EVENT, &subscription));
}

/* event: wait for one; TYPE and its first word of data */
static int cmd_event(char **arg)
{
	struct pollfd poller = { .fd = video, .events = POLLPRI };
	struct v4l2_event event;

	(void)arg;
	if (poll(&poller, 1, -1) < 0 || ioctl(video, VIDIOC_DQEVENT, &event))
		return reply_error();
	return printf("ok %u %u\n", event.type, event.u.frame_sync.frame_sequence);
}

/* save INDEX PLANE PATH: copy the plane of an MMAP buffer into a file */
static int cmd_save(char **arg)
{
	struct v4l2_plane planes[VIDEO_MAX_PLANES] = { 0 };
	struct v4l2_buffer buffer = {
		.type = TYPE, .memory = V4L2_MEMORY_MMAP, .index = number(arg[0]),
		.m.planes = planes, .length = VIDEO_MAX_PLANES,
	};
	struct v4l2_plane *plane = &planes[number(arg[1])];

	if (ioctl(video, VIDIOC_QUERYBUF, &buffer))
		return reply_error();
	return copy_file(arg[2], video, plane->m.mem_offset, plane->length, false);
}

/* map FD SIZE: map a dma-buf and keep it; the sum of its pages' first bytes */
static int cmd_map(char **arg)
{
	size_t size = number(arg[1]);
	unsigned char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				      number(arg[0]), 0);
	unsigned int sum = 0;

	if (mapped == MAP_FAILED)
		return reply_error();
	for (size_t at = 0; at < size; at += 4096)
		sum += mapped[at];
	return reply_ok("%u", sum);
}

/* scattered SIZE: fd of a dma-buf in which every second page lies elsewhere */
static int cmd_scattered(char **arg)
{
	size_t size = number(arg[0]);
	struct udmabuf_create create = { .size = 2 * size };
	struct udmabuf_create_list *list;
	size_t pages = size / 4096;
	int fd, device;

	create.memfd = memfd_create("scattered", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	device = open("/dev/udmabuf", O_RDWR);
	if (device < 0 || posix_fallocate(create.memfd, 0, create.size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return reply_error();

	list = calloc(1, sizeof(*list) + pages * sizeof(list->list[0]));
	list->count = pages;
	for (size_t i = 0; i < pages; i++) {
		list->list[i].memfd = create.memfd;
		list->list[i].offset = 2 * i * 4096;
		list->list[i].size = 4096;
	}
	fd = ioctl(device, UDMABUF_CREATE_LIST, list);
	free(list);
	close(device);
	close(create.memfd);
	return fd < 0 ? reply_error() : printf("ok %d\n", fd);
}

/* topology DEVICE: function of each entity, then SOURCE_PAD>SINK_PAD=FLAGS of data links */
static int cmd_topology(char **arg)
{
	struct media_v2_entity entities[8];
	struct media_v2_link links[8];
	struct media_v2_topology topology = {
		.num_entities = ARRAY_SIZE(entities), .ptr_entities = (uintptr_t)entities,
		.num_links = ARRAY_SIZE(links), .ptr_links = (uintptr_t)links,
	};
	int media = open(arg[0], O_RDWR | O_CLOEXEC);
	int result = ioctl(media, MEDIA_IOC_G_TOPOLOGY, &topology);

	close(media);
	if (result)
		return reply_error();
	printf("ok");
	for (unsigned int i = 0; i < topology.num_entities; i++)
		printf(" 0x%x", entities[i].function);
	for (unsigned int i = 0; i < topology.num_links; i++)
		if ((links[i].flags & MEDIA_LNK_FL_LINK_TYPE) == MEDIA_LNK_FL_DATA_LINK)
			printf(" %u>%u=0x%x", links[i].source_id, links[i].sink_id, links[i].flags);
	return printf("\n");
}

static const struct command commands[] = {
	{ "format", 1, cmd_format }, { "formats", 0, cmd_formats }, { "sizes", 1, cmd_sizes },
	{ "interval", 0, cmd_interval }, { "control", 1, cmd_control },
	{ "request", 2, cmd_request }, { "export", 2, cmd_export },
	{ "prime", 2, cmd_prime },
	{ "queue", 2, cmd_queue }, { "dequeue", 0, cmd_dequeue },
	{ "burst", 1, cmd_burst }, { "relay", 3, cmd_relay },
	{ "on", 0, cmd_on }, { "off", 0, cmd_off },
	{ "subscribe", 1, cmd_subscribe }, { "event", 0, cmd_event },
	{ "save", 3, cmd_save }, { "map", 2, cmd_map }, { "scattered", 1, cmd_scattered },
	{ "topology", 1, cmd_topology },
};

int main(int argc, char **argv)
{
	video = open(argc > 1 ? argv[1] : "/dev/video0", O_RDWR | O_CLOEXEC);
	return run_commands(commands, ARRAY_SIZE(commands), video < 0);
}
