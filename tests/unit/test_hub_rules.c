/* Who breaks a rule of the hub is told so and disconnected, and nobody else is. */
#include "shm/hub.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "support/run.h"
#include "support/test.h"

static struct run run;
static struct pawl_peer learner, actor;
static struct pawl_segment ring, acks, more;
static struct pawl_peer_event event;

/* ring, acks, bind: afterwards learner and actor have read all they were told. */
static void meet(uint64_t *ring_id, uint64_t *acks_id, int doorbell_fd)
{
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    *acks_id = run_offer(&learner, &acks, PAWL_SEGMENT_ACK, doorbell_fd);
    *ring_id = run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
    pawl_peer_event_drop(&event);
    ck_assert_int_eq(pawl_peer_bind(&learner, *ring_id, *acks_id, 7, NULL), 0);
    run_serve(&run);
}

static void open_with_two(const struct pawl_hub_cfg *cfg)
{
    run_open(&run, cfg);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
}

/* `peer` gets a sentence and a hang-up; the other one is still served. */
static void expect_rejected(struct pawl_peer *peer, int code, const char *part)
{
    struct pawl_peer *bystander = peer == &actor ? &learner : &actor;
    const struct run_event *told = run_find(&run, PAWL_HUB_REJECTED);
    ck_assert_ptr_nonnull(told);
    ck_assert_msg(strstr(told->text, part) != NULL, "%s", told->text);
    ck_assert_int_eq(told->code, code);
    run_expect(&run, peer, &event, PAWL_PEER_REJECT);
    ck_assert_uint_eq(event.reject.id, 0);
    ck_assert_uint_eq(event.reject.code, (uint32_t)code);
    ck_assert_ptr_nonnull(strstr(event.reject.text, part));
    run_expect(&run, peer, &event, PAWL_PEER_HANGUP);

    pawl_hub_tell_stop(&run.hub, bystander->incarnation, PAWL_STOP_ASKED, 1);
    do { /* it may be told of the other's end before */
        run_serve(&run);
        ck_assert_int_eq(pawl_peer_poll(bystander, &event, NULL), 0);
        pawl_peer_event_drop(&event);
        ck_assert_int_ne(event.kind, PAWL_PEER_NONE);
        ck_assert_int_ne(event.kind, PAWL_PEER_HANGUP);
    } while (event.kind != PAWL_PEER_STOP);
}

START_TEST(noise_is_rejected)
{
    open_with_two(NULL);
    ck_assert_int_eq(send(actor.fd, "noise", 5, 0), 5);
    expect_rejected(&actor, EPROTO, "actor 0");
}
END_TEST

START_TEST(what_is_the_hubs_to_say_is_rejected)
{
    const struct pawl_hub_stop stop = {.reason = PAWL_STOP_ASKED};
    open_with_two(NULL);
    ck_assert_int_eq(pawl_hub_send(actor.fd, pawl_hub_stop_id, 1, &stop, NULL, 0, 0, NULL), 0);
    expect_rejected(&actor, EPROTO, "the hub's to say");
}
END_TEST

START_TEST(a_second_hello_is_rejected)
{
    const struct pawl_hub_hello hello = {.abi_major = 1, .role = PAWL_ROLE_ACTOR};
    open_with_two(NULL);
    ck_assert_int_eq(pawl_hub_send(actor.fd, pawl_hub_hello_id, 1, &hello, NULL, 0, 0, NULL),
                     0);
    expect_rejected(&actor, EPROTO, "hello twice");
}
END_TEST

START_TEST(what_comes_before_hello_is_rejected)
{
    const struct pawl_hub_bye bye = {0};
    run_open(&run, NULL);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_ACTOR, 0);
    ck_assert_int_eq(pawl_hub_send(cfg.fd, pawl_hub_bye_id, 1, &bye, NULL, 0, 0, NULL), 0);
    const struct run_event *told = run_find(&run, PAWL_HUB_REJECTED);
    ck_assert_ptr_nonnull(told);
    ck_assert_ptr_nonnull(strstr(told->text, "before hello"));
    close(cfg.fd);
}
END_TEST

static void send_offer(struct pawl_peer *peer, const struct pawl_hub_offer *offer, int fd)
{
    ck_assert_int_eq(
        pawl_hub_send(peer->fd, pawl_hub_offer_id, 1, offer, &fd, fd < 0 ? 0 : 1, 0, NULL), 0);
}

START_TEST(a_segment_that_could_shrink_is_rejected)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_RING, .total_bytes = 4096};
    open_with_two(NULL);
    offer.id = actor.incarnation << 32 | 1;
    int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(fd, 4096), 0);
    send_offer(&actor, &offer, fd);
    expect_rejected(&actor, EPERM, "seals 0x0");
}
END_TEST

