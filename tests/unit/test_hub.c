#include "shm/hub.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "support/run.h"
#include "support/test.h"

static struct run run;
static struct pawl_peer learner, actor, other;
static struct pawl_segment ring, acks, more;
static struct pawl_peer_event event;

START_TEST(a_program_is_welcomed_and_numbered)
{
    run_open(&run, NULL);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 3);
    ck_assert_uint_eq(actor.index, 3);
    ck_assert_uint_eq(actor.incarnation, 1);
    ck_assert_mem_eq(actor.run_epoch, run.hub.run_epoch, sizeof(actor.run_epoch));
    const struct pawl_hub_peer *peer = pawl_hub_find_peer(&run.hub, PAWL_ROLE_ACTOR, 3);
    ck_assert_ptr_nonnull(peer);
    ck_assert_mem_eq(peer->epoch, actor.epoch, sizeof(actor.epoch));
    ck_assert_uint_eq(peer->pid, (uint32_t)getpid());
    ck_assert_ptr_nonnull(run_find(&run, PAWL_HUB_WELCOMED));
    ck_assert_ptr_null(pawl_hub_find_peer(&run.hub, PAWL_ROLE_ACTOR, 2));
}
END_TEST

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

START_TEST(a_ring_reaches_the_learner_and_its_acks_reach_the_actor)
{
    uint64_t ring_id, acks_id;
    int doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, doorbell_fd);
    ck_assert_uint_eq(event.offer.id, ring_id);
    ck_assert_uint_eq(event.offer.kind, PAWL_SEGMENT_RING);
    ck_assert_uint_eq(event.offer.role, PAWL_ROLE_ACTOR);
    ck_assert_uint_eq(event.offer.total_bytes, ring.total_bytes);
    ck_assert_mem_eq(event.offer.epoch, ring.header.writer_epoch, 16);
    ck_assert_str_eq(event.offer.label, "test");
    ck_assert_uint_eq(event.offer.acks_id, 0);

    run_expect(&run, &actor, &event, PAWL_PEER_OFFER);
    ck_assert_uint_eq(event.offer.id, acks_id);
    ck_assert_uint_eq(event.fd_count, 2);
    uint64_t rung = 1;
    ck_assert_int_eq(write(event.fds[1], &rung, sizeof(rung)), sizeof(rung));
    ck_assert_int_eq(read(doorbell_fd, &rung, sizeof(rung)), sizeof(rung));
    struct pawl_segment mapped;
    struct pawl_segment_want want = {.kind = PAWL_SEGMENT_ACK,
                                     .total_bytes = event.offer.total_bytes,
                                     .writer_epoch = event.offer.epoch};
    ck_assert_int_eq(pawl_segment_attach(&mapped, event.fds[0], &want, NULL), 0);
    pawl_segment_close(&mapped);
    pawl_peer_event_drop(&event);

    run_expect(&run, &actor, &event, PAWL_PEER_BIND);
    ck_assert_uint_eq(event.bind.ring_id, ring_id);
    ck_assert_uint_eq(event.bind.acks_id, acks_id);
    ck_assert_uint_eq(event.bind.acks_page, 7);
    run_expect_nothing(&run, &actor);
    run_expect_nothing(&run, &learner);
}
END_TEST

START_TEST(the_ring_of_a_dead_actor_is_kept_until_it_is_drained)
{
    run_open(&run, NULL);
    int before = temp_fd_count();
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    pawl_segment_close(&ring);
    run_kill(&run, &actor);
    ck_assert_int_eq(temp_fd_count(), before + 1);

    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
    ck_assert_uint_eq(event.offer.is_gone, 1);
    pawl_peer_event_drop(&event);
    run_expect_nothing(&run, &learner); /* is_gone was the news */
    ck_assert_int_eq(pawl_peer_drained(&learner, event.offer.id, 0, NULL), 0);
    run_expect(&run, &learner, &event, PAWL_PEER_WITHDRAW);
    run_kill(&run, &learner);
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

START_TEST(who_joins_is_told_when_that_was_all)
{
    run_open(&run, NULL);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    for (int i = 0; i < 2; i++)
        run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    static const enum pawl_peer_event_kind told[] = {PAWL_PEER_OFFER, PAWL_PEER_OFFER,
                                                     PAWL_PEER_ALL, PAWL_PEER_OFFER};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        run_expect(&run, &learner, &event, told[i]);
        pawl_peer_event_drop(&event);
    }
    run_expect_nothing(&run, &learner);
}
END_TEST

