#include "shm/ring_cfg.h"

#include <errno.h>
#include <inttypes.h>

static const char *const fulls[] = {"block", "drop_newest", NULL};

#define RING struct pawl_ring_table_cfg
static const struct pawl_cfg_row rows[] = {
    PAWL_CFG_I64_ROW(RING, "ring.slots", slots, 0, 0, PAWL_RING_SLOTS_MAX, "records",
                     "Records that fit into each ring, a power of two; 0: as many as fit into "
                     "ring.size_mib, or a few for a method that learns: they grow old there."),
    PAWL_CFG_F64_ROW(RING, "ring.size_mib", size_mib, 4.0, 0.01, 65536.0, "MiB",
                     "Memory of each ring; more only delays what a slow learner gets."),
    PAWL_CFG_CHOICE_ROW(RING, "ring.full", full, PAWL_RING_FULL_BLOCK, fulls,
                        "What an actor does when its ring is full: wait, or give records up "
                        "and count them."),
    PAWL_CFG_BOOL_ROW(RING, "ring.checksums", checksums, false,
                      "A checksum over every record."),
    PAWL_CFG_BOOL_ROW(RING, "ring.huge_pages", huge_pages, false,
                      "Huge pages for rings, where there are any."),
};

static void check(struct pawl_cfg *cfg)
{
    const struct pawl_ring_table_cfg *ring = pawl_cfg_fields(cfg, &pawl_ring_table);

    if ((ring->slots & (ring->slots - 1)) != 0)
        pawl_cfg_conflict(cfg, "ring.slots", "ring.size_mib",
                          "ring.slots has to be a power of two, or 0");
}

const struct pawl_cfg_table pawl_ring_table = {
    .name = "ring",
    .help = "The rings between actors and the learner.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .fields_bytes = sizeof(RING),
    .check = check,
};

int pawl_ring_cfg_make(struct pawl_ring_cfg *ring_cfg, const struct pawl_ring_table_cfg *table,
                       uint64_t record_bytes, uint32_t slot_count_min, struct pawl_err *err)
{
    struct pawl_ring_geometry geometry;
    uint64_t bytes_max = (uint64_t)(table->size_mib * 1048576.0);

    *ring_cfg = pawl_ring_default_cfg();
    if (record_bytes > PAWL_RING_DATA_BYTES_MAX)
        return pawl_err_set(err, EINVAL,
                            "a record of %" PRIu64 " bytes: a slot of a ring has at most %u",
                            record_bytes, PAWL_RING_DATA_BYTES_MAX);
    ring_cfg->data_bytes = (uint32_t)record_bytes;
    ring_cfg->policy =
        table->full == PAWL_RING_FULL_BLOCK ? PAWL_RING_BLOCK : PAWL_RING_DROP_NEWEST;
    ring_cfg->has_checksums = table->checksums;
    ring_cfg->wants_huge_pages = table->huge_pages;
    if (table->slots && table->slots < slot_count_min)
        return pawl_err_set(err, EINVAL,
                            "ring.slots = %" PRId64 ": these lanes need at least %u",
                            table->slots, slot_count_min);
    if (table->slots) {
        ring_cfg->slot_count = (uint32_t)table->slots;
        return pawl_ring_layout(&geometry, ring_cfg, err);
    }
    uint32_t slot_count = PAWL_RING_SLOTS_MIN;
    while (slot_count < slot_count_min)
        slot_count *= 2;
    for (;;) {
        ring_cfg->slot_count = slot_count;
        int code = pawl_ring_layout(&geometry, ring_cfg, err);
        if (code != 0)
            return code;
        if (slot_count == PAWL_RING_SLOTS_MAX || 2 * geometry.body_bytes > bytes_max)
            return 0;
        slot_count *= 2;
    }
}
