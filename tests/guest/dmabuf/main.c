// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs commands, in threads if they may block. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "../commands.h"
#include "dmabuf.h"

#define MAX_COMMANDS 128

struct task {
	struct task *next;
	char *name;
	char *line;
	char *text;
	size_t size;
	pthread_t thread;
	bool done;
};

static struct command commands[MAX_COMMANDS];
static size_t count;
static struct task *tasks;

uint8_t *parse_hex(const char *text, size_t *size)
{
	char digits[3] = "";
	uint8_t *data;

	*size = strlen(text) / 2;
	data = malloc(*size + 1);
	for (size_t i = 0; i < *size; i++) {
		memcpy(digits, text + 2 * i, 2);
		data[i] = strtoul(digits, NULL, 16);
	}
	return data;
}

char *format_hex(const void *data, size_t size)
{
	char *text = malloc(2 * size + 1);

	*text = '\0';
	for (size_t i = 0; i < size; i++)
		sprintf(text + 2 * i, "%02x", ((const uint8_t *)data)[i]);
	return text;
}

static void *run_task(void *data)
{
	struct task *task = data;

	answer = open_memstream(&task->text, &task->size);
	run_line(commands, count, task->line);
	fclose(answer);
	__atomic_store_n(&task->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static char *join_words(char **words)
{
	char *line = calloc(1, MAX_LINE);

	for (; *words; words++) {
		strcat(line, *words);
		strcat(line, " ");
	}
	return line;
}

static struct task **find_task(const char *name)
{
	struct task **at = &tasks;

	while (*at && strcmp((*at)->name, name))
		at = &(*at)->next;
	errno = ESRCH;
	return at;
}

/* start NAME COMMAND...: run a command in a thread */
static int cmd_start(char **arg)
{
	struct task *task = calloc(1, sizeof(*task));

	task->name = strdup(arg[0]);
	task->line = join_words(arg + 1);
	task->next = tasks;
	tasks = task;
	errno = pthread_create(&task->thread, NULL, run_task, task);
	return reply(errno);
}

/* done NAME: whether the thread has ended */
static int cmd_done(char **arg)
{
	struct task *task = *find_task(arg[0]);

	if (!task)
		return reply_error();
	return reply_ok("%d", __atomic_load_n(&task->done, __ATOMIC_ACQUIRE));
}

/* finish NAME: wait for the thread; its answer */
static int cmd_finish(char **arg)
{
	struct task **at = find_task(arg[0]), *task = *at;

	if (!task)
		return reply_error();
	pthread_join(task->thread, NULL);
	*at = task->next;
	fputs(task->text, answer);
	free(task->text);
	free(task->line);
	free(task->name);
	free(task);
	return 0;
}

/* interrupt NAME: signal the thread, which restarts no system call */
static int cmd_interrupt(char **arg)
{
	struct task *task = *find_task(arg[0]);

	return task ? reply(pthread_kill(task->thread, SIGUSR1)) : reply_error();
}

/* inject NTH COMMAND...: let its NTH allocation fail; whether it came to that, its answer */
static int cmd_inject(char **arg)
{
	int fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char *line = join_words(arg + 1), *text, left[16] = "";
	FILE *outer = answer;
	size_t size;

	if (fail_nth < 0)
		return reply_error();
	answer = open_memstream(&text, &size);
	dprintf(fail_nth, "%s", arg[0]);
	run_line(commands, count, line);
	pread(fail_nth, left, sizeof(left) - 1, 0);
	dprintf(fail_nth, "0");
	close(fail_nth);
	fclose(answer);
	answer = outer;
	reply_ok("%d %.*s", !number(left), (int)strcspn(text, "\n"), text);
	free(text);
	free(line);
	return 0;
}

static void on_signal(int signal)
{
	(void)signal;
}

static const struct command main_commands[] = {
	{ "start", 2, cmd_start }, { "done", 1, cmd_done }, { "finish", 1, cmd_finish },
	{ "interrupt", 1, cmd_interrupt }, { "inject", 2, cmd_inject },
	{ }
};

static void add_commands(const struct command *table)
{
	for (; table->name; table++)
		commands[count++] = *table;
}

int main(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	add_commands(main_commands);
	add_commands(fd_commands);
	add_commands(memory_commands);
	add_commands(probe_commands);
	add_commands(stress_commands);
	add_commands(video_commands);
	return run_commands(commands, count, sigaction(SIGUSR1, &action, NULL));
}
