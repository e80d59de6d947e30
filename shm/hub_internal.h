/* hub_internal.h: what the source files of the hub share; no one else includes it. hub.c has
 * the connections, hub_hear.c what programs say, hub_tell.c what they are told. */
#ifndef PAWL_SHM_HUB_INTERNAL_H
#define PAWL_SHM_HUB_INTERNAL_H

#include "shm/hub.h"

/* Reads and obeys at most a fixed number of messages of a program; may end its connection. */
void pawl_hub_hear(struct pawl_hub *hub, struct pawl_hub_peer *peer);

/* Drops what nobody needs and tells everybody what they do not know yet, as far as their
 * sockets have room. */
void pawl_hub_tell(struct pawl_hub *hub);

/* Ends a connection without a word to it; everybody else learns it. */
void pawl_hub_lose(struct pawl_hub *hub, struct pawl_hub_peer *peer, uint32_t how);

/* Tells a program why, if it can be told at once, and ends its connection. */
void pawl_hub_reject_peer(struct pawl_hub *hub, struct pawl_hub_peer *peer, int code,
                          const char *text);

void pawl_hub_report(struct pawl_hub *hub, const struct pawl_hub_event *event);

/* "actor 3 (process 1234)", in a buffer of at least PAWL_HUB_WHO_BYTES. Returns text. */
#define PAWL_HUB_WHO_BYTES 64
const char *pawl_hub_who(const struct pawl_hub_peer *peer, char *text);

/* Whether this process can open so many more descriptors (at most 4) now. */
bool pawl_hub_has_fds(const struct pawl_hub *hub, int count);

#endif
