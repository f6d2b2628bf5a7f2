// SPDX-License-Identifier: GPL-2.0-or-later
/* Touches pages of its own in known ways, for the tests of the CPU witness. */
#define _GNU_SOURCE
#include "commands.h"
#include <linux/baton-probe.h>
#include <linux/udmabuf.h>

#define PAGE 4096

static char *pages, *other;
static size_t num_pages;
static int file = -1;	/* behind the pages */

static uint64_t physical(const void *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) < 0)
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE;
}

static int make_file(size_t count)
{
	int fd = memfd_create("pages", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, count * PAGE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -1;
	return fd;
}

static char *map_pages(int fd, size_t count)
{
	char *map = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return NULL;
	memset(map, 0xa5, count * PAGE);
	return mlock(map, count * PAGE) ? NULL : map;
}

/* map COUNT: the physical addresses of so many pages */
static int cmd_map(char **arg)
{
	num_pages = number(arg[0]);
	file = make_file(num_pages);
	pages = map_pages(file, num_pages);
	other = map_pages(make_file(num_pages), num_pages);
	if (!pages || !other)
		return reply_error();
	printf("ok");
	for (size_t i = 0; i < num_pages; i++)
		printf(" %#lx", physical(pages + i * PAGE));
	printf("\n");
	return 0;
}

#define ACCESS(name, code)						\
	static void access_##name(char *p)				\
	{								\
		asm volatile(".arch armv8.1-a\n" code : : "r" (p) :	\
			     "x9", "x10", "x11", "x12", "v0", "v1",	\
			     "v2", "v3", "cc", "memory");		\
	}

ACCESS(ldrb, "ldrb w9, [%0]")
ACCESS(ldrh, "ldrh w9, [%0]")
ACCESS(ldrw, "ldr w9, [%0]")
ACCESS(ldrsw, "ldrsw x9, [%0]")
ACCESS(ldrx, "ldr x9, [%0]")
ACCESS(strb, "strb wzr, [%0]")
ACCESS(strh, "strh wzr, [%0]")
ACCESS(strw, "str wzr, [%0]")
ACCESS(strx, "str xzr, [%0]")
ACCESS(ldpw, "ldp w9, w10, [%0]")
ACCESS(ldpx, "ldp x9, x10, [%0]")
ACCESS(ldnp, "ldnp x9, x10, [%0]")
ACCESS(stpw, "stp wzr, wzr, [%0]")
ACCESS(stpx, "stp xzr, xzr, [%0]")
ACCESS(ldrd, "ldr d0, [%0]")
ACCESS(ldrq, "ldr q0, [%0]")
ACCESS(strq, "str q0, [%0]")
ACCESS(ldpq, "ldp q0, q1, [%0]")
ACCESS(stpq, "stp q0, q1, [%0]")
ACCESS(ld1, "ld1 {v0.16b}, [%0]")
ACCESS(ld1x4, "ld1 {v0.16b - v3.16b}, [%0]")
ACCESS(ld2, "ld2 {v0.8h, v1.8h}, [%0]")
ACCESS(ld3, "ld3 {v0.4s - v2.4s}, [%0]")
ACCESS(ld4, "ld4 {v0.16b - v3.16b}, [%0]")
ACCESS(ld1lane, "ld1 {v0.s}[1], [%0]")
ACCESS(ld1r, "ld1r {v0.8h}, [%0]")
ACCESS(st1, "st1 {v0.16b}, [%0]")
ACCESS(st2, "st2 {v0.8h, v1.8h}, [%0]")
ACCESS(st3, "st3 {v0.4s - v2.4s}, [%0]")
ACCESS(st4, "st4 {v0.16b - v3.16b}, [%0]")
ACCESS(ldar, "ldar x9, [%0]")
ACCESS(stlr, "stlr xzr, [%0]")
ACCESS(ldxr, "ldxr w9, [%0]\n clrex")
ACCESS(exclusive_b, "1: ldxrb w9, [%0]\n stxrb w10, w9, [%0]\n cbnz w10, 1b")
ACCESS(exclusive_w, "1: ldxr w9, [%0]\n stxr w10, w9, [%0]\n cbnz w10, 1b")
ACCESS(exclusive_x, "1: ldaxr x9, [%0]\n stlxr w10, x9, [%0]\n cbnz w10, 1b")
ACCESS(exclusive_p, "1: ldxp x9, x11, [%0]\n stxp w10, x9, x11, [%0]\n cbnz w10, 1b")
ACCESS(ldadd, "ldadd w9, w10, [%0]")
ACCESS(stset, "stset x9, [%0]")
ACCESS(swp, "swp x9, x10, [%0]")
ACCESS(exclusive_lost, "clrex\n stxr w10, w9, [%0]")
ACCESS(exclusive_late, "ldxr x9, [%0]\n mvn x11, x9\n str x11, [%0]\n stxr w10, x9, [%0]")
ACCESS(cas, "ldr x9, [%0]\n cas x9, x10, [%0]")
ACCESS(cas_differs, "ldr x9, [%0]\n mvn x9, x9\n cas x9, x10, [%0]")
ACCESS(casp, "casp x10, x11, x10, x11, [%0]")
ACCESS(zva, "dc zva, %0")
ACCESS(clean, "dc cvac, %0")
ACCESS(prefetch, "prfm pldl1keep, [%0]")

static const struct {
	const char *name;
	void (*run)(char *p);
} accesses[] = {
#define ENTRY(name) { #name, access_##name }
	ENTRY(ldrb), ENTRY(ldrh), ENTRY(ldrw), ENTRY(ldrsw), ENTRY(ldrx), ENTRY(strb),
	ENTRY(strh), ENTRY(strw), ENTRY(strx), ENTRY(ldpw), ENTRY(ldpx), ENTRY(ldnp),
	ENTRY(stpw), ENTRY(stpx), ENTRY(ldrd), ENTRY(ldrq), ENTRY(strq), ENTRY(ldpq),
	ENTRY(stpq), ENTRY(ld1), ENTRY(ld1x4), ENTRY(ld2), ENTRY(ld3), ENTRY(ld4),
	ENTRY(ld1lane), ENTRY(ld1r), ENTRY(st1), ENTRY(st2), ENTRY(st3), ENTRY(st4),
	ENTRY(ldar), ENTRY(stlr), ENTRY(ldxr), ENTRY(exclusive_b), ENTRY(exclusive_w),
	ENTRY(exclusive_x), ENTRY(exclusive_p), ENTRY(ldadd), ENTRY(stset), ENTRY(swp),
	ENTRY(exclusive_lost), ENTRY(exclusive_late), ENTRY(cas), ENTRY(cas_differs),
	ENTRY(casp), ENTRY(zva), ENTRY(clean), ENTRY(prefetch),
};

/* code NAME: where the function is that does such accesses */
static int cmd_code(char **arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++)
		if (!strcmp(accesses[i].name, arg[0]))
			return reply_ok("%#lx", (uintptr_t)accesses[i].run);
	errno = ENOENT;
	return reply_error();
}

