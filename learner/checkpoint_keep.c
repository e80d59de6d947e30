/* checkpoint_keep.c: which checkpoints need not be kept. */
#include "learner/checkpoint_writer.h"

#include <math.h>

bool pawl_checkpoint_is_newer(const struct pawl_checkpoint_entry *entry,
                              const struct pawl_checkpoint_entry *other)
{
    return entry->rollback_count != other->rollback_count
               ? entry->rollback_count > other->rollback_count
               : entry->step > other->step;
}

static bool is_among_best(const struct pawl_checkpoint_writer *writer, size_t index)
{
    const struct pawl_checkpoint_entry *entry = &writer->entries[index];
    int64_t better_count = 0;
    if (isnan(entry->score))
        return false;
    for (size_t i = 0; i < writer->entry_count; i++) {
        const struct pawl_checkpoint_entry *other = &writer->entries[i];
        if (other->is_committed &&
            (other->score > entry->score ||
             (other->score == entry->score && pawl_checkpoint_is_newer(other, entry))))
            better_count++;
    }
    return better_count < writer->cfg.keep_best;
}

int64_t pawl_checkpoint_find_victim(const struct pawl_checkpoint_writer *writer)
{
    int64_t keep_last = writer->cfg.keep_last > PAWL_CHECKPOINT_KEEP_MIN
                            ? writer->cfg.keep_last
                            : PAWL_CHECKPOINT_KEEP_MIN;
    int64_t victim = -1;
    for (size_t i = 0; i < writer->entry_count; i++) {
        const struct pawl_checkpoint_entry *entry = &writer->entries[i];
        int64_t newer_count = 0;
        for (size_t k = 0; k < writer->entry_count; k++)
            newer_count += writer->entries[k].is_committed &&
                           pawl_checkpoint_is_newer(&writer->entries[k], entry);
        bool is_kept =
            newer_count < keep_last || (entry->is_committed && is_among_best(writer, i));
        if (!is_kept &&
            (victim < 0 || pawl_checkpoint_is_newer(&writer->entries[victim], entry)))
            victim = (int64_t)i;
    }
    return victim;
}
