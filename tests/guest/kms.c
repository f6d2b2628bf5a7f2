// SPDX-License-Identifier: GPL-2.0-or-later
/* Drives the display for tests. Buffers and framebuffers go by the kernel's number. */
#include <drm_fourcc.h>
#include <poll.h>
#include <time.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#include "commands.h"

/* From drivers/dma-buf/sw_sync.c, which has no header. */
struct sw_sync_create_fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC _IOW('W', 1, uint32_t)

static struct {
	int fd;
	uint32_t crtc, connector;
	uint32_t planes[3];	/* by DRM_PLANE_TYPE_* */
	drmModeAtomicReq *request;
	int32_t out_fence;
	int timeline;
	uint32_t fences;
} kms;

/* The object's id and DRM_MODE_OBJECT_* type by its name. */
static uint32_t find_object(const char *name, uint32_t *type)
{
	static const char *const planes[] = {
		[DRM_PLANE_TYPE_OVERLAY] = "overlay",
		[DRM_PLANE_TYPE_PRIMARY] = "primary",
		[DRM_PLANE_TYPE_CURSOR] = "cursor",
	};

	if (!strcmp(name, "crtc")) {
		*type = DRM_MODE_OBJECT_CRTC;
		return kms.crtc;
	}
	if (!strcmp(name, "connector")) {
		*type = DRM_MODE_OBJECT_CONNECTOR;
		return kms.connector;
	}
	*type = DRM_MODE_OBJECT_PLANE;
	for (unsigned int i = 0; i < ARRAY_SIZE(planes); i++)
		if (!strcmp(name, planes[i]))
			return kms.planes[i];
	errno = ENODEV;
	return 0;
}

static drmModePropertyRes *find_property(uint32_t object, uint32_t type,
					 const char *name, uint64_t *value)
{
	drmModeObjectProperties *list = drmModeObjectGetProperties(kms.fd, object, type);
	drmModePropertyRes *found = NULL;

	for (uint32_t i = 0; list && i < list->count_props && !found; i++) {
		found = drmModeGetProperty(kms.fd, list->props[i]);
		if (found && strcmp(found->name, name)) {
			drmModeFreeProperty(found);
			found = NULL;
		}
		if (found && value)
			*value = list->prop_values[i];
	}
	drmModeFreeObjectProperties(list);
	errno = ENOENT;
	return found;
}

/* Compares with an enumerator, whose spaces are written "_". */
static bool names(const char *word, const char *enumerator)
{
	while (*word && (*word == *enumerator || (*word == '_' && *enumerator == ' '))) {
		word++;
		enumerator++;
	}
	return !*word && !*enumerator;
}

/* set OBJECT PROPERTY VALUE: add to the next commit; VALUE may name an enumerator */
static int cmd_set(char **arg)
{
	uint32_t type, object = find_object(arg[0], &type);
	drmModePropertyRes *property = object ? find_property(object, type, arg[1], NULL) : NULL;
	uint64_t value = number(arg[2]);
	int result;

	if (!property)
		return reply_error();
	for (int i = 0; i < property->count_enums; i++)
		if (names(arg[2], property->enums[i].name))
			value = property->enums[i].value;
	if (!strcmp(arg[1], "OUT_FENCE_PTR"))
		value = (uintptr_t)&kms.out_fence;
	result = drmModeAtomicAddProperty(kms.request, object, property->prop_id, value);
	drmModeFreeProperty(property);
	return reply(result < 0);
}

/* get OBJECT PROPERTY: its value */
static int cmd_get(char **arg)
{
	uint32_t type, object = find_object(arg[0], &type);
	uint64_t value = 0;
	drmModePropertyRes *property = object ? find_property(object, type, arg[1], &value) : NULL;

	if (!property)
		return reply_error();
	drmModeFreeProperty(property);
	return printf("ok %llu\n", (unsigned long long)value);
}

/* crtc: its id */
static int cmd_crtc(char **arg)
{
	(void)arg;
	return printf("ok %u\n", kms.crtc);
}