/* access NAME OFFSET TIMES */
static int cmd_access(char **arg)
{
	char *p = pages + number(arg[1]);
	unsigned int times = number(arg[2]);

	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (strcmp(accesses[i].name, arg[0]))
			continue;
		while (times--)
			accesses[i].run(p);
		return reply(0);
	}
	errno = ENOENT;
	return reply_error();
}

/* copy_in OFFSET SIZE: by the C library, into the pages */
static int cmd_copy_in(char **arg)
{
	memcpy(pages + number(arg[0]), other, number(arg[1]));
	return reply(0);
}

/* copy_out OFFSET SIZE */
static int cmd_copy_out(char **arg)
{
	memcpy(other, pages + number(arg[0]), number(arg[1]));
	return reply(0);
}

/* clear OFFSET SIZE: by the C library */
static int cmd_clear(char **arg)
{
	memset(pages + number(arg[0]), 0, number(arg[1]));
	return reply(0);
}

/* kernel_out OFFSET SIZE, kernel_in OFFSET SIZE: through a pipe */
static int through_pipe(char *from, char *to, size_t size)
{
	int fds[2], failed;

	if (pipe(fds))
		return reply_error();
	failed = write(fds[1], from, size) != (ssize_t)size ||
		 read(fds[0], to, size) != (ssize_t)size;
	close(fds[0]);
	close(fds[1]);
	return reply(failed);
}