START_TEST(a_file_is_no_segment)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_RING, .total_bytes = 4096};
    open_with_two(NULL);
    offer.id = actor.incarnation << 32 | 1;
    send_offer(&actor, &offer, STDERR_FILENO);
    expect_rejected(&actor, EINVAL, "no memfd");
}
END_TEST

START_TEST(a_segment_of_another_size_than_announced_is_rejected)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_STATS};
    open_with_two(NULL);
    run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    offer.id = actor.incarnation << 32 | 2;
    offer.total_bytes = more.total_bytes + 1;
    send_offer(&actor, &offer, more.fd);
    expect_rejected(&actor, EINVAL, "whose file has");
}
END_TEST

START_TEST(a_segment_under_anothers_name_is_rejected)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_STATS};
    open_with_two(NULL);
    run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    offer.id = learner.incarnation << 32 | 2;
    offer.total_bytes = more.total_bytes;
    send_offer(&actor, &offer, more.fd);
    expect_rejected(&actor, EPROTO, "must be");
}
END_TEST

START_TEST(a_name_used_twice_is_rejected)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_STATS};
    open_with_two(NULL);
    offer.id = run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    offer.total_bytes = more.total_bytes;
    send_offer(&actor, &offer, more.fd);
    expect_rejected(&actor, EPROTO, "with a number above 1");
}
END_TEST

START_TEST(an_offer_without_a_segment_is_rejected)
{
    struct pawl_hub_offer offer = {.kind = PAWL_SEGMENT_STATS, .total_bytes = 4096};
    open_with_two(NULL);
    offer.id = actor.incarnation << 32 | 1;
    send_offer(&actor, &offer, -1);
    expect_rejected(&actor, EPROTO, "with 0 descriptors");
}
END_TEST

START_TEST(a_doorbell_that_is_no_eventfd_is_rejected)
{
    open_with_two(NULL);
    int pipe_fds[2];
    ck_assert_int_eq(pipe(pipe_fds), 0);
    run_offer(&learner, &acks, PAWL_SEGMENT_ACK, pipe_fds[1]);
    expect_rejected(&learner, EINVAL, "no eventfd");
}
END_TEST

START_TEST(descriptors_that_nobody_wants_are_closed_and_rejected)
{
    const struct pawl_hub_bye bye = {0};
    open_with_two(NULL);
    int before = temp_fd_count();
    int fds[2] = {STDIN_FILENO, STDERR_FILENO};
    ck_assert_int_eq(pawl_hub_send(actor.fd, pawl_hub_bye_id, 1, &bye, fds, 2, 0, NULL), 0);
    expect_rejected(&actor, EPROTO, "sent descriptors with");
    ck_assert_int_eq(temp_fd_count(), before - 1); /* the hub's end */
}
END_TEST

START_TEST(a_role_offers_only_its_own_kinds)
{
    open_with_two(NULL);
    run_offer(&actor, &more, PAWL_SEGMENT_BOARD, -1);
    expect_rejected(&actor, EPERM, "kind board, not for this role");
}
END_TEST

START_TEST(only_the_learner_speaks_of_rings)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    run_expect(&run, &actor, &event, PAWL_PEER_OFFER);
    pawl_peer_event_drop(&event);
    run_expect(&run, &actor, &event, PAWL_PEER_BIND);
    ck_assert_int_eq(pawl_peer_drained(&actor, ring_id, 0, NULL), 0);
    expect_rejected(&actor, EPERM, "the learner's to say");
}
END_TEST

START_TEST(the_ring_of_a_living_actor_cannot_be_drained)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    run_expect(&run, &actor, &event, PAWL_PEER_OFFER);
    pawl_peer_event_drop(&event);
    run_expect(&run, &actor, &event, PAWL_PEER_BIND);
    ck_assert_int_eq(pawl_peer_drained(&learner, ring_id, 0, NULL), 0);
    expect_rejected(&learner, EINVAL, "no ring of a dead program");
}
END_TEST

START_TEST(a_ring_is_bound_only_to_the_learners_own_acks)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    ck_assert_int_eq(pawl_peer_bind(&learner, ring_id, ring_id, 0, NULL), 0);
    const struct run_event *told = run_find(&run, PAWL_HUB_REJECTED);
    ck_assert_ptr_nonnull(told);
    ck_assert_ptr_nonnull(strstr(told->text, "no acks segment of its own"));
}
END_TEST

