// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"

#define MAX_STRINGS 1024

/* Our end of each pipe, or -1 when it is closed. */
struct command {
	uint32_t id;
	pid_t pid;		/* 0: this slot is free */
	int pidfd;
	bool ended;
	int status;		/* as from waitpid() */
	int input;
	int output[2];		/* its stdout and stderr */
	char *data;		/* to write to input */
	size_t data_length;
	size_t data_offset;
	bool data_pending;
};

static struct command commands[AGENT_MAX_COMMANDS];

static struct command *command_find(uint32_t id)
{
	for (int i = 0; i < AGENT_MAX_COMMANDS; i++)
		if (commands[i].pid && commands[i].id == id)
			return &commands[i];
	return NULL;
}

static struct command *command_free_slot(void)
{
	for (int i = 0; i < AGENT_MAX_COMMANDS; i++)
		if (!commands[i].pid)
			return &commands[i];
	return NULL;
}

uint32_t command_list(uint32_t *list)
{
	uint32_t count = 0;

	for (int i = 0; i < AGENT_MAX_COMMANDS; i++)
		if (commands[i].pid)
			list[count++] = commands[i].id;
	return count;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Makes a pipe whose end `ours` does not block. */
static int make_pipe(int ends[2], int ours)
{
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	return fcntl(ends[ours], F_SETFL, O_NONBLOCK);
}

/* Starts argv with these three files; returns 0 or an errno. */
static int command_spawn(struct command *command, char **argv, char **envp,
			 const int files[3])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, ignored;
	int error;

	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &ignored);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID |
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	if (files[0] < 0)
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
						 O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, files[0], 0);
	posix_spawn_file_actions_adddup2(&actions, files[1], 1);
	posix_spawn_file_actions_adddup2(&actions, files[2], 2);

	error = posix_spawnp(&command->pid, argv[0], &actions, &attributes,
			     argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

static int command_start(struct command *command, char **argv, char **envp,
			 bool has_input)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int error = 0;

	if ((has_input && make_pipe(in, 1)) || make_pipe(out, 0) ||
	    make_pipe(err, 0))
		error = errno;
	if (!error)
		error = command_spawn(command, argv, envp,
				      (int[]){ in[0], out[1], err[1] });
	if (!error) {
		command->pidfd = pidfd_open(command->pid, 0);
		if (command->pidfd < 0)
			die("pidfd_open");
	}
	close_fd(&in[0]);
	close_fd(&out[1]);
	close_fd(&err[1]);
	if (error) {
		close_fd(&in[1]);
		close_fd(&out[0]);
		close_fd(&err[0]);
		command->pid = 0;
		return error;
	}
	command->input = in[1];
	command->output[0] = out[0];
	command->output[1] = err[0];
	return 0;
}

/* Returns the string at *text and moves *text behind it, or NULL at the end. */
static char *next_string(const char **text, const char *end)
{
	const char *string = *text;

	if (string >= end)
		return NULL;
	*text += strnlen(string, end - string) + 1;
	return *text <= end ? (char *)string : NULL;
}

static bool is_set_in(char **envp, size_t count, const char *variable)
{
	size_t length = strcspn(variable, "=") + 1;

	for (size_t i = 0; i < count; i++)
		if (!strncmp(envp[i], variable, length))
			return true;
	return false;
}

void command_run(uint32_t id, const char *payload, size_t length)
{
	char *argv[MAX_STRINGS + 1] = { NULL }, *envp[2 * MAX_STRINGS + 1] = { NULL };
	struct command *command = command_free_slot();
	const char *end = payload + length, *text = payload + 12;
	uint32_t words[3];	/* flags, argc, envc */
	size_t given;
	int error;

	if (length < sizeof(words))
		return port_error(id, EINVAL, "RUN");
	memcpy(words, payload, sizeof(words));
	if (command_find(id))
		return port_error(id, EEXIST, "RUN");
	if (!command)
		return port_error(id, EBUSY, "RUN");
	if (words[1] > MAX_STRINGS || words[2] > MAX_STRINGS)
		return port_error(id, E2BIG, "RUN");
	for (size_t i = 0; i < words[1] + words[2]; i++) {
		char *string = next_string(&text, end);

		if (!string)
			return port_error(id, EINVAL, "RUN");
		if (i < words[1])
			argv[i] = string;
		else
			envp[i - words[1]] = string;
	}
	if (!words[1] || text != end)
		return port_error(id, EINVAL, "RUN");
	given = words[2];
	for (char **i = environ; *i && words[2] < 2 * MAX_STRINGS; i++)
		if (!is_set_in(envp, given, *i))
			envp[words[2]++] = *i;

	*command = (struct command){ .id = id };
	error = command_start(command, argv, envp, words[0] & AGENT_RUN_STDIN);
	if (error)
		port_error(id, error, argv[0]);
}