static int cmd_kernel_out(char **arg)
{
	return through_pipe(pages + number(arg[0]), other, number(arg[1]));
}

static int cmd_kernel_in(char **arg)
{
	return through_pipe(other, pages + number(arg[0]), number(arg[1]));
}

/* Makes a dma-buf of the pages and has the kernel map it: what the probe calls it. */
static int vmap_pages(int probe, uint32_t *id)
{
	struct udmabuf_create create = { .memfd = file, .size = num_pages * PAGE };
	struct baton_probe_vmap vmap = { 0 };
	struct baton_probe_get get = { 0 };
	int device = open("/dev/udmabuf", O_RDWR);
	int failed;

	get.fd = ioctl(device, UDMABUF_CREATE, &create);
	close(device);
	if ((int)get.fd < 0)
		return -1;
	failed = ioctl(probe, BATON_PROBE_IOC_GET, &get);
	close(get.fd);
	vmap.buffer = get.id;
	failed = failed || ioctl(probe, BATON_PROBE_IOC_VMAP, &vmap);
	*id = vmap.id;
	return failed ? -1 : 0;
}

/* By memcpy() of the kernel; not from or to the program's own pages. */
static int kernel_memcpy(uint64_t offset, size_t size, uint32_t flags)
{
	static uint32_t id;
	static int probe = -1;
	struct baton_probe_access access = {
		.offset = offset, .len = size, .flags = flags, .data = (uintptr_t)other,
	};

	if (probe < 0) {
		probe = open("/dev/baton-probe", O_RDWR);
		if (vmap_pages(probe, &id))
			return reply_error();
	}
	access.id = id;
	return reply(ioctl(probe, BATON_PROBE_IOC_ACCESS, &access));
}

/* memcpy_out OFFSET SIZE */
static int cmd_memcpy_out(char **arg)
{
	return kernel_memcpy(number(arg[0]), number(arg[1]), 0);
}

/* memcpy_in OFFSET SIZE */
static int cmd_memcpy_in(char **arg)
{
	return kernel_memcpy(number(arg[0]), number(arg[1]), BATON_PROBE_ACCESS_WRITE);
}

/* punch OFFSET SIZE: a hole in a page, which memset() of the kernel clears */
static int cmd_punch(char **arg)
{
	return reply(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       number(arg[0]), number(arg[1])));
}

/* fresh: the physical address of a new page, which clear_page() of the kernel clears */
static int cmd_fresh(char **arg)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, make_file(1), 0);

	(void)arg;
	if (page == MAP_FAILED || madvise(page, PAGE, MADV_POPULATE_READ))
		return reply_error();
	return reply_ok("%#lx", physical(page));
}

static const struct command commands[] = {
	{ "code", 1, cmd_code }, { "memcpy_out", 2, cmd_memcpy_out },
	{ "memcpy_in", 2, cmd_memcpy_in }, { "punch", 2, cmd_punch }, { "fresh", 0, cmd_fresh },
	{ "map", 1, cmd_map }, { "access", 3, cmd_access }, { "copy_in", 2, cmd_copy_in },
	{ "copy_out", 2, cmd_copy_out }, { "clear", 2, cmd_clear },
	{ "kernel_out", 2, cmd_kernel_out }, { "kernel_in", 2, cmd_kernel_in },
};

int main(void)
{
	return run_commands(commands, ARRAY_SIZE(commands), 0);
}
