// SPDX-License-Identifier: GPL-2.0-or-later
/* What can be done with a file descriptor. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dmabuf.h"

static int reply_fd(int fd)
{
	return fd < 0 ? reply_error() : reply_ok("%d", fd);
}

/* open PATH FLAGS: fd */
static int cmd_open(char **arg)
{
	return reply_fd(open(arg[0], number(arg[1])));
}

/* reopen FD FLAGS: open /proc/self/fd/FD; fd */
static int cmd_reopen(char **arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%s", arg[0]);
	return reply_fd(open(path, number(arg[1])));
}

/* link FD: where /proc/self/fd/FD points, its spaces as "_" */
static int cmd_link(char **arg)
{
	char path[64], target[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%s", arg[0]);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return reply_error();
	for (char *at = target; *at; at++)
		if (*at == ' ')
			*at = '_';
	return reply_ok("%s", target);
}

/* ioctl FD REQUEST HEX|null: result, and what the structure is afterwards */
static int cmd_ioctl(char **arg)
{
	size_t size = 0;
	uint8_t *data = strcmp(arg[2], "null") ? parse_hex(arg[2], &size) : NULL;
	int result = ioctl(number(arg[0]), number(arg[1]), data), error = errno;
	char *text = format_hex(data, size);

	errno = error;
	result = result < 0 ? reply_error() : reply_ok("%d %s", result, text);
	free(text);
	free(data);
	return result;
}

/* dup FD: fd */
static int cmd_dup(char **arg)
{
	return reply_fd(dup(number(arg[0])));
}

/* fcntl FD COMMAND [ARGUMENT]: result */
static int cmd_fcntl(char **arg)
{
	return reply_fd(fcntl(number(arg[0]), number(arg[1]), arg[2] ? number(arg[2]) : 0));
}

/* lseek FD OFFSET WHENCE: position */
static int cmd_lseek(char **arg)
{
	off_t position = lseek(number(arg[0]), strtoll(arg[1], NULL, 0), number(arg[2]));

	return position < 0 ? reply_error() : reply_ok("%lld", (long long)position);
}

/* fstat FD: inode, size */
static int cmd_fstat(char **arg)
{
	struct stat status;

	if (fstat(number(arg[0]), &status))
		return reply_error();
	return reply_ok("%llu %lld", (unsigned long long)status.st_ino,
			(long long)status.st_size);
}

/* fstatfs FD: type of the file system */
static int cmd_fstatfs(char **arg)
{
	struct statfs status;

	if (fstatfs(number(arg[0]), &status))
		return reply_error();
	return reply_ok("%#lx", (unsigned long)status.f_type);
}

/* fork_fstat FD: inode, as a child process sees it */
static int cmd_fork_fstat(char **arg)
{
	struct stat status = { 0 };
	pid_t child;
	int ends[2];

	if (pipe(ends))
		return reply_error();
	child = fork();
	if (!child) {
		fstat(number(arg[0]), &status);
		_exit(write(ends[1], &status.st_ino, sizeof(status.st_ino)) < 0);
	}
	close(ends[1]);
	if (child < 0 || read(ends[0], &status.st_ino, sizeof(status.st_ino)) < 0)
		return reply_error();
	close(ends[0]);
	waitpid(child, NULL, 0);
	return reply_ok("%llu", (unsigned long long)status.st_ino);
}

/* exec_sees FD: whether a program that is executed has the descriptor */
static int cmd_exec_sees(char **arg)
{
	char script[64];
	int status;

	snprintf(script, sizeof(script), "test -e /proc/self/fd/%s", arg[0]);
	status = system(script);
	return reply_ok("%d", WIFEXITED(status) && !WEXITSTATUS(status));
}

/* truncate FD SIZE */
static int cmd_truncate(char **arg)
{
	return reply(ftruncate(number(arg[0]), number(arg[1])));
}

/* read FD SIZE: bytes in hexadecimal */
static int cmd_read(char **arg)
{
	size_t size = number(arg[1]);
	uint8_t *data = malloc(size);
	ssize_t done = read(number(arg[0]), data, size);
	char *text;

	if (done < 0) {
		free(data);
		return reply_error();
	}
	text = format_hex(data, done);
	reply_ok("%s", text);
	free(text);
	free(data);
	return 0;
}

/* write FD HEX: count */
static int cmd_write(char **arg)
{
	size_t size;
	uint8_t *data = parse_hex(arg[1], &size);
	ssize_t done = write(number(arg[0]), data, size);

	free(data);
	return reply_fd(done);
}

/* poll FD EVENTS TIMEOUT: the events that came */
static int cmd_poll(char **arg)
{
	struct pollfd poller = { .fd = number(arg[0]), .events = number(arg[1]) };

	if (poll(&poller, 1, strtol(arg[2], NULL, 0)) < 0)
		return reply_error();
	return reply_ok("%d", poller.revents);
}

/* pipe: both fds */
static int cmd_pipe(char **arg)
{
	int ends[2];

	(void)arg;
	return pipe(ends) ? reply_error() : reply_ok("%d %d", ends[0], ends[1]);
}

/* memfd SIZE SEALS: fd */
static int cmd_memfd(char **arg)
{
	int fd = memfd_create("contract", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, number(arg[0])) ||
	    (number(arg[1]) && fcntl(fd, F_ADD_SEALS, number(arg[1]))))
		return reply_error();
	return reply_ok("%d", fd);
}

