#include "shm/hub_table.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

static struct pawl_hub_entry entries[16];
static struct pawl_hub_table table = {.entries = entries, .entry_count_max = 16};

static const struct pawl_hub_reader learner = {9, PAWL_ROLE_LEARNER, 0};
static const struct pawl_hub_reader actor = {1, PAWL_ROLE_ACTOR, 0};
static const struct pawl_hub_reader other_actor = {2, PAWL_ROLE_ACTOR, 1};
static const struct pawl_hub_reader bridge = {3, PAWL_ROLE_BRIDGE, 0};
static const struct pawl_hub_reader inspector = {4, PAWL_ROLE_INSPECTOR, 0};

static uint64_t name(uint64_t incarnation, uint64_t number)
{
    return incarnation << 32 | number;
}

/* A segment of the reader's, or rather of the program that it is. */
static struct pawl_hub_entry *put(const struct pawl_hub_reader *owner, uint64_t number,
                                  uint32_t kind)
{
    struct pawl_hub_entry *entry = pawl_hub_table_add(&table);
    ck_assert_ptr_nonnull(entry);
    entry->id = name(owner->incarnation, number);
    entry->kind = kind;
    entry->role = owner->role;
    entry->index = owner->index;
    return entry;
}

static bool is_due(const struct pawl_hub_entry *entry, const struct pawl_hub_reader *reader)
{
    return pawl_hub_table_is_due(&table, entry, reader);
}

START_TEST(a_ring_goes_to_the_learner_and_to_inspectors_until_it_is_drained)
{
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    for (int gone = 0; gone < 2; gone++) {
        ring->gone_how = gone ? PAWL_GONE_HANGUP : 0;
        ck_assert(is_due(ring, &learner));
        ck_assert(is_due(ring, &inspector));
        ck_assert(!is_due(ring, &actor)); /* it has it */
        ck_assert(!is_due(ring, &other_actor));
        ck_assert(!is_due(ring, &bridge));
        ck_assert(pawl_hub_table_is_needed(&table, ring));
    }
    ring->is_drained = true;
    ck_assert(!pawl_hub_table_is_needed(&table, ring));
}
END_TEST

START_TEST(a_refused_ring_is_kept_as_long_as_its_owner_lives)
{
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    ring->refusal_code = 22;
    ck_assert(pawl_hub_table_is_needed(&table, ring));
    ring->gone_how = PAWL_GONE_BYE;
    ck_assert(!pawl_hub_table_is_needed(&table, ring));
}
END_TEST

START_TEST(acks_go_to_those_whose_ring_is_bound_there)
{
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    struct pawl_hub_entry *acks = put(&learner, 1, PAWL_SEGMENT_ACK);
    ck_assert(!is_due(acks, &actor));
    ck_assert(is_due(acks, &inspector));
    ring->acks_id = acks->id;
    ck_assert(is_due(acks, &actor));
    ck_assert(!is_due(acks, &other_actor));
    ck_assert(!is_due(acks, &bridge));
}
END_TEST

START_TEST(the_last_tails_of_a_dead_learner_go_to_the_next_one)
{
    const struct pawl_hub_reader next = {10, PAWL_ROLE_LEARNER, 0};
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    struct pawl_hub_entry *acks = put(&learner, 1, PAWL_SEGMENT_ACK);
    struct pawl_hub_entry *unused = put(&learner, 2, PAWL_SEGMENT_ACK);
    ring->acks_id = acks->id;
    pawl_hub_table_orphan(&table, learner.incarnation, PAWL_GONE_HANGUP);
    ck_assert(is_due(acks, &next));
    ck_assert(is_due(acks, &actor)); /* it may not have had it yet */
    ck_assert(pawl_hub_table_is_needed(&table, acks));
    ck_assert(!is_due(unused, &next));
    ck_assert(!pawl_hub_table_is_needed(&table, unused));

    /* The next one has taken over. */
    ring->acks_id = put(&next, 1, PAWL_SEGMENT_ACK)->id;
    ck_assert(!is_due(acks, &next));
    ck_assert(!pawl_hub_table_is_needed(&table, acks));
}
END_TEST

START_TEST(a_dead_learners_tails_outlive_the_dead_ring_until_it_is_drained)
{
    struct pawl_hub_entry *acks = put(&learner, 1, PAWL_SEGMENT_ACK);
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    ring->acks_id = acks->id;
    pawl_hub_table_orphan(&table, learner.incarnation, PAWL_GONE_HANGUP);
    pawl_hub_table_orphan(&table, actor.incarnation, PAWL_GONE_HANGUP);
    ck_assert_uint_eq(pawl_hub_table_sweep(&table), 0);
    ring->is_drained = true;
    ck_assert_uint_eq(pawl_hub_table_sweep(&table), 2);
}
END_TEST

START_TEST(actors_and_bridges_act_with_the_newest_board)
{
    struct pawl_hub_entry *newer = put(&learner, 2, PAWL_SEGMENT_BOARD);
    struct pawl_hub_entry *older = put(&learner, 1, PAWL_SEGMENT_BOARD);
    put(&actor, 1, PAWL_SEGMENT_RING)->acks_id = name(learner.incarnation, 3);
    put(&bridge, 1, PAWL_SEGMENT_RING)->acks_id = name(learner.incarnation, 3);
    ck_assert(is_due(newer, &actor));
    ck_assert(is_due(newer, &bridge));
    ck_assert(!is_due(older, &actor));
    ck_assert(is_due(older, &inspector));
    ck_assert(!is_due(newer, &learner));
}
END_TEST