/* blob ID: a property's data in hexadecimal */
static int cmd_blob(char **arg)
{
	drmModePropertyBlobRes *blob = drmModeGetPropertyBlob(kms.fd, number(arg[0]));

	if (!blob)
		return reply_error();
	printf("ok ");
	for (uint32_t i = 0; i < blob->length; i++)
		printf("%02x", ((uint8_t *)blob->data)[i]);
	printf("\n");
	drmModeFreePropertyBlob(blob);
	return 0;
}

/* mode CLOCK HDISPLAY HSTART HEND HTOTAL VDISPLAY VSTART VEND VTOTAL FLAGS: blob id */
static int cmd_mode(char **arg)
{
	drmModeModeInfo mode = {
		.clock = number(arg[0]),
		.hdisplay = number(arg[1]), .hsync_start = number(arg[2]),
		.hsync_end = number(arg[3]), .htotal = number(arg[4]),
		.vdisplay = number(arg[5]), .vsync_start = number(arg[6]),
		.vsync_end = number(arg[7]), .vtotal = number(arg[8]),
		.flags = number(arg[9]), .name = "test",
	};
	uint32_t blob;

	if (drmModeCreatePropertyBlob(kms.fd, &mode, sizeof(mode), &blob))
		return reply_error();
	return printf("ok %u\n", blob);
}

/* modes: what the connector lists, WIDTHxHEIGHT@mHZ each, the preferred first */
static int cmd_modes(char **arg)
{
	drmModeConnector *connector = drmModeGetConnector(kms.fd, kms.connector);

	(void)arg;
	if (!connector)
		return reply_error();
	printf("ok");
	for (int i = 0; i < connector->count_modes; i++) {
		drmModeModeInfo *mode = &connector->modes[i];

		printf(" %ux%u@%llu", mode->hdisplay, mode->vdisplay,
		       mode->clock * 1000000ull / mode->htotal / mode->vtotal);
	}
	printf("\n");
	drmModeFreeConnector(connector);
	return 0;
}

/* commit [test|nonblock|event|modeset]...: what was set */
static int cmd_commit(char **arg)
{
	static const struct {
		const char *name;
		uint32_t flag;
	} flags[] = {
		{ "test", DRM_MODE_ATOMIC_TEST_ONLY },
		{ "nonblock", DRM_MODE_ATOMIC_NONBLOCK },
		{ "event", DRM_MODE_PAGE_FLIP_EVENT },
		{ "modeset", DRM_MODE_ATOMIC_ALLOW_MODESET },
	};
	uint32_t mask = 0;
	int result;

	for (; *arg; arg++)
		for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++)
			if (!strcmp(*arg, flags[i].name))
				mask |= flags[i].flag;
	result = drmModeAtomicCommit(kms.fd, kms.request, mask, NULL);
	drmModeAtomicFree(kms.request);
	kms.request = drmModeAtomicAlloc();
	return reply(result);
}

static void on_flip(int fd, unsigned int sequence, unsigned int seconds,
		    unsigned int microseconds, unsigned int crtc, void *data)
{
	(void)fd;
	(void)crtc;
	(void)data;
	printf("ok %u %llu\n", sequence, seconds * 1000000000ull + microseconds * 1000ull);
}

/* event: wait for a flip; its vblank count and time in ns */
static int cmd_event(char **arg)
{
	drmEventContext context = { .version = 3, .page_flip_handler2 = on_flip };

	(void)arg;
	return drmHandleEvent(kms.fd, &context) ? reply_error() : 0;
}

/* pending: whether an event can be had without waiting */
static int cmd_pending(char **arg)
{
	struct pollfd poller = { .fd = kms.fd, .events = POLLIN };

	(void)arg;
	return printf("ok %d\n", poll(&poller, 1, 0));
}

/* vblank COUNT: wait so many vblanks; the count and time in ns then */
static int cmd_vblank(char **arg)
{
	drmVBlank vblank = {
		.request.type = DRM_VBLANK_RELATIVE,
		.request.sequence = number(arg[0]),
	};

	if (drmWaitVBlank(kms.fd, &vblank))
		return reply_error();
	return printf("ok %u %llu\n", vblank.reply.sequence,
		      vblank.reply.tval_sec * 1000000000ull + vblank.reply.tval_usec * 1000ull);
}

