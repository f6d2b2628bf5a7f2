/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's protocol; protocol.md describes it. */
#ifndef AGENT_PROTOCOL_H
#define AGENT_PROTOCOL_H

#include <stdint.h>

#define AGENT_PORT		"org.baton.agent"
#define AGENT_VERSION		1
#define AGENT_MAGIC		0x4e544142u
#define AGENT_MAX_PAYLOAD	65536u
#define AGENT_WINDOW		(1024u * 1024u)
#define AGENT_MAX_COMMANDS	64

#define AGENT_RUN_STDIN		1u

/* All fields are little-endian, as is the guest. */
struct agent_header {
	uint32_t magic;
	uint32_t type;
	uint32_t id;
	uint32_t sequence;
	uint32_t length;
};

enum agent_request {
	AGENT_HELLO = 1,
	AGENT_ACK,
	AGENT_RUN,
	AGENT_STDIN,
	AGENT_KILL,
};

enum agent_reply {
	AGENT_HELLO_REPLY = 129,
	AGENT_STDOUT,
	AGENT_STDERR,
	AGENT_STDIN_OK,
	AGENT_EXIT,
	AGENT_ERROR,
};

#endif