static void command_stdin_done(struct command *command, uint32_t error)
{
	free(command->data);
	command->data = NULL;
	command->data_pending = false;
	port_send(AGENT_STDIN_OK, command->id, &error, sizeof(error));
}

void command_stdin(uint32_t id, const char *payload, size_t length)
{
	struct command *command = command_find(id);

	if (!command)
		return port_error(id, ESRCH, "STDIN");
	if (command->data_pending)
		return port_error(id, EBUSY, "STDIN");
	if (!length)
		close_fd(&command->input);
	if (command->input < 0)
		return command_stdin_done(command, length ? EPIPE : 0);
	command->data = malloc(length);
	if (!command->data)
		die("out of memory");
	memcpy(command->data, payload, length);
	command->data_length = length;
	command->data_offset = 0;
	command->data_pending = true;
}

void command_kill(uint32_t id, const char *payload, size_t length)
{
	struct command *command = command_find(id);
	uint32_t number;

	if (length != sizeof(number))
		return port_error(id, EINVAL, "KILL");
	memcpy(&number, payload, sizeof(number));
	if (!command)
		return port_error(id, ESRCH, "KILL");
	if (kill(-command->pid, number))
		port_error(id, errno, "KILL");
}

int command_poll(struct pollfd *fds)
{
	bool room = port_window() > 0;
	int count = 0;

	for (struct command *c = commands; c < commands + AGENT_MAX_COMMANDS; c++) {
		if (!c->pid)
			continue;
		if (!c->ended)
			fds[count++] = (struct pollfd){ c->pidfd, POLLIN, 0 };
		if (c->data_pending)
			fds[count++] = (struct pollfd){ c->input, POLLOUT, 0 };
		for (int i = 0; i < 2; i++)
			if (room && c->output[i] >= 0)
				fds[count++] = (struct pollfd){ c->output[i], POLLIN, 0 };
	}
	return count;
}

static void command_write(struct command *command)
{
	ssize_t done = write(command->input, command->data + command->data_offset,
			     command->data_length - command->data_offset);

	if (done < 0 && errno == EAGAIN)
		return;
	if (done < 0) {
		int error = errno;

		close_fd(&command->input);
		command_stdin_done(command, error);
		return;
	}
	command->data_offset += done;
	if (command->data_offset == command->data_length)
		command_stdin_done(command, 0);
}

/* Sends what can be read; closes at the end, or when no more will come. */
static void command_read(struct command *command, int stream)
{
	static char data[AGENT_MAX_PAYLOAD];

	while (port_window()) {
		ssize_t got = read(command->output[stream], data, sizeof(data));

		if (got < 0 && errno == EAGAIN && !command->ended)
			return;
		if (got <= 0) {
			close_fd(&command->output[stream]);
			return;
		}
		port_send(stream ? AGENT_STDERR : AGENT_STDOUT, command->id,
			  data, got);
	}
}

static void command_finish(struct command *command)
{
	bool exited = WIFEXITED(command->status);
	int32_t words[2] = {
		exited ? WEXITSTATUS(command->status) : -1,
		exited ? 0 : WTERMSIG(command->status),
	};

	close_fd(&command->pidfd);
	close_fd(&command->input);
	free(command->data);
	port_send(AGENT_EXIT, command->id, words, sizeof(words));
	command->pid = 0;
}

void command_service(void)
{
	for (struct command *c = commands; c < commands + AGENT_MAX_COMMANDS; c++) {
		if (!c->pid)
			continue;
		/* First, so that reading until EAGAIN gets all of its output. */
		if (!c->ended)
			c->ended = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
		if (c->data_pending)
			command_write(c);
		for (int i = 0; i < 2; i++)
			if (c->output[i] >= 0)
				command_read(c, i);
		if (c->ended && c->output[0] < 0 && c->output[1] < 0)
			command_finish(c);
	}
}