START_TEST(a_program_that_dies_after_hello_has_broken_no_rule)
{
    run_open(&run, NULL);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_ACTOR, 0);
    const struct pawl_hub_hello hello = {.abi_major = 1, .role = PAWL_ROLE_ACTOR};
    ck_assert_int_eq(pawl_hub_send(cfg.fd, pawl_hub_hello_id, 1, &hello, NULL, 0, 0, NULL), 0);
    close(cfg.fd);
    ck_assert_ptr_nonnull(run_find(&run, PAWL_HUB_GONE));
    ck_assert_ptr_null(run_find(&run, PAWL_HUB_REJECTED));
}
END_TEST

START_TEST(an_offer_that_was_sent_survives_its_sender)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    uint64_t id = run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    pawl_peer_close(&actor); /* before the hub has looked */
    run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
    ck_assert_uint_eq(event.offer.id, id);
    ck_assert_uint_eq(event.offer.is_gone, 1);
}
END_TEST

START_TEST(the_next_learner_gets_the_last_tails_before_the_rings)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    run_kill(&run, &learner);
    run_join(&run, &other, PAWL_ROLE_LEARNER, 0);
    run_expect(&run, &other, &event, PAWL_PEER_OFFER);
    ck_assert_uint_eq(event.offer.id, acks_id);
    ck_assert_uint_eq(event.offer.is_gone, 1);
    pawl_peer_event_drop(&event);
    run_expect(&run, &other, &event, PAWL_PEER_OFFER);
    ck_assert_uint_eq(event.offer.id, ring_id);
    ck_assert_uint_eq(event.offer.acks_id, acks_id);
    ck_assert_uint_eq(event.offer.acks_page, 7);
    pawl_peer_event_drop(&event);

    /* It takes over: nobody needs the old acks any more. */
    uint64_t next_id = run_offer(&other, &more, PAWL_SEGMENT_ACK, -1);
    ck_assert_int_eq(pawl_peer_bind(&other, ring_id, next_id, 0, NULL), 0);
    run_expect(&run, &other, &event, PAWL_PEER_WITHDRAW);
    ck_assert_uint_eq(event.withdraw.id, acks_id);
    static const enum pawl_peer_event_kind told[] = {
        PAWL_PEER_OFFER, PAWL_PEER_BIND, PAWL_PEER_GONE, /* the actor's view */
        PAWL_PEER_OFFER, PAWL_PEER_BIND, PAWL_PEER_WITHDRAW};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        run_expect(&run, &actor, &event, told[i]);
        pawl_peer_event_drop(&event);
    }
}
END_TEST

START_TEST(who_reads_a_segment_learns_that_its_writer_has_gone)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    ck_assert_int_eq(pawl_peer_bye(&actor, 41, NULL), 0);
    run_kill(&run, &actor);
    run_expect(&run, &learner, &event, PAWL_PEER_GONE);
    ck_assert_uint_eq(event.gone.id, ring_id);
    ck_assert_uint_eq(event.gone.how, PAWL_GONE_BYE);
    const struct run_event *told = run_find(&run, PAWL_HUB_GONE);
    ck_assert_ptr_nonnull(told);
    ck_assert_uint_eq(told->how, PAWL_GONE_BYE);
    ck_assert_uint_eq(told->value, 41);
    ck_assert_uint_eq(told->incarnation, ring_id >> 32);
}
END_TEST

