/* estate.h: the stores that a dead learner left, until this one takes each up.
 *
 *     pawl_estate_add(&estate, label, fd, total_bytes, &err);   as the hub hands them on
 *     heirloom = pawl_estate_find(&estate, PAWL_WARM_LABEL);    NULL: there is none
 *     pawl_warm_attach(&warm, heirloom->fd, heirloom->total_bytes, ...)
 *     pawl_estate_close(&estate);
 *
 * Thread safety: one thread.
 */
#ifndef PAWL_LEARNER_ESTATE_H
#define PAWL_LEARNER_ESTATE_H

#include "runtime/err.h"
#include "shm/segment.h"

#define PAWL_ESTATE_COUNT_MAX 8u

struct pawl_heirloom {
    char label[PAWL_SEGMENT_LABEL_BYTES];
    int fd;
    uint64_t total_bytes;
};

/* Zeroed: empty. */
struct pawl_estate {
    struct pawl_heirloom heirlooms[PAWL_ESTATE_COUNT_MAX];
    uint32_t count;
};

/* Duplicates fd. Of two with one label the later counts: it is the newer. */
int pawl_estate_add(struct pawl_estate *estate, const char *label, int fd, uint64_t total_bytes,
                    struct pawl_err *err);

const struct pawl_heirloom *pawl_estate_find(const struct pawl_estate *estate,
                                             const char *label);

void pawl_estate_close(struct pawl_estate *estate);

#endif
