// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"

struct frame {
	struct frame *next;
	size_t size;			/* header and payload */
	struct agent_header header;	/* the payload follows */
	char payload[];
};

static struct {
	int fd;
	int signals;		/* SIGIO: the host connected or disconnected */
	bool connected;
	bool greeted;		/* a HELLO was received */
	bool in_garbage;

	/* One byte more, so that a payload can be ended by a NUL. */
	char in[sizeof(struct agent_header) + AGENT_MAX_PAYLOAD + 1];
	size_t in_length;

	struct {
		struct agent_header header;
		uint32_t version;
		uint32_t count;
		uint32_t ids[AGENT_MAX_COMMANDS];
	} hello;
	size_t hello_size;
	size_t hello_sent;

	struct frame *first;	/* oldest frame that is not acknowledged */
	struct frame *last;
	struct frame *unsent;	/* the frame to send, or being sent */
	size_t unsent_offset;
	size_t kept;		/* bytes in all frames from first on */
	uint32_t sequence;
} port;

static bool port_has_name(const char *device, const char *name)
{
	char path[64 + NAME_MAX], line[128] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", device);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		line[strcspn(line, "\n")] = '\0';
	fclose(file);
	return !strcmp(line, name);
}

static int port_try_open(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char path[16 + NAME_MAX];
	int fd = -1;

	if (!dir)
		return -1;
	while (fd < 0 && (entry = readdir(dir))) {
		if (!port_has_name(entry->d_name, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			die(path);
	}
	closedir(dir);
	return fd;
}

/* The port's name becomes known some time after the device; a uevent tells. */
static int port_wait_open(const char *name)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			    NETLINK_KOBJECT_UEVENT);
	char event[4096];
	int fd;

	if (events < 0 || bind(events, (void *)&address, sizeof(address)))
		die("uevent socket");
	for (;;) {
		fd = port_try_open(name);
		if (fd >= 0)
			break;
		/* ENOBUFS: events were missed, so look again */
		if (recv(events, event, sizeof(event), 0) < 0 &&
		    errno != ENOBUFS && errno != EINTR)
			die("uevent socket");
	}
	close(events);
	return fd;
}

void port_open(const char *name)
{
	sigset_t mask;

	port.fd = port_wait_open(name);
	sigemptyset(&mask);
	sigaddset(&mask, SIGIO);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	port.signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (port.signals < 0)
		die("signalfd");
	if (fcntl(port.fd, F_SETOWN, getpid()) ||
	    fcntl(port.fd, F_SETFL, O_NONBLOCK | O_ASYNC))
		die("port");
	port.connected = true;
}

int port_poll(struct pollfd *fds)
{
	bool output = port.hello_sent < port.hello_size ||
		      (port.greeted && port.unsent);

	fds[0] = (struct pollfd){ .fd = port.signals, .events = POLLIN };
	/* A port without a host always reports POLLHUP: SIGIO tells instead. */
	if (!port.connected)
		return 1;
	fds[1] = (struct pollfd){
		.fd = port.fd,
		.events = POLLIN | (output ? POLLOUT : 0),
	};
	return 2;
}

size_t port_window(void)
{
	return port.kept < AGENT_WINDOW ? AGENT_WINDOW - port.kept : 0;
}

void port_send(uint32_t type, uint32_t id, const void *data, size_t length)
{
	struct frame *frame = malloc(sizeof(*frame) + length);

	if (!frame)
		die("out of memory");
	*frame = (struct frame){
		.size = sizeof(frame->header) + length,
		.header = {
			.magic = AGENT_MAGIC,
			.type = type,
			.id = id,
			.sequence = ++port.sequence,
			.length = length,
		},
	};
	memcpy(frame->payload, data, length);

	if (port.last)
		port.last->next = frame;
	else
		port.first = frame;
	port.last = frame;
	if (!port.unsent)
		port.unsent = frame;
	port.kept += frame->size;
}

void port_error(uint32_t id, int error, const char *text)
{
	char payload[256];
	uint32_t code = error;
	int length;

	memcpy(payload, &code, sizeof(code));
	length = snprintf(payload + sizeof(code), sizeof(payload) - sizeof(code),
			  "%s: %s", text, strerror(error));
	if ((size_t)length >= sizeof(payload) - sizeof(code))
		length = sizeof(payload) - sizeof(code) - 1;
	port_send(AGENT_ERROR, id, payload, sizeof(code) + length + 1);
}

/* Sequence numbers are compared modulo 2^32, as they wrap. */
static void port_acknowledge(uint32_t last)
{
	while (port.first && (int32_t)(port.first->header.sequence - last) <= 0) {
		struct frame *frame = port.first;

		/* Never cut a frame: the rest of it still has to go out. */
		if (frame == port.unsent) {
			if (port.unsent_offset)
				return;
			port.unsent = frame->next;
		}
		port.first = frame->next;
		if (!port.first)
			port.last = NULL;
		port.kept -= frame->size;
		free(frame);
	}
}