START_TEST(a_refused_ring_is_told_to_its_owner_and_to_the_supervisor)
{
    uint64_t ring_id, acks_id;
    const struct pawl_err why = {EPROTO, "field 'obs.state': float32[18] here, [17] there\n"};
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    run_expect(&run, &actor, &event, PAWL_PEER_OFFER);
    pawl_peer_event_drop(&event);
    run_expect(&run, &actor, &event, PAWL_PEER_BIND);
    ck_assert_int_eq(pawl_peer_refuse(&learner, ring_id, &why, NULL), 0);
    run_expect(&run, &actor, &event, PAWL_PEER_REJECT);
    ck_assert_uint_eq(event.reject.id, ring_id);
    ck_assert_uint_eq(event.reject.code, EPROTO);
    ck_assert_str_eq(event.reject.text, "field 'obs.state': float32[18] here, [17] there?");
    const struct run_event *told = run_find(&run, PAWL_HUB_REFUSED);
    ck_assert_ptr_nonnull(told);
    ck_assert_uint_eq(told->role, PAWL_ROLE_ACTOR);
    ck_assert(pawl_hub_find_peer(&run.hub, PAWL_ROLE_ACTOR, 0)->is_refused);
}
END_TEST

START_TEST(stop_is_told_to_all_or_to_one)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    pawl_hub_tell_stop(&run.hub, actor.incarnation, PAWL_STOP_FAILED, 5);
    run_expect(&run, &actor, &event, PAWL_PEER_STOP);
    ck_assert_uint_eq(event.stop.reason, PAWL_STOP_FAILED);
    ck_assert_uint_eq(event.stop.deadline_ns, 5);
    run_expect_nothing(&run, &learner);
    pawl_hub_tell_stop(&run.hub, 0, PAWL_STOP_DONE, 6);
    run_expect(&run, &actor, &event, PAWL_PEER_STOP);
    run_expect(&run, &learner, &event, PAWL_PEER_STOP);
    ck_assert_uint_eq(event.stop.deadline_ns, 6);
}
END_TEST

START_TEST(stop_comes_after_all_else_there_is_to_tell)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
    pawl_hub_tell_stop(&run.hub, 0, PAWL_STOP_DONE, 6);
    run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
    pawl_peer_event_drop(&event);
    run_expect(&run, &learner, &event, PAWL_PEER_STOP);
}
END_TEST

START_TEST(what_a_program_says_of_its_state_is_known)
{
    run_open(&run, NULL);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
    ck_assert_int_eq(pawl_peer_state(&actor, PAWL_STATE_HELD, 12, "no board yet", NULL), 0);
    const struct run_event *told = run_find(&run, PAWL_HUB_STATE);
    ck_assert_ptr_nonnull(told);
    ck_assert_uint_eq(told->state, PAWL_STATE_HELD);
    ck_assert_uint_eq(told->value, 12);
    ck_assert_str_eq(told->text, "no board yet");
}
END_TEST

START_TEST(an_inspector_sees_all_but_stores_and_nobody_sees_it)
{
    uint64_t ring_id, acks_id;
    run_open(&run, NULL);
    meet(&ring_id, &acks_id, -1);
    run_offer(&learner, &more, PAWL_SEGMENT_STORE, -1);
    run_offer(&actor, &more, PAWL_SEGMENT_STATS, -1);
    run_join(&run, &other, PAWL_ROLE_INSPECTOR, 0);
    static const uint32_t kinds[] = {PAWL_SEGMENT_ACK, PAWL_SEGMENT_STATS, PAWL_SEGMENT_RING};
    for (size_t i = 0; i < 3; i++) {
        run_expect(&run, &other, &event, PAWL_PEER_OFFER);
        ck_assert_uint_eq(event.offer.kind, kinds[i]);
        pawl_peer_event_drop(&event);
    }
    ck_assert_uint_eq(event.offer.acks_id, acks_id);
    ck_assert_int_eq(pawl_peer_bind(&learner, ring_id, acks_id, 8, NULL), 0);
    run_expect(&run, &other, &event, PAWL_PEER_BIND);
    ck_assert_uint_eq(event.bind.acks_page, 8);
    run_kill(&run, &other);
    run_expect_nothing(&run, &learner);
}
END_TEST

