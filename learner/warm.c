#include "learner/warm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/crc32c.h"
#include "runtime/fault.h"

#define SLOTS_PER_KIND 2u

enum { GEOMETRY_LAYOUT, GEOMETRY_BLOCK_BYTES };

static uint64_t slot_bytes(uint64_t block_bytes)
{
    uint64_t bytes = sizeof(struct pawl_warm_slot) + block_bytes;
    return (bytes + 63) & ~UINT64_C(63);
}

static struct pawl_warm_slot *slot_at(const struct pawl_warm *warm, enum pawl_warm_kind kind,
                                      uint32_t index)
{
    uint64_t at = (uint64_t)kind * SLOTS_PER_KIND + index;
    return (struct pawl_warm_slot *)(void *)(warm->segment.body + at * warm->slot_bytes);
}

static uint32_t checksum(const struct pawl_warm *warm, const struct pawl_warm_slot *slot)
{
    uint32_t crc = pawl_crc32c(0, &slot->mark, sizeof(slot->mark));
    return pawl_crc32c(crc, slot + 1, warm->block_bytes);
}

int pawl_warm_create(struct pawl_warm *warm, uint64_t block_bytes, struct pawl_err *err)
{
    struct pawl_segment_cfg cfg = pawl_segment_default_cfg();

    *warm = (struct pawl_warm){
        .segment.fd = -1, .block_bytes = block_bytes, .slot_bytes = slot_bytes(block_bytes)};
    cfg.kind = PAWL_SEGMENT_STORE;
    cfg.label = PAWL_WARM_LABEL;
    cfg.body_bytes = warm->slot_bytes * SLOTS_PER_KIND * PAWL_WARM_KIND_COUNT;
    cfg.is_shared_writable = true;
    cfg.geometry[GEOMETRY_LAYOUT] = PAWL_WARM_LAYOUT;
    cfg.geometry[GEOMETRY_BLOCK_BYTES] = block_bytes;
    if (pawl_segment_create(&warm->segment, &cfg, err) != 0)
        return pawl_err_wrap(err, "make room for the warm state");
    return 0;
}

int pawl_warm_attach(struct pawl_warm *warm, int fd, uint64_t total_bytes, uint64_t block_bytes,
                     struct pawl_err *err)
{
    const struct pawl_segment_want want = {
        .kind = PAWL_SEGMENT_STORE, .total_bytes = total_bytes, .is_shared_writable = true};

    *warm = (struct pawl_warm){
        .segment.fd = -1, .block_bytes = block_bytes, .slot_bytes = slot_bytes(block_bytes)};
    if (pawl_segment_attach(&warm->segment, fd, &want, err) != 0)
        return pawl_err_wrap(err, "attach the warm state");
    const uint64_t *geometry = warm->segment.header.geometry;
    if (geometry[GEOMETRY_LAYOUT] != PAWL_WARM_LAYOUT ||
        geometry[GEOMETRY_BLOCK_BYTES] != block_bytes ||
        warm->segment.body_bytes < warm->slot_bytes * SLOTS_PER_KIND * PAWL_WARM_KIND_COUNT) {
        pawl_err_set(err, EPROTO,
                     "attach the warm state: it holds %" PRIu64 " bytes, the trainer has "
                     "%" PRIu64,
                     geometry[GEOMETRY_BLOCK_BYTES], block_bytes);
        pawl_warm_close(warm);
        return -EPROTO;
    }
    return 0;
}

void pawl_warm_close(struct pawl_warm *warm)
{
    if (warm->segment.base)
        pawl_segment_close(&warm->segment);
    *warm = (struct pawl_warm){.segment.fd = -1};
}

void pawl_warm_put(struct pawl_warm *warm, enum pawl_warm_kind kind, const void *block,
                   const struct pawl_warm_mark *mark)
{
    uint64_t generations[SLOTS_PER_KIND];
    for (uint32_t i = 0; i < SLOTS_PER_KIND; i++)
        generations[i] = slot_at(warm, kind, i)->generation;
    uint32_t older = generations[1] < generations[0];
    struct pawl_warm_slot *slot = slot_at(warm, kind, older);

    /* Only the compiler has to keep the order: whoever looks does so after this process has
     * ended. */
    slot->generation = 0;
    atomic_signal_fence(memory_order_seq_cst);
    PAWL_FAULT("learner.mirror");
    slot->mark = *mark;
    memcpy(slot + 1, block, warm->block_bytes);
    slot->crc32c = checksum(warm, slot);
    atomic_signal_fence(memory_order_seq_cst);
    slot->generation = generations[!older] + 1;
}

bool pawl_warm_get(const struct pawl_warm *warm, enum pawl_warm_kind kind,
                   bool (*is_sound)(void *arg, const void *block), void *arg, void *block,
                   struct pawl_warm_mark *mark)
{
    uint32_t newer = slot_at(warm, kind, 1)->generation > slot_at(warm, kind, 0)->generation;
    for (uint32_t i = 0; i < SLOTS_PER_KIND; i++) {
        const struct pawl_warm_slot *slot = slot_at(warm, kind, i == 0 ? newer : !newer);
        if (slot->generation == 0 || slot->crc32c != checksum(warm, slot) ||
            (is_sound && !is_sound(arg, slot + 1)))
            continue;
        *mark = slot->mark;
        memcpy(block, slot + 1, warm->block_bytes);
        return true;
    }
    return false;
}
