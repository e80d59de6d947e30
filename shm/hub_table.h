/* hub_table.h: the segments of a run, who is shown which, and how long each is kept.
 *
 *                      RING              ACK                BOARD      STATS  STORE
 *     actor, bridge    -                 where a ring of    newest     -      own role's
 *                                        its is bound
 *     learner          each              where a ring is    newest,    -      own role's
 *                                        bound, of the dead of the dead
 *     inspector        each              each               each       each   -
 *     kept when the    until drained     while a ring is    while      until  always
 *     owner has ended                    bound there        newest     next
 *
 * "own role's": a store goes to every later incarnation of the same role and index, until one
 * of them withdraws it. "next": the same role and index has offered another. "Newest": a board
 * of a learner that is still running goes before any of one that has ended, then the latest
 * offer. A running learner's board is shown to those whose ring it has bound: before, it does
 * not look at their pins. Nobody is shown what it made itself.
 *
 * Plain data and no system call but close(): hub.c does the talking.
 */
#ifndef PAWL_SHM_HUB_TABLE_H
#define PAWL_SHM_HUB_TABLE_H

#include "shm/hub_msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pawl_hub_entry {
    uint64_t id; /* 0: free */
    uint32_t kind;
    uint32_t role; /* of the owner */
    uint32_t index;
    uint8_t epoch[PAWL_HUB_EPOCH_BYTES];
    uint64_t total_bytes;
    char label[PAWL_SEGMENT_LABEL_BYTES];
    int fds[PAWL_HUB_FD_COUNT_MAX]; /* ours */
    size_t fd_count;

    uint32_t gone_how; /* 0: the owner lives */
    bool is_dropped;   /* fds are closed; the entry stays until nobody holds the segment */

    /* Rings only. */
    uint64_t acks_id; /* 0: nobody reads it yet */
    uint32_t acks_page;
    uint32_t bind_count;
    bool is_drained;

    uint32_t refusal_code; /* 0: not refused */
    char refusal_text[PAWL_HUB_TEXT_BYTES_MAX + 1];
};

/* What one program knows of one entry. */
struct pawl_hub_shown {
    bool is_offered;
    bool is_gone_told;
    bool is_refusal_told;
    uint32_t bind_count; /* of the binding it knows */
};

struct pawl_hub_table {
    struct pawl_hub_entry *entries; /* entry_count_max */
    uint32_t entry_count_max;
    uint32_t used_count; /* entries from here on are free */
};

struct pawl_hub_reader {
    uint64_t incarnation;
    uint32_t role;
    uint32_t index;
};

/* NULL when there is none, or it has been dropped. */
struct pawl_hub_entry *pawl_hub_table_find(const struct pawl_hub_table *table, uint64_t id);

/* A free entry, zeroed; NULL when all are in use. */
struct pawl_hub_entry *pawl_hub_table_add(struct pawl_hub_table *table);

/* How many places segments of this incarnation take, those that have been dropped and not yet
 * told to all included. */
uint32_t pawl_hub_table_count(const struct pawl_hub_table *table, uint64_t incarnation);

/* Whether the reader is to have the segment now. */
bool pawl_hub_table_is_due(const struct pawl_hub_table *table,
                           const struct pawl_hub_entry *entry,
                           const struct pawl_hub_reader *reader);

/* Whether anybody may still want the segment. */
bool pawl_hub_table_is_needed(const struct pawl_hub_table *table,
                              const struct pawl_hub_entry *entry);

/* The owner has ended. */
void pawl_hub_table_orphan(struct pawl_hub_table *table, uint64_t incarnation, uint32_t how);

/* Drops what nobody needs any more; returns how many were dropped. */
uint32_t pawl_hub_table_sweep(struct pawl_hub_table *table);

/* Closes the descriptors; the entry stays until those who were shown it have been told. */
void pawl_hub_entry_drop(struct pawl_hub_entry *entry);

#endif