START_TEST(a_store_is_handed_from_learner_to_learner_until_one_withdraws_it)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    uint64_t id = run_offer(&learner, &more, PAWL_SEGMENT_STORE, -1);
    for (int i = 0; i < 2; i++) {
        run_kill(&run, &learner);
        run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
        run_expect(&run, &learner, &event, PAWL_PEER_OFFER);
        ck_assert_uint_eq(event.offer.id, id);
        pawl_peer_event_drop(&event);
    }
    ck_assert_int_eq(pawl_peer_withdraw(&learner, id, NULL), 0);
    run_expect(&run, &learner, &event, PAWL_PEER_WITHDRAW);
    run_kill(&run, &learner);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_expect_nothing(&run, &learner);
}
END_TEST

START_TEST(a_successor_is_let_in_before_the_death_of_the_other_was_heard)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_LEARNER, 0);
    const struct pawl_hub_hello hello = {.abi_major = 1, .role = PAWL_ROLE_LEARNER};
    ck_assert_int_eq(pawl_hub_send(cfg.fd, pawl_hub_hello_id, 1, &hello, NULL, 0, 0, NULL), 0);
    pawl_peer_close(&learner); /* after the hello, so it is heard after it */
    ck_assert_ptr_null(run_find(&run, PAWL_HUB_REJECTED));
    const struct pawl_hub_peer *peer = pawl_hub_find_peer(&run.hub, PAWL_ROLE_LEARNER, 0);
    ck_assert_ptr_nonnull(peer);
    ck_assert_uint_eq(peer->incarnation, 2);
    close(cfg.fd);
}
END_TEST

/* --- who is not let in --- */

static void expect_no(struct pawl_peer_cfg *cfg, int code, const char *part)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(run_open_peer(&run, &other, cfg, &err), -code);
    ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
}

START_TEST(there_is_one_learner_and_one_program_of_a_role_and_index)
{
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    run_join(&run, &actor, PAWL_ROLE_ACTOR, 1);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_LEARNER, 1);
    expect_no(&cfg, EBUSY, "there is learner 0");
    cfg = run_invite(&run, PAWL_ROLE_ACTOR, 1);
    expect_no(&cfg, EBUSY, "there is actor 1");
    run_join(&run, &other, PAWL_ROLE_BRIDGE, 1);
    run_expect_nothing(&run, &learner);
}
END_TEST

START_TEST(a_child_is_what_it_was_started_as)
{
    run_open(&run, NULL);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_ACTOR, 1);
    cfg.role = PAWL_ROLE_LEARNER;
    expect_no(&cfg, EPROTO, "was started as actor 1");
}
END_TEST

START_TEST(a_program_of_another_version_is_told_so)
{
    run_open(&run, NULL);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_ACTOR, 0);
    struct pawl_hub_hello hello = {.abi_major = 9, .role = PAWL_ROLE_ACTOR};
    ck_assert_int_eq(pawl_hub_send(cfg.fd, pawl_hub_hello_id, pawl_hub_hello_version, &hello,
                                   NULL, 0, 0, NULL),
                     0);
    const struct run_event *told = run_find(&run, PAWL_HUB_REJECTED);
    ck_assert_ptr_nonnull(told);
    ck_assert_int_eq(told->code, EPROTONOSUPPORT);
    ck_assert_ptr_nonnull(strstr(told->text, "speaks protocol 9.0, this run's hub 1.0"));
}
END_TEST

static char folder[64];

static struct pawl_hub_cfg folder_cfg(void)
{
    snprintf(folder, sizeof(folder), "/tmp/pawl-test-hub-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.folder = folder;
    return cfg;
}

static void close_folder(void)
{
    run_close(&run);
    ck_assert_int_eq(rmdir(folder), 0); /* so nothing is left in it */
}

static struct pawl_peer_cfg joiner_cfg(uint32_t role)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    cfg.folder = folder;
    cfg.role = role;
    return cfg;
}

START_TEST(others_join_through_the_folder_and_are_given_an_index)
{
    struct pawl_hub_cfg cfg = folder_cfg();
    cfg.joined_index_min = 500;
    run_open(&run, &cfg);
    struct pawl_peer_cfg joiner = joiner_cfg(PAWL_ROLE_ACTOR);
    ck_assert_int_eq(run_open_peer(&run, &actor, &joiner, NULL), 0);
    ck_assert_uint_eq(actor.index, 500);
    ck_assert_int_eq(run_open_peer(&run, &other, &joiner, NULL), 0);
    ck_assert_uint_eq(other.index, 501);
    joiner = joiner_cfg(PAWL_ROLE_INSPECTOR);
    ck_assert_int_eq(run_open_peer(&run, &learner, &joiner, NULL), 0);
    ck_assert_uint_eq(learner.index, 0);
    joiner = joiner_cfg(PAWL_ROLE_LEARNER);
    expect_no(&joiner, EPERM, "a learner is started by its run");
    close_folder();
}
END_TEST