START_TEST(another_programs_segment_cannot_be_withdrawn)
{
    open_with_two(NULL);
    uint64_t id = run_offer(&learner, &acks, PAWL_SEGMENT_STATS, -1);
    run_serve(&run);
    ck_assert_int_eq(pawl_peer_withdraw(&actor, id, NULL), 0);
    expect_rejected(&actor, EPERM, "of another program");
}
END_TEST

START_TEST(what_is_gone_from_the_table_may_still_be_spoken_of)
{
    open_with_two(NULL);
    uint64_t id = run_offer(&learner, &acks, PAWL_SEGMENT_ACK, -1);
    uint64_t gone_id = actor.incarnation << 32 | 1;
    ck_assert_int_eq(pawl_peer_bind(&learner, gone_id, id, 0, NULL), 0);
    ck_assert_int_eq(pawl_peer_drained(&learner, gone_id, 0, NULL), 0);
    const struct pawl_err why = {EPROTO, "so"};
    ck_assert_int_eq(pawl_peer_refuse(&learner, gone_id, &why, NULL), 0);
    ck_assert_int_eq(pawl_peer_withdraw(&actor, gone_id, NULL), 0);
    ck_assert_ptr_null(run_find(&run, PAWL_HUB_REJECTED));
}
END_TEST

START_TEST(too_many_messages_are_rejected)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.message_rate_hz_max = 10;
    open_with_two(&cfg);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(pawl_peer_state(&actor, PAWL_STATE_RUNNING, 0, NULL, NULL), 0);
    expect_rejected(&actor, EDQUOT, "more than 10 messages a second");
}
END_TEST

START_TEST(too_many_segments_are_rejected)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.peer_offer_count_max = 2;
    open_with_two(&cfg);
    for (int i = 0; i < 3; i++)
        run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    expect_rejected(&actor, ENOSPC, "more than 2 segments");
}
END_TEST

START_TEST(a_ring_that_was_withdrawn_and_is_kept_still_counts)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.peer_offer_count_max = 2;
    open_with_two(&cfg);
    for (int i = 0; i < 2; i++) {
        uint64_t id = run_offer(&actor, &more, PAWL_SEGMENT_RING, -1);
        ck_assert_int_eq(pawl_peer_withdraw(&actor, id, NULL), 0);
        ck_assert_int_eq(pawl_peer_withdraw(&actor, id, NULL), 0);
        run_serve(&run);
    }
    ck_assert_ptr_null(run_find(&run, PAWL_HUB_REJECTED));
    run_offer(&actor, &more, PAWL_SEGMENT_RING, -1);
    expect_rejected(&actor, ENOSPC, "more than 2 segments");
}
END_TEST

START_TEST(what_was_withdrawn_and_is_gone_does_not_count)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.peer_offer_count_max = 2;
    open_with_two(&cfg);
    for (int i = 0; i < 5; i++) {
        uint64_t id = run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
        ck_assert_int_eq(pawl_peer_withdraw(&actor, id, NULL), 0);
        run_serve(&run);
    }
    ck_assert_ptr_null(run_find(&run, PAWL_HUB_REJECTED));
}
END_TEST

START_TEST(a_full_table_is_told)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.offer_count_max = 1;
    open_with_two(&cfg);
    run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    expect_rejected(&actor, ENOSPC, "keeps 1 segments");
    ck_assert_ptr_nonnull(run_find(&run, PAWL_HUB_LIMIT));
}
END_TEST

PAWL_TEST_MAIN(
    "hub_rules", noise_is_rejected, what_is_the_hubs_to_say_is_rejected,
    a_second_hello_is_rejected, what_comes_before_hello_is_rejected,
    a_segment_that_could_shrink_is_rejected, a_file_is_no_segment,
    a_segment_of_another_size_than_announced_is_rejected,
    a_segment_under_anothers_name_is_rejected, a_name_used_twice_is_rejected,
    an_offer_without_a_segment_is_rejected, a_doorbell_that_is_no_eventfd_is_rejected,
    descriptors_that_nobody_wants_are_closed_and_rejected, a_role_offers_only_its_own_kinds,
    only_the_learner_speaks_of_rings, the_ring_of_a_living_actor_cannot_be_drained,
    a_ring_is_bound_only_to_the_learners_own_acks, another_programs_segment_cannot_be_withdrawn,
    what_is_gone_from_the_table_may_still_be_spoken_of, too_many_messages_are_rejected,
    too_many_segments_are_rejected, a_ring_that_was_withdrawn_and_is_kept_still_counts,
    what_was_withdrawn_and_is_gone_does_not_count, a_full_table_is_told)
