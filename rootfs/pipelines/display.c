// SPDX-License-Identifier: GPL-2.0-or-later
/* The display: an atomic DRM device. */
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xf86drm.h>

#include "pipeline.h"

#define DRIVER "baton-display"
/* The fastest pixel clock that the display engine has. */
#define MAX_CLOCK_KHZ 1200000
/* No faster than the camera. */
#define MAX_HZ 1000

static int open_ours(void)
{
	bool denied = false;
	char path[32];

	for (int i = 0; i < 16; i++) {
		drmVersion *version;
		bool ours;
		int fd;

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		denied |= fd < 0 && errno == EACCES;
		version = fd < 0 ? NULL : drmGetVersion(fd);
		ours = version && !strcmp(version->name, DRIVER);
		drmFreeVersion(version);
		if (ours)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	if (denied)
		fail("no permission for /dev/dri/card*; try as root");
	fail("no display of driver " DRIVER " found: load its module, or name "
	     "another with --card");
}

static void open_card(struct display *display, const char *path)
{
	if (path) {
		display->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (display->fd < 0)
			fail("%s: %s%s", path, strerror(errno),
			     errno == EACCES ? "; try as root" : "");
	} else {
		display->fd = open_ours();
	}
	if (drmSetClientCap(display->fd, DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1) ||
	    drmSetClientCap(display->fd, DRM_CLIENT_CAP_ATOMIC, 1))
		fail("%s: no DRM device with atomic mode setting: %s",
		     path ? path : "the display", strerror(errno));
}

/* Returns the id of a property, or 0; *value gets its value. */
static uint32_t find_property(int fd, uint32_t object, uint32_t type,
			      const char *name, uint64_t *value)
{
	drmModeObjectProperties *list = drmModeObjectGetProperties(fd, object, type);
	uint32_t id = 0;

	for (uint32_t i = 0; list && i < list->count_props && !id; i++) {
		drmModePropertyRes *property = drmModeGetProperty(fd, list->props[i]);

		if (property && !strcmp(property->name, name)) {
			id = property->prop_id;
			if (value)
				*value = list->prop_values[i];
		}
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(list);
	return id;
}

static void set_property(struct display *display, drmModeAtomicReq *request,
			 uint32_t object, uint32_t type, const char *name,
			 uint64_t value)
{
	uint32_t id = find_property(display->fd, object, type, name, NULL);

	if (!id)
		fail("the display has no property %s", name);
	if (drmModeAtomicAddProperty(request, object, id, value) < 0)
		fail("out of memory");
}

/* Sets an enumerated property by the name of its value, where it exists. */
static void set_enum(struct display *display, drmModeAtomicReq *request,
		     uint32_t object, const char *name, const char *value)
{
	uint32_t id = find_property(display->fd, object, DRM_MODE_OBJECT_PLANE, name, NULL);
	drmModePropertyRes *property = id ? drmModeGetProperty(display->fd, id) : NULL;

	for (int i = 0; property && i < property->count_enums; i++)
		if (!strcmp(property->enums[i].name, value))
			drmModeAtomicAddProperty(request, object, id,
						 property->enums[i].value);
	drmModeFreeProperty(property);
}

static drmModeConnector *find_connector(struct display *display, drmModeRes *resources)
{
	for (int i = 0; i < resources->count_connectors; i++) {
		drmModeConnector *connector =
			drmModeGetConnector(display->fd, resources->connectors[i]);

		if (connector && connector->connection == DRM_MODE_CONNECTED &&
		    connector->count_modes && connector->count_encoders)
			return connector;
		drmModeFreeConnector(connector);
	}
	fail("the display has no connected monitor");
}

static void find_crtc(struct display *display, drmModeRes *resources,
		      drmModeConnector *connector)
{
	drmModeEncoder *encoder = drmModeGetEncoder(display->fd, connector->encoders[0]);

	for (int i = 0; encoder && i < resources->count_crtcs; i++) {
		if (encoder->possible_crtcs & (1u << i)) {
			display->crtc = resources->crtcs[i];
			display->crtc_index = i;
			break;
		}
	}
	drmModeFreeEncoder(encoder);
	if (!display->crtc)
		fail("the display has no CRTC for its connector");
}

/* Returns the CRTC's first plane of this type, or 0. */
static uint32_t find_plane(struct display *display, uint64_t wanted)
{
	drmModePlaneRes *planes = drmModeGetPlaneResources(display->fd);
	uint32_t found = 0;

	for (uint32_t i = 0; planes && i < planes->count_planes && !found; i++) {
		drmModePlane *plane = drmModeGetPlane(display->fd, planes->planes[i]);
		uint64_t type = ~0ull;

		if (!plane)
			continue;
		find_property(display->fd, plane->plane_id, DRM_MODE_OBJECT_PLANE,
			      "type", &type);
		if (type == wanted && plane->possible_crtcs & (1u << display->crtc_index))
			found = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(planes);
	return found;
}

static void find_planes(struct display *display, bool overlay)
{
	display->primary = find_plane(display, DRM_PLANE_TYPE_PRIMARY);
	display->plane = overlay ? find_plane(display, DRM_PLANE_TYPE_OVERLAY) :
				   display->primary;
	if (!display->primary || !display->plane)
		fail("the display has no %s plane", overlay ? "overlay" : "primary");
}

/* A mode with little blanking. */
static drmModeModeInfo make_mode(unsigned int width, unsigned int height, double hz)
{
	drmModeModeInfo mode = {
		.hdisplay = width,
		.hsync_start = width + 16,
		.hsync_end = width + 48,
		.htotal = width + 80,
		.vdisplay = height,
		.vsync_start = height + 3,
		.vsync_end = height + 8,
		.vtotal = height + 40,
		.flags = DRM_MODE_FLAG_PHSYNC | DRM_MODE_FLAG_NVSYNC,
		.type = DRM_MODE_TYPE_USERDEF,
	};
	double total = (double)mode.htotal * mode.vtotal;

	mode.clock = fmin(total * hz / 1000 + 0.5, MAX_CLOCK_KHZ);
	mode.vrefresh = mode.clock * 1000.0 / total + 0.5;
	snprintf(mode.name, sizeof(mode.name), "%ux%u", width & 0xffff, height & 0xffff);
	return mode;
}

double mode_hz(const drmModeModeInfo *mode)
{
	return mode->clock * 1000.0 / ((double)mode->htotal * mode->vtotal);
}

static void choose_mode(struct display *display, const struct options *options,
			const drmModeConnector *connector)
{
	unsigned int width = options->mode_width, height = options->mode_height;
	double hz = options->mode_hz;

	/* Connectors list their preferred mode first. */
	display->mode = connector->modes[0];
	if (!width) {
		width = display->image.width;
		height = display->image.height;
	}
	if (options->free_running) {
		display->mode = make_mode(width, height, MAX_HZ);
		return;
	}
	for (int i = 0; i < connector->count_modes; i++) {
		const drmModeModeInfo *mode = &connector->modes[i];
		double difference = hz ? mode_hz(mode) / hz : 1;

		if (mode->hdisplay == width && mode->vdisplay == height &&
		    difference > 0.995 && difference < 1.005) {
			display->mode = *mode;
			return;
		}
	}
	if (options->mode_width)
		display->mode = make_mode(width, height, hz ? hz : 60);
}

static uint32_t mode_blob(struct display *display)
{
	uint32_t blob;

	if (drmModeCreatePropertyBlob(display->fd, &display->mode,
				      sizeof(display->mode), &blob))
		fail("setting the mode: %s", strerror(errno));
	return blob;
}

void display_open(struct display *display, const struct options *options,
		  const struct image *image)
{
	drmModeConnector *connector;
	drmModeRes *resources;
	uint64_t capable = 0;

	*display = (struct display){ .format = options->format, .image = *image };
	open_card(display, options->card);
	resources = drmModeGetResources(display->fd);
	if (!resources)
		fail("reading the display's resources: %s", strerror(errno));
	connector = find_connector(display, resources);
	display->connector = connector->connector_id;
	find_crtc(display, resources, connector);
	find_planes(display, options->overlay);
	choose_mode(display, options, connector);
	find_property(display->fd, display->connector, DRM_MODE_OBJECT_CONNECTOR,
		      "vrr_capable", &capable);
	display->vrr = options->free_running && capable;
	drmModeFreeConnector(connector);
	drmModeFreeResources(resources);

	if (image->width > display->mode.hdisplay || image->height > display->mode.vdisplay)
		fail("the picture of %ux%u does not fit the mode of %ux%u; try --size or "
		     "--mode", image->width, image->height, display->mode.hdisplay,
		     display->mode.vdisplay);
}

void display_create(struct display *display, struct display_buffer *buffer)
{
	const struct image *image = &display->image;
	struct drm_mode_create_dumb create = {
		.width = image->pitch / display->format->cpp,
		.height = display->format->has_chroma ? image->height * 3 / 2 :
							 image->height,
		.bpp = display->format->cpp * 8,
	};

	if (drmIoctl(display->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		fail("allocating a buffer of %ux%u at the display: %s%s", create.width,
		     create.height, strerror(errno),
		     errno == ENOMEM ? "; try a smaller --buffers or --size" : "");
	if (create.pitch != image->pitch || create.size < image->size)
		fail("the display needs lines of %u bytes, the camera of %u; try --allocator "
		     "camera", create.pitch, image->pitch);
	*buffer = (struct display_buffer){ .handle = create.handle, .size = create.size };
}

int display_export(struct display *display, const struct display_buffer *buffer)
{
	int fd;

	if (drmPrimeHandleToFD(display->fd, buffer->handle, DRM_CLOEXEC | DRM_RDWR, &fd))
		fail("exporting a buffer of the display: %s", strerror(errno));
	return fd;
}

int display_import(struct display *display, struct display_buffer *buffer, int fd,
		   enum allocator allocator)
{
	*buffer = (struct display_buffer){ 0 };
	if (!drmPrimeFDToHandle(display->fd, fd, &buffer->handle))
		return 0;
	complain("a buffer cannot be shared: the display refuses the %s's memory: %s; try "
		 "--allocator display, or --copy", allocator_names[allocator], strerror(errno));
	return -1;
}

void *display_map(struct display *display, const struct display_buffer *buffer)
{
	struct drm_mode_map_dumb map = { .handle = buffer->handle };
	void *address;

	if (drmIoctl(display->fd, DRM_IOCTL_MODE_MAP_DUMB, &map))
		fail("mapping a buffer of the display: %s", strerror(errno));
	address = mmap(NULL, buffer->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       display->fd, map.offset);
	if (address == MAP_FAILED)
		fail("mapping a buffer of the display: %s", strerror(errno));
	return address;
}

void display_add_fb(struct display *display, struct display_buffer *buffer)
{
	uint32_t pitch = display->image.pitch;
	uint32_t handles[4] = { buffer->handle };
	uint32_t pitches[4] = { pitch };
	uint32_t offsets[4] = { 0 };

	if (display->format->has_chroma) {
		handles[1] = buffer->handle;
		pitches[1] = pitch;
		offsets[1] = pitch * display->image.height;
	}
	if (drmModeAddFB2(display->fd, display->image.width, display->image.height,
			  display->format->drm, handles, pitches, offsets, &buffer->fb, 0))
		fail("the display refuses a framebuffer of %ux%u, %s, %u bytes a line: %s",
		     display->image.width, display->image.height, display->format->name,
		     pitch, strerror(errno));
}

static void add_plane(struct display *display, drmModeAtomicReq *request,
		      uint32_t plane, uint32_t fb, uint32_t width, uint32_t height)
{
	const struct {
		const char *name;
		uint64_t value;
	} properties[] = {
		{ "FB_ID", fb },
		{ "CRTC_ID", display->crtc },
		{ "SRC_X", 0 },
		{ "SRC_Y", 0 },
		{ "SRC_W", (uint64_t)width << 16 },
		{ "SRC_H", (uint64_t)height << 16 },
		/* Even, for formats with subsampled chroma. */
		{ "CRTC_X", (display->mode.hdisplay - width) / 4 * 2 },
		{ "CRTC_Y", (display->mode.vdisplay - height) / 4 * 2 },
		{ "CRTC_W", width },
		{ "CRTC_H", height },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(properties); i++)
		set_property(display, request, plane, DRM_MODE_OBJECT_PLANE,
			     properties[i].name, properties[i].value);
}

/* A black primary plane below the overlay. */
static void add_background(struct display *display, drmModeAtomicReq *request)
{
	static const struct format xrgb = { "XR24", 0, DRM_FORMAT_XRGB8888, 4, false };
	struct display screen = *display;
	struct display_buffer buffer;

	screen.format = &xrgb;
	screen.image = (struct image){
		.width = display->mode.hdisplay,
		.height = display->mode.vdisplay,
		.pitch = (display->mode.hdisplay * xrgb.cpp + 63) / 64 * 64,
	};
	display_create(&screen, &buffer);
	display_add_fb(&screen, &buffer);
	add_plane(display, request, display->primary, buffer.fb, screen.image.width,
		  screen.image.height);
}

static void add_configuration(struct display *display, drmModeAtomicReq *request)
{
	static const char *const encodings[] = {
		"ITU-R BT.601 YCbCr", "ITU-R BT.709 YCbCr", "ITU-R BT.2020 YCbCr",
	};
	uint32_t vrr = find_property(display->fd, display->crtc, DRM_MODE_OBJECT_CRTC,
				     "VRR_ENABLED", NULL);

	set_property(display, request, display->connector, DRM_MODE_OBJECT_CONNECTOR,
		     "CRTC_ID", display->crtc);
	set_property(display, request, display->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID",
		     mode_blob(display));
	set_property(display, request, display->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
	if (vrr)
		drmModeAtomicAddProperty(request, display->crtc, vrr, display->vrr);
	if (display->format->has_chroma) {
		set_enum(display, request, display->plane, "COLOR_ENCODING",
			 encodings[display->image.encoding]);
		set_enum(display, request, display->plane, "COLOR_RANGE",
			 display->image.full_range ? "YCbCr full range" :
						     "YCbCr limited range");
	}
	if (display->plane != display->primary)
		add_background(display, request);
}

/* Sets the mode and the planes with the first picture. */
static int configure(struct display *display, uint32_t fb, uint32_t flags)
{
	drmModeAtomicReq *request = drmModeAtomicAlloc();
	int error;

	if (!request)
		fail("out of memory");
	add_configuration(display, request);
	add_plane(display, request, display->plane, fb, display->image.width,
		  display->image.height);
	display->fb_property = find_property(display->fd, display->plane,
					     DRM_MODE_OBJECT_PLANE, "FB_ID", NULL);
	display->configured = true;
	error = drmModeAtomicCommit(display->fd, request,
				    flags | DRM_MODE_ATOMIC_ALLOW_MODESET, display);
	drmModeAtomicFree(request);
	return error;
}

/* As drmModeAtomicCommit(), which allocates, copies and sorts for each picture. */
static int commit_fb(struct display *display, uint64_t fb, uint32_t flags)
{
	uint32_t count = 1;
	struct drm_mode_atomic commit = {
		.flags = flags,
		.count_objs = 1,
		.objs_ptr = (uintptr_t)&display->plane,
		.count_props_ptr = (uintptr_t)&count,
		.props_ptr = (uintptr_t)&display->fb_property,
		.prop_values_ptr = (uintptr_t)&fb,
		.user_data = (uintptr_t)display,
	};

	return drmIoctl(display->fd, DRM_IOCTL_MODE_ATOMIC, &commit) ? -errno : 0;
}

int display_flip(struct display *display, uint32_t fb)
{
	uint32_t flags = DRM_MODE_PAGE_FLIP_EVENT | DRM_MODE_ATOMIC_NONBLOCK;
	int error = display->configured ? commit_fb(display, fb, flags) :
					  configure(display, fb, flags);

	if (!error)
		return 0;
	complain("the display refuses a frame in mode %ux%u, %.2f Hz: %s%s",
		 display->mode.hdisplay, display->mode.vdisplay, mode_hz(&display->mode),
		 strerror(-error), error == -EACCES ? "; another program has the display" : "");
	return -1;
}

static void on_flip(int fd, unsigned int sequence, unsigned int seconds,
		    unsigned int microseconds, unsigned int crtc, void *data)
{
	struct display *display = data;

	(void)fd;
	(void)crtc;
	display->flip_done = true;
	display->flip.frame = sequence;
	display->flip.time_ns = seconds * 1000000000ull + microseconds * 1000ull;
}

void display_read_events(struct display *display)
{
	drmEventContext context = {
		.version = 3,
		.page_flip_handler2 = on_flip,
	};

	display->flip_done = false;
	drmHandleEvent(display->fd, &context);
}

void display_wait_vblanks(struct display *display, unsigned int count)
{
	drmVBlank vblank = {
		.request.type = DRM_VBLANK_RELATIVE |
				display->crtc_index << DRM_VBLANK_HIGH_CRTC_SHIFT,
		.request.sequence = count,
	};

	if (display->configured)
		drmWaitVBlank(display->fd, &vblank);
}