START_TEST(who_says_nothing_is_let_go)
{
    struct pawl_hub_cfg cfg = folder_cfg();
    cfg.hello_ns_max = 1;
    run_open(&run, &cfg);
    int fd;
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, PAWL_HUB_SOCKET_NAME,
                                       pawl_clock_now_ns() + RUN_HANG_NS, NULL),
                     0);
    const struct run_event *told = run_find(&run, PAWL_HUB_REJECTED);
    ck_assert_ptr_nonnull(told);
    ck_assert_int_eq(told->code, ETIMEDOUT);
    close(fd);
    close_folder();
}
END_TEST

START_TEST(a_full_hub_says_so)
{
    struct pawl_hub_cfg cfg = folder_cfg();
    cfg.peer_count_max = 1;
    run_open(&run, &cfg);
    struct pawl_peer_cfg joiner = joiner_cfg(PAWL_ROLE_INSPECTOR);
    ck_assert_int_eq(run_open_peer(&run, &actor, &joiner, NULL), 0);
    expect_no(&joiner, EUSERS, "1 programs and takes no more");
    ck_assert_ptr_nonnull(run_find(&run, PAWL_HUB_LIMIT));
    int fd;
    ck_assert_int_eq(pawl_hub_invite(&run.hub, PAWL_ROLE_ACTOR, 0, &fd, NULL), -EUSERS);
    close_folder();
}
END_TEST

START_TEST(no_more_descriptors_is_one_clear_sentence_to_both_sides)
{
    struct pawl_hub_cfg cfg = folder_cfg();
    run_open(&run, &cfg);
    int fd;
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, PAWL_HUB_SOCKET_NAME,
                                       pawl_clock_now_ns() + RUN_HANG_NS, NULL),
                     0);
    struct rlimit limit, before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)fd + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct run_event *told = run_find(&run, PAWL_HUB_LIMIT);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_ptr_nonnull(told);
    ck_assert_int_eq(told->code, EMFILE);
    ck_assert_ptr_nonnull(strstr(told->text, "ulimit -n"));

    union pawl_hub_any any;
    const struct pawl_msg_kind *kind;
    int fds[PAWL_HUB_FD_COUNT_MAX];
    size_t fd_count;
    ck_assert_int_eq(pawl_hub_receive(fd, &any, &kind, fds, &fd_count, 0, NULL), 0);
    ck_assert_uint_eq(kind->id, pawl_hub_reject_id);
    ck_assert_uint_eq(any.pawl_hub_reject.code, EMFILE);
    close(fd);
    close_folder();
}
END_TEST

START_TEST(a_configuration_that_cannot_be_is_refused)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    struct pawl_err err = {0};
    cfg.peer_count_max = 0;
    ck_assert_int_eq(pawl_hub_open(&run.hub, &cfg, &err), -EINVAL);
    ck_assert_str_eq(err.text, "open hub: peer_count_max = 0, must be 1 to 4096");
    pawl_hub_close(&run.hub);
    cfg = pawl_hub_default_cfg();
    cfg.joined_index_min = 2000;
    ck_assert_int_eq(pawl_hub_open(&run.hub, &cfg, NULL), -EINVAL);
}
END_TEST

/* --- who does not read --- */

/* Actors come, offer and go, each a ring that has to be told. */
static void churn(int count)
{
    for (int i = 0; i < count; i++) {
        run_join(&run, &actor, PAWL_ROLE_ACTOR, 0);
        run_offer(&actor, &ring, PAWL_SEGMENT_RING, -1);
        pawl_segment_close(&ring);
        run_kill(&run, &actor);
    }
}

