// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Meddles with the picture that a running baton-pipeline shows next, for the
 * tests of the proof: peek load | zva | kernel | virtio | stale [TIMES]
 *
 *   load    loads 4 bytes of its buffer through mmap
 *   zva     clears 64 bytes with DC ZVA
 *   kernel  has the kernel load 4 bytes (baton-probe)
 *   virtio  has a disk write 4 KiB to it (needs mappings that can be pinned)
 *   stale   puts a picture back on the screen that another one has replaced
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/baton-probe.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define VICTIM "baton-pipeline"
#define CARDS "/dev/dri/card"
#define CARD CARDS "0"
#define PAGE 4096
#define OFFSET (5 * PAGE)	/* into a buffer */
#define MAX_FILES 32
#define POLL_US 500
#define WARM_UP_US 300000
#define PAUSE_US 60000	/* longer than a buffer is with one frame */

static void die(const char *what)
{
	fprintf(stderr, "peek: %s: %s\n", what, strerror(errno));
	exit(1);
}

static pid_t find_victim(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (!found && (entry = readdir(proc))) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file) && !strcmp(name, VICTIM "\n"))
			found = atoi(entry->d_name);
		fclose(file);
	}
	closedir(proc);
	return found;
}

static int take_file(pid_t pid, int fd)
{
	int process = syscall(SYS_pidfd_open, pid, 0);
	int taken = process < 0 ? -1 : syscall(SYS_pidfd_getfd, process, fd, 0);

	close(process);
	return taken;
}

/* Takes those files of the process whose link begins so; returns how many. */
static int take_files(pid_t pid, const char *link, int *files)
{
	char path[300], target[300];
	struct dirent *entry;
	int count = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	while (directory && count < MAX_FILES && (entry = readdir(directory))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		if (strncmp(target, link, strlen(link)))
			continue;
		files[count] = take_file(pid, atoi(entry->d_name));
		if (files[count] >= 0)
			count++;
	}
	if (directory)
		closedir(directory);
	return count;
}

/* Waits until the victim has such files, and then until frames flow. */
static void wait_for_files(const char *link, int *files)
{
	pid_t pid;

	do {
		usleep(POLL_US);
		pid = find_victim();
	} while (!pid || !take_files(pid, link, files));
	usleep(WARM_UP_US);
}

static uint32_t shown_picture(int card, uint32_t plane)
{
	drmModePlane *state = drmModeGetPlane(card, plane);
	uint32_t picture = state ? state->fb_id : 0;

	drmModeFreePlane(state);
	return picture;
}

static uint32_t active_plane(int card)
{
	drmModePlaneRes *planes = drmModeGetPlaneResources(card);

	for (uint32_t i = 0; planes && i < planes->count_planes; i++) {
		drmModePlane *plane = drmModeGetPlane(card, planes->planes[i]);

		uint32_t crtc = plane ? plane->crtc_id : 0;

		drmModeFreePlane(plane);
		if (crtc)
			return planes->planes[i];
	}
	errno = ENOENT;
	die("no plane is active");
	return 0;
}

static uint32_t next_picture(int card)
{
	uint32_t plane = active_plane(card), old = shown_picture(card, plane);

	while (shown_picture(card, plane) == old)
		usleep(POLL_US);
	return shown_picture(card, plane);
}

/* The buffer of a frame that the display begins to show at the next vblank. */
static int next_buffer(int victims_card)
{
	static int card = -1;
	drmModeFB2 *picture;
	int buffer;

	if (card < 0)
		card = open(CARD, O_RDWR | O_CLOEXEC);
	picture = drmModeGetFB2(card, next_picture(victims_card));
	if (!picture)
		die("drmModeGetFB2");
	if (drmPrimeHandleToFD(card, picture->handles[0], O_RDWR | O_CLOEXEC, &buffer))
		die("drmPrimeHandleToFD");
	drmCloseBufferHandle(card, picture->handles[0]);
	drmModeFreeFB2(picture);
	return buffer;
}

static char *map(int buffer, int protection)
{
	char *page = mmap(NULL, PAGE, protection, MAP_SHARED, buffer, OFFSET);

	if (page == MAP_FAILED)
		die("mmap");
	return page;
}

static void meddle_load(int card)
{
	char *page = map(next_buffer(card), PROT_READ);

	asm volatile("ldr w9, [%0]" : : "r" (page) : "x9", "memory");
}

static void meddle_zva(int card)
{
	char *page = map(next_buffer(card), PROT_WRITE);

	asm volatile("dc zva, %0" : : "r" (page) : "memory");
}

static void meddle_kernel(int card)
{
	static int probe = -1;
	struct baton_probe_get get = { .fd = next_buffer(card) };
	struct baton_probe_vmap vmap = { };
	struct baton_probe_access access = { .offset = OFFSET, .len = 4 };
	uint32_t data;

	if (probe < 0)
		probe = open("/dev/baton-probe", O_RDWR);
	if (ioctl(probe, BATON_PROBE_IOC_GET, &get))
		die("BATON_PROBE_IOC_GET");
	vmap.buffer = get.id;
	if (ioctl(probe, BATON_PROBE_IOC_VMAP, &vmap))
		die("BATON_PROBE_IOC_VMAP");
	access.id = vmap.id;
	access.data = (uintptr_t)&data;
	if (ioctl(probe, BATON_PROBE_IOC_ACCESS, &access))
		die("BATON_PROBE_IOC_ACCESS");
}

static void meddle_virtio(int card)
{
	char *page = map(next_buffer(card), PROT_READ | PROT_WRITE);
	int disk = open("/dev/vda", O_RDONLY | O_DIRECT);

	if (disk < 0 || pread(disk, page, PAGE, 0) != PAGE)
		die("/dev/vda");
	close(disk);
}

static uint32_t find_property(int card, uint32_t plane, const char *name)
{
	drmModeObjectProperties *list;
	uint32_t found = 0;

	list = drmModeObjectGetProperties(card, plane, DRM_MODE_OBJECT_PLANE);
	for (uint32_t i = 0; list && !found && i < list->count_props; i++) {
		drmModePropertyRes *property = drmModeGetProperty(card, list->props[i]);

		if (property && !strcmp(property->name, name))
			found = list->props[i];
		drmModeFreeProperty(property);
	}
	drmModeFreeObjectProperties(list);
	return found;
}

/* Not a page flip: it would have to find the moment when none is pending. */
static void meddle_stale(int card)
{
	drmModeAtomicReq *request = drmModeAtomicAlloc();
	uint32_t plane = active_plane(card);
	uint32_t old = shown_picture(card, plane);

	while (shown_picture(card, plane) == old)
		usleep(POLL_US);
	drmModeAtomicAddProperty(request, plane, find_property(card, plane, "FB_ID"), old);
	if (drmModeAtomicCommit(card, request, 0, NULL))
		die("drmModeAtomicCommit");
	drmModeAtomicFree(request);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*meddle)(int card);
	} modes[] = {
		{ "load", meddle_load }, { "zva", meddle_zva },
		{ "kernel", meddle_kernel }, { "virtio", meddle_virtio },
		{ "stale", meddle_stale },
	};
	int count = argc > 2 ? atoi(argv[2]) : 1;
	int files[MAX_FILES];

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(modes); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		wait_for_files(CARDS, files);
		for (int times = 0; times < count; times++) {
			modes[i].meddle(files[0]);
			usleep(PAUSE_US);
		}
		return 0;
	}
	fprintf(stderr, "usage: peek load | zva | kernel | virtio | stale [TIMES]\n");
	return 2;
}
