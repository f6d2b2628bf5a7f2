// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The camera in a process of its own, as in a system with a capture service.
 * Messages go over a socket; buffers are passed along as file descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline.h"

enum message_type {
	/* from the camera */
	MESSAGE_IMAGE, MESSAGE_BUFFERS, MESSAGE_FRAME, MESSAGE_END, MESSAGE_ERROR,
	/* to the camera */
	MESSAGE_EXPORT, MESSAGE_IMPORT, MESSAGE_START, MESSAGE_RELEASE, MESSAGE_STOP,
};

struct message {
	enum message_type type;
	uint32_t count;			/* of buffers, or the number of one */
	union {
		struct image image;
		struct frame frame;
	};
};

struct remote {
	struct source source;
	pid_t child;
};

static struct remote remote;

/* Returns 0, or -1 when the other side is gone. */
static int send_message(int socket, const struct message *message, const int *fds,
			unsigned int fd_count)
{
	union {
		char bytes[CMSG_SPACE(MAX_BUFFERS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec data = { (void *)message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };

	if (fd_count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, fd_count * sizeof(int));
	}
	return sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/*
 * Returns 1 for a message, 0 if there is none yet, or -1 when the other side is
 * gone. fds has room for MAX_BUFFERS, or is NULL where no message carries any.
 */
static int receive_message(int socket, struct message *message, int *fds, int flags)
{
	union {
		char bytes[CMSG_SPACE(MAX_BUFFERS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec data = { message, sizeof(*message) };
	struct msghdr header = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = fds ? &control : NULL,
		.msg_controllen = fds ? sizeof(control) : 0,
	};
	struct cmsghdr *rights;
	ssize_t got;

	do {
		got = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got != sizeof(*message))
		return -1;
	rights = fds ? CMSG_FIRSTHDR(&header) : NULL;
	if (rights)
		memcpy(fds, CMSG_DATA(rights), rights->cmsg_len - CMSG_LEN(0));
	return 1;
}

/*
 * The process with the camera
 */
static void serve_request(int socket, struct source *camera,
			  const struct message *request, int *fds)
{
	struct message reply = { .type = MESSAGE_BUFFERS };

	switch (request->type) {
	case MESSAGE_EXPORT:
		camera->export(camera, request->count, fds);
		if (send_message(socket, &reply, fds, request->count))
			fail("passing the buffers on: %s", strerror(errno));
		break;
	case MESSAGE_IMPORT:
		camera->import(camera, request->count, fds);
		break;
	case MESSAGE_START:
		camera->start(camera);
		break;
	case MESSAGE_RELEASE:
		if (camera->release(camera, request->count))
			exit(1);
		break;
	default:
		camera->stop(camera);
		exit(0);
	}
}

/* Returns false after the last frame. */
static bool serve_frame(int socket, struct source *camera)
{
	static const enum message_type types[] = {
		[NEXT_FRAME] = MESSAGE_FRAME,
		[NEXT_END] = MESSAGE_END,
		[NEXT_ERROR] = MESSAGE_ERROR,
	};
	struct message message = { 0 };
	enum next_result result = camera->next(camera, &message.frame);

	if (result == NEXT_NONE)
		return true;
	message.type = types[result];
	if (send_message(socket, &message, NULL, 0))
		exit(0);
	return result == NEXT_FRAME;
}

static void serve(int socket, const struct options *options)
{
	struct message message = { .type = MESSAGE_IMAGE };
	struct source *camera = camera_open(options, &message.image);
	bool streaming = false;
	int fds[MAX_BUFFERS];

	if (send_message(socket, &message, NULL, 0))
		exit(0);
	for (;;) {
		struct pollfd polled[] = {
			{ .fd = socket, .events = POLLIN },
			{ .fd = streaming ? camera->fd : -1, .events = POLLIN | POLLPRI },
		};

		if (poll(polled, ARRAY_SIZE(polled), -1) < 0)
			continue;
		if (polled[0].revents) {
			if (receive_message(socket, &message, fds, 0) < 0)
				exit(0);
			serve_request(socket, camera, &message, fds);
			streaming |= message.type == MESSAGE_START;
		}
		if (polled[1].revents)
			streaming = serve_frame(socket, camera);
	}
}

/*
 * The process with the display
 */
static void request(const struct message *message, const int *fds, unsigned int count)
{
	if (send_message(remote.source.fd, message, fds, count))
		fail("the camera's process has ended");
}

static void expect(enum message_type type, struct message *message, int *fds)
{
	if (receive_message(remote.source.fd, message, fds, 0) != 1 ||
	    message->type != type)
		fail("the camera's process has ended");
}

static void link_export(struct source *source, unsigned int count, int *fds)
{
	struct message message = { .type = MESSAGE_EXPORT, .count = count };

	(void)source;
	request(&message, NULL, 0);
	expect(MESSAGE_BUFFERS, &message, fds);
}

static void link_import(struct source *source, unsigned int count, const int *fds)
{
	struct message message = { .type = MESSAGE_IMPORT, .count = count };

	(void)source;
	request(&message, fds, count);
}

static void link_start(struct source *source)
{
	struct message message = { .type = MESSAGE_START };

	(void)source;
	request(&message, NULL, 0);
}

static enum next_result link_next(struct source *source, struct frame *frame)
{
	struct message message;
	int result = receive_message(source->fd, &message, NULL, MSG_DONTWAIT);

	if (result == 0)
		return NEXT_NONE;
	if (result < 0) {
		complain("the camera's process has ended");
		return NEXT_ERROR;
	}
	*frame = message.frame;
	return message.type == MESSAGE_FRAME ? NEXT_FRAME :
	       message.type == MESSAGE_END ? NEXT_END : NEXT_ERROR;
}

static int link_release(struct source *source, unsigned int buffer)
{
	struct message message = { .type = MESSAGE_RELEASE, .count = buffer };

	if (!send_message(source->fd, &message, NULL, 0))
		return 0;
	complain("the camera's process has ended");
	return -1;
}

static void link_stop(struct source *source)
{
	struct message message = { .type = MESSAGE_STOP };

	send_message(source->fd, &message, NULL, 0);
	waitpid(remote.child, NULL, 0);
}

struct source *link_open(const struct options *options, struct image *image)
{
	struct message message;
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		fail("socketpair: %s", strerror(errno));
	remote.child = fork();
	if (remote.child < 0)
		fail("fork: %s", strerror(errno));
	if (!remote.child) {
		close(sockets[0]);
		serve(sockets[1], options);
	}
	close(sockets[1]);
	remote.source = (struct source){
		.fd = sockets[0],
		.export = link_export,
		.import = link_import,
		.start = link_start,
		.next = link_next,
		.release = link_release,
		.stop = link_stop,
	};
	expect(MESSAGE_IMAGE, &message, NULL);
	*image = message.image;
	return &remote.source;
}
