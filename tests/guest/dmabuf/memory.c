// SPDX-License-Identifier: GPL-2.0-or-later
/* Mapped memory. An access that the kernel ends with a signal is an answer, too. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dmabuf.h"

static __thread sigjmp_buf fault;
static bool stopped;

static void on_fault(int signal)
{
	siglongjmp(fault, signal);
}

/* Runs an access; a signal that ends it is its answer: SIGBUS is ENXIO, SIGSEGV is EFAULT. */
static int guarded(int (*access)(char **arg), char **arg)
{
	const struct sigaction action = { .sa_handler = on_fault };
	int signal;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	signal = sigsetjmp(fault, 1);
	if (!signal)
		return access(arg);
	errno = signal == SIGBUS ? ENXIO : EFAULT;
	return reply_error();
}

static void *at(const char *address)
{
	return (void *)number(address);
}

/* map FD SIZE PROT [OFFSET [FLAGS]]: address */
static int cmd_map(char **arg)
{
	off_t offset = arg[3] ? strtoull(arg[3], NULL, 0) : 0;
	int flags = arg[3] && arg[4] ? number(arg[4]) : MAP_SHARED;
	void *memory = mmap(NULL, number(arg[1]), number(arg[2]), flags, number(arg[0]), offset);

	return memory == MAP_FAILED ? reply_error() : reply_ok("%p", memory);
}

/* unmap ADDRESS SIZE */
static int cmd_unmap(char **arg)
{
	return reply(munmap(at(arg[0]), number(arg[1])));
}

/* remap ADDRESS SIZE NEW_SIZE: address */
static int cmd_remap(char **arg)
{
	void *memory = mremap(at(arg[0]), number(arg[1]), number(arg[2]), MREMAP_MAYMOVE);

	return memory == MAP_FAILED ? reply_error() : reply_ok("%p", memory);
}

static int store(char **arg)
{
	size_t size;
	uint8_t *data = parse_hex(arg[1], &size), *bytes = at(arg[0]);

	for (size_t i = 0; i < size; i++)
		bytes[i] = data[i];
	free(data);
	return reply(0);
}

/* store ADDRESS HEX */
static int cmd_store(char **arg)
{
	return guarded(store, arg);
}

static int fetch(char **arg)
{
	char *text;

	text = format_hex(at(arg[0]), number(arg[1]));
	reply_ok("%s", text);
	free(text);
	return 0;
}

/* fetch ADDRESS SIZE: bytes in hexadecimal */
static int cmd_fetch(char **arg)
{
	return guarded(fetch, arg);
}

static uint64_t next_random(uint64_t value)
{
	value ^= value << 13;
	value ^= value >> 7;
	return value ^ value << 17;
}

static int fill(char **arg)
{
	uint64_t *words = at(arg[0]);
	uint64_t value = number(arg[2]) + 1;

	for (size_t i = 0; i < number(arg[1]) / sizeof(*words); i++) {
		value = next_random(value);
		words[i] = value;
	}
	return reply(0);
}

/* fill ADDRESS SIZE SEED: with words that follow from the seed */
static int cmd_fill(char **arg)
{
	return guarded(fill, arg);
}

static int check(char **arg)
{
	uint64_t *words = at(arg[0]);
	uint64_t value = number(arg[2]) + 1, wrong = 0;

	for (size_t i = 0; i < number(arg[1]) / sizeof(*words); i++) {
		value = next_random(value);
		wrong += words[i] != value;
	}
	return reply_ok("%llu", (unsigned long long)wrong);
}

/* check ADDRESS SIZE SEED: how many words differ from what "fill" wrote */
static int cmd_check(char **arg)
{
	return guarded(check, arg);
}

static int zeros(char **arg)
{
	uint64_t *words = at(arg[0]);
	uint64_t wrong = 0;

	for (size_t i = 0; i < number(arg[1]) / sizeof(*words); i++)
		wrong += words[i] != 0;
	return reply_ok("%llu", (unsigned long long)wrong);
}

/* zeros ADDRESS SIZE: how many words are not 0 */
static int cmd_zeros(char **arg)
{
	return guarded(zeros, arg);
}

bool is_stopped(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

static int increment(char **arg)
{
	uint64_t *words = at(arg[0]);
	size_t count = number(arg[1]) / sizeof(*words);
	uint64_t rounds = 0;

	while (!is_stopped()) {
		for (size_t i = 0; i < count; i++)
			__atomic_store_n(&words[i], words[i] + 1, __ATOMIC_RELAXED);
		rounds++;
	}
	return reply_ok("%llu", (unsigned long long)rounds);
}

/* increment ADDRESS SIZE: add 1 to each word, over and over, until "stop"; the rounds */
static int cmd_increment(char **arg)
{
	return guarded(increment, arg);
}

/* stop: all that run until then */
static int cmd_stop(char **arg)
{
	(void)arg;
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
	return reply(0);
}

/* faults: how often this program has faulted */
static int cmd_faults(char **arg)
{
	struct rusage usage;

	(void)arg;
	getrusage(RUSAGE_SELF, &usage);
	return reply_ok("%ld", usage.ru_minflt + usage.ru_majflt);
}

/* direct PATH ADDRESS SIZE: read a file past the page cache; count */
static int cmd_direct(char **arg)
{
	int fd = open(arg[0], O_RDONLY | O_DIRECT | O_CLOEXEC), error;
	ssize_t done = read(fd, at(arg[1]), number(arg[2]));

	error = errno;
	close(fd);
	errno = error;
	return done < 0 ? reply_error() : reply_ok("%zd", done);
}

const struct command memory_commands[] = {
	{ "map", 3, cmd_map }, { "unmap", 2, cmd_unmap }, { "remap", 3, cmd_remap },
	{ "store", 2, cmd_store }, { "fetch", 2, cmd_fetch }, { "fill", 3, cmd_fill },
	{ "check", 3, cmd_check }, { "zeros", 2, cmd_zeros },
	{ "increment", 2, cmd_increment }, { "stop", 0, cmd_stop },
	{ "faults", 0, cmd_faults }, { "direct", 3, cmd_direct },
	{ }
};
