/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the commands of a guest program answer (commands.h). */
#ifndef REPLY_H
#define REPLY_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_ARGS 16
#define MAX_LINE 8192

struct command {
	const char *name;
	int args;		/* at least */
	int (*run)(char **arg);	/* the array ends with NULL */
};

/* Where the answers of this thread go. */
extern __thread FILE *answer;

static inline int reply_error(void)
{
	fprintf(answer, "error %d %s\n", errno, strerror(errno));
	return -1;
}

static inline int reply(int result)
{
	if (result)
		return reply_error();
	fprintf(answer, "ok\n");
	return 0;
}

__attribute__((format(printf, 1, 2)))
static inline int reply_ok(const char *format, ...)
{
	va_list values;

	fputs("ok ", answer);
	va_start(values, format);
	vfprintf(answer, format, values);
	va_end(values);
	fputc('\n', answer);
	return 0;
}

static inline uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

#endif
