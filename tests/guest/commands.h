/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that a test drives: it reads commands from standard input, one a
 * line, and answers each with a line "ok VALUE..." or "error ERRNO TEXT".
 * File descriptors go by their number.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reply.h"

__thread FILE *answer;

/* Copies a file into (or, !write, out of) mapped memory. */
static int copy_file(const char *path, int fd, off_t offset, size_t size, bool write)
{
	int file = open(path, write ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0600);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	ssize_t done = -1;

	if (memory != MAP_FAILED) {
		done = write ? read(file, memory, size) : pwrite(file, memory, size, 0);
		munmap(memory, size);
	}
	close(file);
	return reply(done < 0);
}

static int copy_dma_buf(char **arg, bool write)
{
	uint64_t access = write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ;
	struct dma_buf_sync begin = { DMA_BUF_SYNC_START | access };
	struct dma_buf_sync end = { DMA_BUF_SYNC_END | access };
	int fd = number(arg[0]), result;

	if (ioctl(fd, DMA_BUF_IOCTL_SYNC, &begin))
		return reply_error();
	result = copy_file(arg[2], fd, 0, number(arg[1]), write);
	ioctl(fd, DMA_BUF_IOCTL_SYNC, &end);
	return result;
}

/* load_fd FD SIZE PATH: copy a file into a dma-buf */
static int cmd_load_fd(char **arg)
{
	return copy_dma_buf(arg, true);
}

/* save_fd FD SIZE PATH: copy a dma-buf into a file */
static int cmd_save_fd(char **arg)
{
	return copy_dma_buf(arg, false);
}

/* scribble_fd FD SIZE PATH: the same as load_fd, without telling anybody */
static int cmd_scribble_fd(char **arg)
{
	return copy_file(arg[2], number(arg[0]), 0, number(arg[1]), true);
}

/* heap NAME SIZE [FD_FLAGS]: fd */
static int cmd_heap(char **arg)
{
	struct dma_heap_allocation_data data = {
		.len = number(arg[1]),
		.fd_flags = arg[2] ? number(arg[2]) : O_RDWR | O_CLOEXEC,
	};
	char path[64];
	int heap, result;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", arg[0]);
	heap = open(path, O_RDWR);
	if (heap < 0)
		return reply_error();
	result = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);
	close(heap);
	return result ? reply_error() : reply_ok("%u", data.fd);
}

/* close FD */
static int cmd_close(char **arg)
{
	return reply(close(number(arg[0])));
}

/* pid: of this program */
static int cmd_pid(char **arg)
{
	(void)arg;
	return reply_ok("%d", getpid());
}

/* adopt PID FD: a descriptor of another process; fd */
static int cmd_adopt(char **arg)
{
	int process = syscall(SYS_pidfd_open, (pid_t)number(arg[0]), 0);
	int fd = syscall(SYS_pidfd_getfd, process, (int)number(arg[1]), 0);

	if (fd < 0)
		return reply_error();
	close(process);
	return reply_ok("%d", fd);
}

static const struct command common_commands[] = {
	{ "load_fd", 3, cmd_load_fd }, { "save_fd", 3, cmd_save_fd },
	{ "scribble_fd", 3, cmd_scribble_fd },
	{ "heap", 2, cmd_heap }, { "close", 1, cmd_close },
	{ "pid", 0, cmd_pid }, { "adopt", 2, cmd_adopt },
};

static const struct command *find_command(const struct command *commands, size_t count,
					  const char *name, int args)
{
	for (size_t i = 0; i < count; i++)
		if (args >= commands[i].args && !strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int run_line(const struct command *commands, size_t count, char *line)
{
	char *arg[MAX_ARGS + 1] = { NULL }, *rest;
	const struct command *command;
	int args = -1;

	for (char *word = strtok_r(line, "\n ", &rest); word && args < MAX_ARGS - 1;
	     word = strtok_r(NULL, "\n ", &rest))
		arg[++args] = word;
	if (args < 0)
		return 0;
	command = find_command(commands, count, arg[0], args);
	if (!command)
		command = find_command(common_commands, ARRAY_SIZE(common_commands), arg[0], args);
	errno = EOPNOTSUPP;
	return command ? command->run(arg + 1) : reply_error();
}

/* Answers whether the start went well, then commands up to the end of input. */
static int run_commands(const struct command *commands, size_t count, int started)
{
	char line[MAX_LINE];

	setvbuf(stdout, NULL, _IOLBF, 0);
	answer = stdout;
	if (reply(started))
		return 1;
	while (fgets(line, sizeof(line), stdin))
		run_line(commands, count, line);
	return 0;
}

#endif
