#include "shm/hub_table.h"

#include <string.h>
#include <unistd.h>

struct pawl_hub_entry *pawl_hub_table_find(const struct pawl_hub_table *table, uint64_t id)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        struct pawl_hub_entry *entry = &table->entries[i];
        if (entry->id == id && id != 0)
            return entry->is_dropped ? NULL : entry;
    }
    return NULL;
}

struct pawl_hub_entry *pawl_hub_table_add(struct pawl_hub_table *table)
{
    for (uint32_t i = 0; i < table->entry_count_max; i++) {
        struct pawl_hub_entry *entry = &table->entries[i];
        if (entry->id != 0)
            continue;
        *entry = (struct pawl_hub_entry){.fds = {-1, -1}};
        if (table->used_count <= i)
            table->used_count = i + 1;
        return entry;
    }
    return NULL;
}

uint32_t pawl_hub_table_count(const struct pawl_hub_table *table, uint64_t incarnation)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->used_count; i++)
        count += table->entries[i].id != 0 &&
                 pawl_hub_incarnation_of(table->entries[i].id) == incarnation;
    return count;
}

static bool is_had(const struct pawl_hub_entry *entry)
{
    return entry->id != 0 && !entry->is_dropped;
}

/* Whether the learner has bound a ring of the program. */
static bool is_known(const struct pawl_hub_table *table, uint64_t learner, uint64_t incarnation)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        const struct pawl_hub_entry *ring = &table->entries[i];
        if (is_had(ring) && ring->acks_id != 0 &&
            pawl_hub_incarnation_of(ring->acks_id) == learner &&
            pawl_hub_incarnation_of(ring->id) == incarnation)
            return true;
    }
    return false;
}

/* Whether a ring of this incarnation (0: any ring) is bound to the acks segment. */
static bool is_bound(const struct pawl_hub_table *table, uint64_t acks_id, uint64_t incarnation)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        const struct pawl_hub_entry *ring = &table->entries[i];
        if (is_had(ring) && ring->acks_id == acks_id &&
            (incarnation == 0 || pawl_hub_incarnation_of(ring->id) == incarnation))
            return true;
    }
    return false;
}

static bool is_before(const struct pawl_hub_entry *a, const struct pawl_hub_entry *b)
{
    if ((a->gone_how == 0) != (b->gone_how == 0))
        return b->gone_how == 0;
    return a->id < b->id; /* later connections have greater numbers, later offers too */
}

static bool is_newest_board(const struct pawl_hub_table *table,
                            const struct pawl_hub_entry *board)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        const struct pawl_hub_entry *other = &table->entries[i];
        if (is_had(other) && other->kind == PAWL_SEGMENT_BOARD && is_before(board, other))
            return false;
    }
    return true;
}

static bool has_successor(const struct pawl_hub_table *table,
                          const struct pawl_hub_entry *entry)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        const struct pawl_hub_entry *other = &table->entries[i];
        if (is_had(other) && other->kind == entry->kind && other->role == entry->role &&
            other->index == entry->index && other->id > entry->id)
            return true;
    }
    return false;
}

bool pawl_hub_table_is_due(const struct pawl_hub_table *table,
                           const struct pawl_hub_entry *entry,
                           const struct pawl_hub_reader *reader)
{
    bool is_gone = entry->gone_how != 0;
    bool is_learner = reader->role == PAWL_ROLE_LEARNER;

    if (!is_had(entry) || pawl_hub_incarnation_of(entry->id) == reader->incarnation)
        return false;
    if (reader->role == PAWL_ROLE_INSPECTOR)
        return entry->kind != PAWL_SEGMENT_STORE;

    switch (entry->kind) {
    case PAWL_SEGMENT_RING:
        return is_learner;
    case PAWL_SEGMENT_ACK:
        return is_learner ? is_gone && is_bound(table, entry->id, 0)
                          : is_bound(table, entry->id, reader->incarnation);
    case PAWL_SEGMENT_BOARD:
        return is_newest_board(table, entry) &&
               (is_gone || (!is_learner && is_known(table, pawl_hub_incarnation_of(entry->id),
                                                    reader->incarnation)));
    case PAWL_SEGMENT_STORE:
        return entry->role == reader->role && entry->index == reader->index;
    default:
        return false;
    }
}

bool pawl_hub_table_is_needed(const struct pawl_hub_table *table,
                              const struct pawl_hub_entry *entry)
{
    if (entry->gone_how == 0)
        return true;
    switch (entry->kind) {
    case PAWL_SEGMENT_RING:
        return !entry->is_drained && entry->refusal_code == 0;
    case PAWL_SEGMENT_ACK:
        return is_bound(table, entry->id, 0);
    case PAWL_SEGMENT_BOARD:
        return is_newest_board(table, entry);
    case PAWL_SEGMENT_STATS:
        return !has_successor(table, entry);
    default:
        return true;
    }
}

void pawl_hub_table_orphan(struct pawl_hub_table *table, uint64_t incarnation, uint32_t how)
{
    for (uint32_t i = 0; i < table->used_count; i++) {
        struct pawl_hub_entry *entry = &table->entries[i];
        if (is_had(entry) && entry->gone_how == 0 &&
            pawl_hub_incarnation_of(entry->id) == incarnation)
            entry->gone_how = how;
    }
}

uint32_t pawl_hub_table_sweep(struct pawl_hub_table *table)
{
    uint32_t dropped_count = 0;
    /* Rings first: an acks segment is needed only for rings that are. */
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < table->used_count; i++) {
            struct pawl_hub_entry *entry = &table->entries[i];
            if (!is_had(entry) || (entry->kind == PAWL_SEGMENT_RING) != (pass == 0) ||
                pawl_hub_table_is_needed(table, entry))
                continue;
            pawl_hub_entry_drop(entry);
            dropped_count++;
        }
    }
    return dropped_count;
}

void pawl_hub_entry_drop(struct pawl_hub_entry *entry)
{
    for (size_t i = 0; i < entry->fd_count; i++)
        close(entry->fds[i]);
    entry->fd_count = 0;
    entry->is_dropped = true;
}
