/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AGENT_H
#define AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

/* Ends the program with "agent: what: errno text". */
void die(const char *what) __attribute__((noreturn));

/*
 * port.c: frames over the virtio-serial port
 *
 * Frames to the host are kept until it acknowledges them.
 */
void port_open(const char *name);
/* Fills the entries to poll and returns their number, at most PORT_POLLFDS. */
#define PORT_POLLFDS 2
int port_poll(struct pollfd *fds);
void port_service(const struct pollfd *fds, int count);
/* How many bytes of output may be queued now. */
size_t port_window(void);
void port_send(uint32_t type, uint32_t id, const void *data, size_t length);
void port_error(uint32_t id, int error, const char *text);

/*
 * command.c: the commands that run
 */
#define COMMAND_POLLFDS (AGENT_MAX_COMMANDS * 4)
int command_poll(struct pollfd *fds);
void command_service(void);
/* Writes the ids of the running commands to list and returns their number. */
uint32_t command_list(uint32_t *list);
/* payload has one more byte than length says, a NUL. */
void command_run(uint32_t id, const char *payload, size_t length);
void command_stdin(uint32_t id, const char *payload, size_t length);
void command_kill(uint32_t id, const char *payload, size_t length);

#endif
