/* inspect_read.h: the figures of an inspector's segments (inspect.h), read and put in relation.
 */
#ifndef PAWL_SHM_INSPECT_READ_H
#define PAWL_SHM_INSPECT_READ_H

#include "shm/inspect.h"

/* Reads all figures of all segments. */
void pawl_inspect_read(struct pawl_inspect *inspect);

/* The page that says that it is for this ring; NULL: none does. */
const struct pawl_ring_ack *pawl_inspect_search_ack(const struct pawl_inspect *inspect,
                                                    const struct pawl_inspect_segment *ring);

#endif