START_TEST(a_board_is_shown_only_to_those_whose_pin_its_writer_knows)
{
    const struct pawl_hub_reader next = {10, PAWL_ROLE_LEARNER, 0};
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    struct pawl_hub_entry *board = put(&next, 2, PAWL_SEGMENT_BOARD);
    ck_assert(!is_due(board, &actor));
    ring->acks_id = name(learner.incarnation, 1); /* the learner before */
    ck_assert(!is_due(board, &actor));
    ring->acks_id = name(next.incarnation, 1);
    ck_assert(is_due(board, &actor));
    ck_assert(!is_due(board, &other_actor));
    board->gone_how = PAWL_GONE_HANGUP; /* nobody writes it any more */
    ck_assert(is_due(board, &other_actor));
}
END_TEST

START_TEST(a_dead_learners_board_is_used_until_there_is_another)
{
    const struct pawl_hub_reader next = {10, PAWL_ROLE_LEARNER, 0};
    struct pawl_hub_entry *board = put(&learner, 1, PAWL_SEGMENT_BOARD);
    pawl_hub_table_orphan(&table, learner.incarnation, PAWL_GONE_HANGUP);
    ck_assert(is_due(board, &actor));
    ck_assert(is_due(board, &next)); /* which goes on counting versions */
    ck_assert(pawl_hub_table_is_needed(&table, board));
    put(&next, 1, PAWL_SEGMENT_BOARD);
    ck_assert(!is_due(board, &actor));
    ck_assert(!pawl_hub_table_is_needed(&table, board));
}
END_TEST

START_TEST(a_store_goes_to_every_later_incarnation_of_its_role_and_to_nobody_else)
{
    const struct pawl_hub_reader next = {10, PAWL_ROLE_LEARNER, 0};
    const struct pawl_hub_reader second = {11, PAWL_ROLE_LEARNER, 1};
    struct pawl_hub_entry *store = put(&learner, 1, PAWL_SEGMENT_STORE);
    pawl_hub_table_orphan(&table, learner.incarnation, PAWL_GONE_HANGUP);
    ck_assert(is_due(store, &next));
    ck_assert(!is_due(store, &second));
    ck_assert(!is_due(store, &actor));
    ck_assert(!is_due(store, &inspector));
    ck_assert(pawl_hub_table_is_needed(&table, store));
}
END_TEST

START_TEST(figures_of_the_dead_are_kept_until_their_successor_has_some)
{
    const struct pawl_hub_reader again = {5, PAWL_ROLE_ACTOR, 0};
    struct pawl_hub_entry *stats = put(&actor, 1, PAWL_SEGMENT_STATS);
    ck_assert(is_due(stats, &inspector));
    ck_assert(!is_due(stats, &learner));
    pawl_hub_table_orphan(&table, actor.incarnation, PAWL_GONE_HANGUP);
    put(&other_actor, 1, PAWL_SEGMENT_STATS);
    ck_assert(pawl_hub_table_is_needed(&table, stats));
    put(&again, 1, PAWL_SEGMENT_STATS);
    ck_assert(!pawl_hub_table_is_needed(&table, stats));
}
END_TEST

START_TEST(what_is_dropped_is_closed_and_not_found)
{
    struct pawl_hub_entry *ring = put(&actor, 1, PAWL_SEGMENT_RING);
    uint64_t id = ring->id;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ring->fds[0] = fd;
    ring->fd_count = 1;
    ck_assert_ptr_eq(pawl_hub_table_find(&table, id), ring);
    ring->gone_how = PAWL_GONE_BYE;
    ring->is_drained = true;
    ck_assert_uint_eq(pawl_hub_table_sweep(&table), 1);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    ck_assert_ptr_null(pawl_hub_table_find(&table, id));
    ck_assert(!is_due(ring, &learner));
    ck_assert_uint_eq(pawl_hub_table_sweep(&table), 0);
}
END_TEST

START_TEST(a_full_table_takes_no_more)
{
    for (uint64_t i = 1; i <= table.entry_count_max; i++)
        put(&actor, i, PAWL_SEGMENT_RING);
    ck_assert_ptr_null(pawl_hub_table_add(&table));
    ck_assert_ptr_null(pawl_hub_table_find(&table, 0));
}
END_TEST

PAWL_TEST_MAIN("hub_table", a_ring_goes_to_the_learner_and_to_inspectors_until_it_is_drained,
               a_refused_ring_is_kept_as_long_as_its_owner_lives,
               acks_go_to_those_whose_ring_is_bound_there,
               the_last_tails_of_a_dead_learner_go_to_the_next_one,
               a_dead_learners_tails_outlive_the_dead_ring_until_it_is_drained,
               actors_and_bridges_act_with_the_newest_board,
               a_board_is_shown_only_to_those_whose_pin_its_writer_knows,
               a_dead_learners_board_is_used_until_there_is_another,
               a_store_goes_to_every_later_incarnation_of_its_role_and_to_nobody_else,
               figures_of_the_dead_are_kept_until_their_successor_has_some,
               what_is_dropped_is_closed_and_not_found, a_full_table_takes_no_more)
