#include "shm/dead_acks.h"

#include <errno.h>
#include <inttypes.h>

int pawl_dead_acks_add(struct pawl_dead_acks *dead, uint64_t id, int fd, uint64_t total_bytes,
                       struct pawl_err *err)
{
    uint32_t i = 0;
    while (i < PAWL_DEAD_ACKS_MAX && dead->all[i].id)
        i++;
    if (i == PAWL_DEAD_ACKS_MAX)
        return pawl_err_set(err, ENOSPC, "acknowledgements of more than %u dead readers",
                            PAWL_DEAD_ACKS_MAX);
    struct pawl_segment *segment = &dead->all[i].segment;
    int status = pawl_ring_acks_attach(segment, fd, err);
    if (status == 0 && total_bytes && segment->total_bytes != total_bytes) {
        status =
            pawl_err_set(err, EPROTO, "%" PRIu64 " bytes were announced, the file has %" PRIu64,
                         total_bytes, segment->total_bytes);
        pawl_segment_close(segment);
    }
    if (status)
        return pawl_err_wrap(err, "attach a dead reader's acknowledgements");
    dead->all[i].id = id;
    return 0;
}

void pawl_dead_acks_remove(struct pawl_dead_acks *dead, uint64_t id)
{
    for (uint32_t i = 0; i < PAWL_DEAD_ACKS_MAX; i++) {
        if (dead->all[i].id != id || id == 0)
            continue;
        pawl_segment_close(&dead->all[i].segment);
        dead->all[i].id = 0;
    }
}

int pawl_dead_acks_find_start(const struct pawl_dead_acks *dead,
                              const struct pawl_hub_offer *ring, struct pawl_ring_rx_cfg *cfg,
                              struct pawl_err *err)
{
    if (ring->acks_id == 0)
        return 0;
    for (uint32_t i = 0; i < PAWL_DEAD_ACKS_MAX; i++) {
        if (dead->all[i].id != ring->acks_id)
            continue;
        const struct pawl_ring_ack *page =
            pawl_ring_acks_page(&dead->all[i].segment, ring->acks_page);
        if (!page)
            break;
        cfg->has_start = true;
        /* Acquire, as a writer would: its reader is dead, so it is the last. */
        cfg->start = atomic_load_explicit(&page->tail, memory_order_acquire);
        return 0;
    }
    return pawl_err_set(err, EPROTO, "the dead reader's acknowledgements of it are not there");
}

void pawl_dead_acks_close(struct pawl_dead_acks *dead)
{
    for (uint32_t i = 0; i < PAWL_DEAD_ACKS_MAX; i++)
        pawl_dead_acks_remove(dead, dead->all[i].id);
}