/* descriptors LIMIT: open no more of them; the limit before */
static int cmd_descriptors(char **arg)
{
	struct rlimit limit;
	rlim_t before;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return reply_error();
	before = limit.rlim_cur;
	limit.rlim_cur = number(arg[0]);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return reply_error();
	return reply_ok("%llu", (unsigned long long)before);
}

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

static int open_socket(const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", name);
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

/* bind PATH: a socket that "receive" receives from; its fd */
static int cmd_bind(char **arg)
{
	struct sockaddr_un address;
	int fd = open_socket(arg[0], &address);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return reply_error();
	return reply_ok("%d", fd);
}

/* send PATH FD: pass a descriptor by SCM_RIGHTS */
static int cmd_send(char **arg)
{
	char byte = 0;
	struct iovec data = { &byte, 1 };
	union control control = {
		.header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct sockaddr_un address;
	int fd = open_socket(arg[0], &address), result;

	message.msg_name = &address;
	message.msg_namelen = sizeof(address);
	*(int *)CMSG_DATA(&control.header) = number(arg[1]);
	result = sendmsg(fd, &message, 0);
	close(fd);
	return reply(result < 0);
}

/* receive SOCKET: the descriptor that was sent */
static int cmd_receive(char **arg)
{
	char byte;
	struct iovec data = { &byte, 1 };
	union control control;
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	if (recvmsg(number(arg[0]), &message, MSG_CMSG_CLOEXEC) < 0)
		return reply_error();
	return reply_ok("%d", *(int *)CMSG_DATA(&control.header));
}

const struct command fd_commands[] = {
	{ "open", 2, cmd_open }, { "reopen", 2, cmd_reopen }, { "link", 1, cmd_link },
	{ "ioctl", 3, cmd_ioctl }, { "dup", 1, cmd_dup }, { "fcntl", 2, cmd_fcntl },
	{ "lseek", 3, cmd_lseek }, { "fstat", 1, cmd_fstat }, { "fstatfs", 1, cmd_fstatfs },
	{ "fork_fstat", 1, cmd_fork_fstat }, { "exec_sees", 1, cmd_exec_sees },
	{ "truncate", 2, cmd_truncate }, { "read", 2, cmd_read }, { "write", 2, cmd_write },
	{ "poll", 3, cmd_poll }, { "pipe", 0, cmd_pipe }, { "memfd", 2, cmd_memfd },
	{ "descriptors", 1, cmd_descriptors },
	{ "bind", 1, cmd_bind }, { "send", 2, cmd_send }, { "receive", 1, cmd_receive },
	{ }
};
