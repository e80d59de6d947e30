/* ring_cfg.h: the table [ring]: the rings between actors and the learner.
 *
 *     const struct pawl_ring_table_cfg *table = pawl_cfg_fields(cfg, &pawl_ring_table);
 *     pawl_ring_cfg_make(&ring_cfg, table, record_bytes, slot_count_min, &err);
 */
#ifndef PAWL_SHM_RING_CFG_H
#define PAWL_SHM_RING_CFG_H

#include "runtime/cfg.h"
#include "shm/ring.h"

enum pawl_ring_full {
    PAWL_RING_FULL_BLOCK,
    PAWL_RING_FULL_DROP_NEWEST,
};

struct pawl_ring_table_cfg {
    int64_t slots;
    double size_mib;
    int32_t full; /* enum pawl_ring_full */
    bool checksums;
    bool huge_pages;
};

extern const struct pawl_cfg_table pawl_ring_table; /* fills struct pawl_ring_table_cfg */

/* A ring of records of record_bytes as the table says: where it leaves the number of slots
 * open, the largest power of two that fits into size_mib, at least slot_count_min. -EINVAL when
 * ring.slots is below that. Label and spec stay the caller's to set. */
int pawl_ring_cfg_make(struct pawl_ring_cfg *ring_cfg, const struct pawl_ring_table_cfg *table,
                       uint64_t record_bytes, uint32_t slot_count_min, struct pawl_err *err);

#endif