static void port_hello(uint32_t id, const uint32_t *payload)
{
	/* What was being sent belongs to the connection before. */
	port.unsent = port.first;
	port.unsent_offset = 0;
	port_acknowledge(payload[1] == UINT32_MAX ? port.sequence : payload[1]);

	port.hello.version = AGENT_VERSION;
	port.hello.count = command_list(port.hello.ids);
	port.hello.header = (struct agent_header){
		.magic = AGENT_MAGIC,
		.type = AGENT_HELLO_REPLY,
		.id = id,
		.length = 8 + 4 * port.hello.count,
	};
	port.hello_size = sizeof(port.hello.header) + port.hello.header.length;
	port.hello_sent = 0;
	port.greeted = true;
}

static void port_request(const struct agent_header *header, char *payload)
{
	uint32_t words[2] = { 0 };
	uint32_t id = header->id;
	size_t length = header->length;

	memcpy(words, payload, length < sizeof(words) ? length : sizeof(words));
	switch (header->type) {
	case AGENT_HELLO:
		if (length != sizeof(words) || words[0] != AGENT_VERSION)
			port_error(id, EPROTO, "HELLO");
		else
			port_hello(id, words);
		break;
	case AGENT_ACK:
		if (length != sizeof(words[0]))
			port_error(id, EINVAL, "ACK");
		else
			port_acknowledge(words[0]);
		break;
	case AGENT_RUN:
		command_run(id, payload, length);
		break;
	case AGENT_STDIN:
		command_stdin(id, payload, length);
		break;
	case AGENT_KILL:
		command_kill(id, payload, length);
		break;
	default:
		port_error(id, EOPNOTSUPP, "unknown frame type");
	}
}

/* Returns how many bytes at data are no frame: up to a possible header. */
static size_t port_garbage(const char *data, size_t length)
{
	const uint32_t magic = AGENT_MAGIC;
	size_t skip;

	for (skip = 1; skip < length; skip++) {
		size_t left = length - skip;

		if (!memcmp(data + skip, &magic,
			    left < sizeof(magic) ? left : sizeof(magic)))
			break;
	}
	return skip;
}

/* Takes one frame, or garbage, off the input; returns 0 if more is needed. */
static size_t port_parse(char *data, size_t length)
{
	struct agent_header header;
	size_t size;
	char next;

	if (length < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	if (header.magic != AGENT_MAGIC || header.length > AGENT_MAX_PAYLOAD) {
		if (!port.in_garbage)
			port_error(0, EPROTO, "bytes that are no frame");
		port.in_garbage = true;
		return port_garbage(data, length);
	}
	size = sizeof(header) + header.length;
	if (length < size)
		return 0;
	port.in_garbage = false;
	next = data[size];
	data[size] = '\0';
	port_request(&header, data + sizeof(header));
	data[size] = next;
	return size;
}

/*
 * Data and the state of the connection come through different queues of the
 * device: HELLO can be here before the news that the last host went, or that
 * this one came. So the end of a connection says nothing about what was
 * received, but that no more follows to complete a request.
 */
static void port_disconnected(void)
{
	struct agent_header header = { 0 };
	size_t length = port.in_length;

	port.connected = false;
	memcpy(&header, port.in, length < sizeof(header) ? length : sizeof(header));
	if (header.type != AGENT_HELLO)
		port.in_length = 0;
}

static void port_read(void)
{
	size_t used, done = 0;
	ssize_t got = read(port.fd, port.in + port.in_length,
			   sizeof(port.in) - 1 - port.in_length);

	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			die("port");
		return;
	}
	if (!got) {
		port_disconnected();
		return;
	}
	port.in_length += got;
	while ((used = port_parse(port.in + done, port.in_length - done)))
		done += used;
	memmove(port.in, port.in + done, port.in_length - done);
	port.in_length -= done;
}

/* Returns whether all of it went out. */
static bool port_push(const void *data, size_t size, size_t *offset)
{
	ssize_t sent = write(port.fd, (const char *)data + *offset, size - *offset);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		die("port");
	if (sent > 0)
		*offset += sent;
	return *offset == size;
}

static void port_write(void)
{
	if (port.hello_sent < port.hello_size &&
	    !port_push(&port.hello, port.hello_size, &port.hello_sent))
		return;
	while (port.greeted && port.unsent) {
		if (!port_push(&port.unsent->header, port.unsent->size,
			       &port.unsent_offset))
			return;
		port.unsent = port.unsent->next;
		port.unsent_offset = 0;
	}
}

void port_service(const struct pollfd *fds, int count)
{
	struct signalfd_siginfo info;

	if (fds[0].revents) {
		while (read(port.signals, &info, sizeof(info)) > 0)
			;
		port.connected = true;
	}
	if (count < 2)
		return;
	if (fds[1].revents & (POLLIN | POLLHUP))
		port_read();
	if (fds[1].revents & POLLOUT)
		port_write();
}