/* dumb WIDTH HEIGHT BPP: handle, pitch, size */
static int cmd_dumb(char **arg)
{
	struct drm_mode_create_dumb create = {
		.width = number(arg[0]), .height = number(arg[1]), .bpp = number(arg[2]),
	};

	if (drmIoctl(kms.fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		return reply_error();
	return printf("ok %u %u %llu\n", create.handle, create.pitch,
		      (unsigned long long)create.size);
}

/* free HANDLE */
static int cmd_free(char **arg)
{
	return reply(drmCloseBufferHandle(kms.fd, number(arg[0])));
}

/* load HANDLE SIZE PATH: copy a file into a dumb buffer */
static int cmd_load(char **arg)
{
	struct drm_mode_map_dumb map = { .handle = number(arg[0]) };

	if (drmIoctl(kms.fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		return reply_error();
	return copy_file(arg[2], kms.fd, map.offset, number(arg[1]), true);
}

/* fb FOURCC WIDTH HEIGHT HANDLE0 PITCH0 OFFSET0 [HANDLE1 PITCH1 OFFSET1]: id */
static int cmd_fb(char **arg)
{
	uint32_t handles[4] = { 0 }, pitches[4] = { 0 }, offsets[4] = { 0 }, fb;
	uint32_t format = fourcc_code(arg[0][0], arg[0][1], arg[0][2], arg[0][3]);

	for (int i = 0; i < 2 && arg[3 + 3 * i]; i++) {
		handles[i] = number(arg[3 + 3 * i]);
		pitches[i] = number(arg[4 + 3 * i]);
		offsets[i] = number(arg[5 + 3 * i]);
	}
	if (drmModeAddFB2(kms.fd, number(arg[1]), number(arg[2]), format, handles, pitches,
			  offsets, &fb, 0))
		return reply_error();
	return printf("ok %u\n", fb);
}

/* rmfb ID */
static int cmd_rmfb(char **arg)
{
	return reply(drmModeRmFB(kms.fd, number(arg[0])));
}

/* export HANDLE: fd */
static int cmd_export(char **arg)
{
	int fd;

	if (drmPrimeHandleToFD(kms.fd, number(arg[0]), DRM_CLOEXEC | DRM_RDWR, &fd))
		return reply_error();
	return printf("ok %d\n", fd);
}

/* import FD: handle, and the ns that it took */
static int cmd_import(char **arg)
{
	struct timespec start, end;
	uint32_t handle;
	int result;

	clock_gettime(CLOCK_MONOTONIC, &start);
	result = drmPrimeFDToHandle(kms.fd, number(arg[0]), &handle);
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (result)
		return reply_error();
	return printf("ok %u %lld\n", handle, (end.tv_sec - start.tv_sec) * 1000000000ll +
		      end.tv_nsec - start.tv_nsec);
}

/* fence: a sw_sync fence that "signal" signals; fd */
static int cmd_fence(char **arg)
{
	struct sw_sync_create_fence_data data = { .value = ++kms.fences, .name = "test" };

	(void)arg;
	if (kms.timeline < 0)
		kms.timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR);
	if (ioctl(kms.timeline, SW_SYNC_IOC_CREATE_FENCE, &data))
		return reply_error();
	return printf("ok %d\n", data.fence);
}

/* signal: the oldest fence */
static int cmd_signal(char **arg)
{
	uint32_t one = 1;

	(void)arg;
	return reply(ioctl(kms.timeline, SW_SYNC_IOC_INC, &one));
}

/* attach_fence FD FENCE: implicit write fence of a dma-buf */
static int cmd_attach_fence(char **arg)
{
	struct dma_buf_import_sync_file import = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = number(arg[1]),
	};

	return reply(ioctl(number(arg[0]), DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
}

/* out_fence: wait for the fence of the last commit that set OUT_FENCE_PTR */
static int cmd_out_fence(char **arg)
{
	struct pollfd poller = { .fd = kms.out_fence, .events = POLLIN };
	int result;

	(void)arg;
	result = poll(&poller, 1, -1);
	close(kms.out_fence);
	return reply(result != 1);
}

/* setcrtc FB WIDTH HEIGHT: legacy mode setting with a listed mode */
static int cmd_setcrtc(char **arg)
{
	drmModeConnector *connector = drmModeGetConnector(kms.fd, kms.connector);
	int result = -1;

	errno = ENOENT;
	for (int i = 0; connector && i < connector->count_modes && result; i++)
		if (connector->modes[i].hdisplay == number(arg[1]) &&
		    connector->modes[i].vdisplay == number(arg[2]))
			result = drmModeSetCrtc(kms.fd, kms.crtc, number(arg[0]), 0, 0,
						&kms.connector, 1, &connector->modes[i]);
	drmModeFreeConnector(connector);
	return reply(result);
}

/* page_flip FB: legacy, with an event */
static int cmd_page_flip(char **arg)
{
	return reply(drmModePageFlip(kms.fd, kms.crtc, number(arg[0]),
				     DRM_MODE_PAGE_FLIP_EVENT, NULL));
}

/* cursor HANDLE WIDTH HEIGHT: legacy */
static int cmd_cursor(char **arg)
{
	return reply(drmModeSetCursor(kms.fd, kms.crtc, number(arg[0]), number(arg[1]),
				      number(arg[2])));
}

/* move X Y: the legacy cursor */
static int cmd_move(char **arg)
{
	return reply(drmModeMoveCursor(kms.fd, kms.crtc, atoi(arg[0]), atoi(arg[1])));
}

static const struct command commands[] = {
	{ "set", 3, cmd_set }, { "get", 2, cmd_get }, { "crtc", 0, cmd_crtc },
	{ "blob", 1, cmd_blob },
	{ "mode", 10, cmd_mode }, { "modes", 0, cmd_modes },
	{ "commit", 0, cmd_commit }, { "event", 0, cmd_event },
	{ "pending", 0, cmd_pending }, { "vblank", 1, cmd_vblank },
	{ "dumb", 3, cmd_dumb }, { "free", 1, cmd_free }, { "load", 3, cmd_load },
	{ "fb", 6, cmd_fb }, { "rmfb", 1, cmd_rmfb },
	{ "export", 1, cmd_export }, { "import", 1, cmd_import },
	{ "fence", 0, cmd_fence }, { "signal", 0, cmd_signal },
	{ "attach_fence", 2, cmd_attach_fence }, { "out_fence", 0, cmd_out_fence },
	{ "setcrtc", 3, cmd_setcrtc }, { "page_flip", 1, cmd_page_flip },
	{ "cursor", 3, cmd_cursor }, { "move", 2, cmd_move },
};

static void find_planes(void)
{
	drmModePlaneRes *planes = drmModeGetPlaneResources(kms.fd);

	for (uint32_t i = 0; planes && i < planes->count_planes; i++) {
		uint64_t type = 0;

		drmModeFreeProperty(find_property(planes->planes[i], DRM_MODE_OBJECT_PLANE,
						  "type", &type));
		kms.planes[type] = planes->planes[i];
	}
	drmModeFreePlaneResources(planes);
}

static int open_card(const char *path)
{
	drmModeRes *resources;

	kms.timeline = -1;
	kms.request = drmModeAtomicAlloc();
	kms.fd = open(path, O_RDWR | O_CLOEXEC);
	if (kms.fd < 0 || drmSetClientCap(kms.fd, DRM_CLIENT_CAP_ATOMIC, 1))
		return -1;
	resources = drmModeGetResources(kms.fd);
	if (!resources)
		return -1;
	kms.crtc = resources->crtcs[0];
	kms.connector = resources->connectors[0];
	drmModeFreeResources(resources);
	find_planes();
	return 0;
}

int main(int argc, char **argv)
{
	return run_commands(commands, ARRAY_SIZE(commands),
			    open_card(argc > 1 ? argv[1] : "/dev/dri/card0"));
}