START_TEST(a_learner_that_does_not_read_holds_nobody_up_and_misses_nothing)
{
    enum { COUNT = 600 }; /* more than a socket takes */
    bool is_seen[COUNT * 2 + 4] = {false};
    run_open(&run, NULL);
    run_join(&run, &learner, PAWL_ROLE_LEARNER, 0);
    churn(COUNT);
    const struct pawl_hub_peer *peer = pawl_hub_find_peer(&run.hub, PAWL_ROLE_LEARNER, 0);
    ck_assert(peer->is_blocked);

    int ring_count = 0;
    for (;;) {
        run_serve(&run);
        ck_assert_int_eq(pawl_peer_poll(&learner, &event, NULL), 0);
        if (event.kind == PAWL_PEER_NONE)
            break;
        pawl_peer_event_drop(&event);
        if (event.kind != PAWL_PEER_OFFER)
            continue;
        ck_assert(!is_seen[event.offer.id >> 32]);
        is_seen[event.offer.id >> 32] = true;
        ring_count++;
        ck_assert_int_eq(pawl_peer_drained(&learner, event.offer.id, 0, NULL), 0);
    }
    ck_assert_int_eq(ring_count, COUNT);
    ck_assert_uint_eq(run.hub.table.used_count, 0);
}
END_TEST

START_TEST(an_inspector_that_does_not_read_is_let_go)
{
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    cfg.inspector_ns_max = 1;
    run_open(&run, &cfg);
    run_join(&run, &other, PAWL_ROLE_INSPECTOR, 0);
    churn(600);
    ck_assert_ptr_null(pawl_hub_find_peer(&run.hub, PAWL_ROLE_INSPECTOR, 0));
}
END_TEST

START_TEST(closing_the_hub_hangs_up_on_all_and_leaves_nothing)
{
    int before = temp_fd_count();
    uint64_t ring_id, acks_id;
    struct pawl_hub_cfg cfg = folder_cfg();
    run_open(&run, &cfg);
    meet(&ring_id, &acks_id, -1);
    run_serve(&run);
    close_folder();
    do /* what it was told before is still to be had */
        ck_assert_int_eq(pawl_peer_poll(&learner, &event, NULL), 0);
    while (event.kind == PAWL_PEER_ALL);
    ck_assert_int_eq(event.kind, PAWL_PEER_HANGUP);
    pawl_peer_close(&learner);
    pawl_peer_close(&actor);
    pawl_segment_close(&ring);
    pawl_segment_close(&acks);
    ck_assert_int_eq(temp_fd_count(), before);
    pawl_hub_close(&run.hub); /* zeroed */
}
END_TEST

PAWL_TEST_MAIN("hub", a_program_is_welcomed_and_numbered,
               a_ring_reaches_the_learner_and_its_acks_reach_the_actor,
               the_ring_of_a_dead_actor_is_kept_until_it_is_drained,
               a_program_that_dies_after_hello_has_broken_no_rule,
               who_joins_is_told_when_that_was_all, an_offer_that_was_sent_survives_its_sender,
               the_next_learner_gets_the_last_tails_before_the_rings,
               who_reads_a_segment_learns_that_its_writer_has_gone,
               a_refused_ring_is_told_to_its_owner_and_to_the_supervisor,
               stop_is_told_to_all_or_to_one, stop_comes_after_all_else_there_is_to_tell,
               what_a_program_says_of_its_state_is_known,
               an_inspector_sees_all_but_stores_and_nobody_sees_it,
               a_store_is_handed_from_learner_to_learner_until_one_withdraws_it,
               a_successor_is_let_in_before_the_death_of_the_other_was_heard,
               there_is_one_learner_and_one_program_of_a_role_and_index,
               a_child_is_what_it_was_started_as, a_program_of_another_version_is_told_so,
               others_join_through_the_folder_and_are_given_an_index,
               who_says_nothing_is_let_go, a_full_hub_says_so,
               no_more_descriptors_is_one_clear_sentence_to_both_sides,
               a_configuration_that_cannot_be_is_refused,
               a_learner_that_does_not_read_holds_nobody_up_and_misses_nothing,
               an_inspector_that_does_not_read_is_let_go,
               closing_the_hub_hangs_up_on_all_and_leaves_nothing)
