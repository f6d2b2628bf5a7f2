/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program of the contract tests. Its commands take file descriptors and
 * addresses by number; "ioctl" takes any structure, which the test packs.
 */
#ifndef DMABUF_H
#define DMABUF_H

#include <stdbool.h>

#include "../reply.h"

/* Each ends with an entry without a name. */
extern const struct command fd_commands[];
extern const struct command memory_commands[];
extern const struct command probe_commands[];
extern const struct command stress_commands[];
extern const struct command video_commands[];

/* Bytes written in hexadecimal; both return what they made or used. */
uint8_t *parse_hex(const char *text, size_t *size);
char *format_hex(const void *data, size_t size);

/* The command "stop" was given. */
bool is_stopped(void);

#endif
