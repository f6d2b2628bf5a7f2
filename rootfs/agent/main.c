// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs commands for the host; see protocol.md. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

void die(const char *what)
{
	fprintf(stderr, "baton-agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(void)
{
	struct pollfd fds[PORT_POLLFDS + COMMAND_POLLFDS];

	if (chdir("/"))
		die("/");
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	/* A command that closed its input must not end the agent. */
	signal(SIGPIPE, SIG_IGN);
	port_open(AGENT_PORT);

	for (;;) {
		int port_fds = port_poll(fds);
		int count = port_fds + command_poll(fds + port_fds);

		if (poll(fds, count, -1) < 0 && errno != EINTR)
			die("poll");
		port_service(fds, port_fds);
		command_service();
	}
}
