#include "shm/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "support/run.h"
#include "support/test.h"

static struct run run;
static struct pawl_peer peer;
static struct pawl_peer_event event;
static struct pawl_err err;

/* A peer whose hub is this test: the other end of its connection. */
static int open_by_hand(const void *answer, uint16_t answer_id)
{
    int ends[2];
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    ck_assert_int_eq(pawl_sock_pair(ends, NULL), 0);
    if (answer)
        ck_assert_int_eq(pawl_hub_send(ends[1], answer_id, 1, answer, NULL, 0, 0, NULL), 0);
    cfg.fd = ends[0];
    cfg.role = PAWL_ROLE_ACTOR;
    cfg.timeout_ns = answer ? RUN_HANG_NS : PAWL_NS_PER_MS;
    err = (struct pawl_err){0};
    int status = pawl_peer_open(&peer, &cfg, &err);
    if (status == 0)
        return ends[1];
    ck_assert_int_lt(fcntl(ends[0], F_GETFD), 0); /* closed on failure */
    ck_assert(!peer.is_open);
    close(ends[1]);
    return status;
}

static const struct pawl_hub_welcome welcome = {.incarnation = 5, .index = 2};

START_TEST(welcome_gives_number_and_index)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    ck_assert_int_ge(hub_fd, 0);
    ck_assert_uint_eq(peer.incarnation, 5);
    ck_assert_uint_eq(peer.index, 2);
    ck_assert_uint_eq(peer.role, PAWL_ROLE_ACTOR);
}
END_TEST

START_TEST(hello_says_who_the_program_is)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    union pawl_hub_any any;
    const struct pawl_msg_kind *kind;
    int fds[PAWL_HUB_FD_COUNT_MAX];
    size_t fd_count;
    ck_assert_int_eq(pawl_hub_receive(hub_fd, &any, &kind, fds, &fd_count, 0, NULL), 0);
    ck_assert_uint_eq(kind->id, pawl_hub_hello_id);
    ck_assert_uint_eq(any.pawl_hub_hello.role, PAWL_ROLE_ACTOR);
    ck_assert_uint_eq(any.pawl_hub_hello.index, PAWL_HUB_ANY_INDEX);
    ck_assert_uint_eq(any.pawl_hub_hello.abi_major, PAWL_HUB_ABI_MAJOR);
    ck_assert_uint_eq(any.pawl_hub_hello.pid, (uint32_t)getpid());
    ck_assert_mem_eq(any.pawl_hub_hello.epoch, peer.epoch, sizeof(peer.epoch));
}
END_TEST

START_TEST(a_hub_that_does_not_answer_is_waited_for_only_so_long)
{
    ck_assert_int_eq(open_by_hand(NULL, 0), -ETIMEDOUT);
    ck_assert_str_eq(err.text, "join run: waited 0.0 s for the hub to answer hello");
}
END_TEST

START_TEST(a_no_is_the_hubs_own_sentence)
{
    const struct pawl_hub_reject no = {.code = EBUSY, .text = "there is actor 2 already"};
    ck_assert_int_eq(open_by_hand(&no, pawl_hub_reject_id), -EBUSY);
    ck_assert_str_eq(err.text, "join run: the hub says no: there is actor 2 already");
}
END_TEST

START_TEST(a_no_is_heard_from_a_hub_that_has_hung_up)
{
    int ends[2];
    const struct pawl_hub_reject no = {.code = EMFILE, .text = "no more descriptors"};
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    ck_assert_int_eq(pawl_sock_pair(ends, NULL), 0);
    ck_assert_int_eq(pawl_hub_send(ends[1], pawl_hub_reject_id, 1, &no, NULL, 0, 0, NULL), 0);
    close(ends[1]);
    cfg.fd = ends[0];
    cfg.role = PAWL_ROLE_ACTOR;
    err = (struct pawl_err){0};
    ck_assert_int_eq(pawl_peer_open(&peer, &cfg, &err), -EMFILE);
    ck_assert_str_eq(err.text, "join run: the hub says no: no more descriptors");
}
END_TEST

START_TEST(another_answer_than_welcome_is_an_error)
{
    const struct pawl_hub_stop stop = {.reason = PAWL_STOP_ASKED};
    ck_assert_int_eq(open_by_hand(&stop, pawl_hub_stop_id), -EPROTO);
    ck_assert_ptr_nonnull(strstr(err.text, "must be welcome"));
}
END_TEST

START_TEST(nobody_listening_is_an_error_at_once)
{
    struct pawl_peer_cfg cfg = pawl_peer_default_cfg();
    cfg.role = PAWL_ROLE_INSPECTOR;
    cfg.folder = "/tmp/pawl-there-is-no-such-folder";
    ck_assert_int_lt(pawl_peer_open(&peer, &cfg, &err), 0);
    ck_assert(strstr(err.text, "join run: ") == err.text);
    ck_assert(!peer.is_open);
}
END_TEST

START_TEST(a_segment_has_its_name_without_an_answer)
{
    struct pawl_segment segment;
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    ck_assert_int_ge(hub_fd, 0);
    ck_assert_uint_eq(run_offer(&peer, &segment, PAWL_SEGMENT_RING, -1), 5ull << 32 | 1);
    ck_assert_uint_eq(run_offer(&peer, &segment, PAWL_SEGMENT_STATS, -1), 5ull << 32 | 2);
    ck_assert_uint_eq(pawl_hub_incarnation_of(5ull << 32 | 2), 5);
}
END_TEST

START_TEST(the_hubs_death_is_a_hangup_and_stays_one)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    const struct pawl_hub_stop stop = {.reason = PAWL_STOP_DONE, .deadline_ns = 9};
    ck_assert_int_eq(pawl_hub_send(hub_fd, pawl_hub_stop_id, 1, &stop, NULL, 0, 0, NULL), 0);
    close(hub_fd);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, NULL), 0); /* its last word first */
    ck_assert_int_eq(event.kind, PAWL_PEER_STOP);
    ck_assert_uint_eq(event.stop.deadline_ns, 9);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pawl_peer_poll(&peer, &event, NULL), 0);
        ck_assert_int_eq(event.kind, PAWL_PEER_HANGUP);
    }
    ck_assert_int_eq(pawl_peer_bye(&peer, 0, NULL), -EPIPE);
}
END_TEST

START_TEST(noise_from_the_hub_is_an_error)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    ck_assert_int_eq(send(hub_fd, "noise", 5, 0), 5);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, &err), -EPROTO);
    ck_assert_int_eq(event.kind, PAWL_PEER_NONE);
}
END_TEST

START_TEST(what_is_not_the_hubs_to_say_is_an_error)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    const struct pawl_hub_bye bye = {0};
    ck_assert_int_eq(pawl_hub_send(hub_fd, pawl_hub_bye_id, 1, &bye, NULL, 0, 0, NULL), 0);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, &err), -EPROTO);
}
END_TEST

START_TEST(descriptors_come_with_offers_and_with_nothing_else)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    const struct pawl_hub_stop stop = {.reason = PAWL_STOP_DONE};
    const struct pawl_hub_offer offer = {
        .id = 1, .kind = PAWL_SEGMENT_ACK, .total_bytes = 4096};
    int fd = STDERR_FILENO;
    int before = temp_fd_count();
    ck_assert_int_eq(pawl_hub_send(hub_fd, pawl_hub_stop_id, 1, &stop, &fd, 1, 0, NULL), 0);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, NULL), -EPROTO);
    ck_assert_int_eq(pawl_hub_send(hub_fd, pawl_hub_offer_id, 1, &offer, NULL, 0, 0, NULL), 0);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, NULL), -EPROTO);
    ck_assert_int_eq(temp_fd_count(), before);
}
END_TEST

START_TEST(an_event_that_is_dropped_leaves_no_descriptor_but_those_taken)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    const struct pawl_hub_offer offer = {
        .id = 1, .kind = PAWL_SEGMENT_ACK, .total_bytes = 4096};
    int fds[2] = {STDERR_FILENO, STDERR_FILENO};
    int before = temp_fd_count();
    ck_assert_int_eq(pawl_hub_send(hub_fd, pawl_hub_offer_id, 1, &offer, fds, 2, 0, NULL), 0);
    ck_assert_int_eq(pawl_peer_poll(&peer, &event, NULL), 0);
    ck_assert_int_eq(event.kind, PAWL_PEER_OFFER);
    ck_assert_int_eq(temp_fd_count(), before + 2);
    int taken = event.fds[1];
    event.fds[1] = -1;
    pawl_peer_event_drop(&event);
    pawl_peer_event_drop(&event);
    ck_assert_int_eq(temp_fd_count(), before + 1);
    close(taken);
}
END_TEST

START_TEST(a_hub_that_does_not_listen_is_waited_for_only_so_long)
{
    int hub_fd = open_by_hand(&welcome, pawl_hub_welcome_id);
    ck_assert_int_ge(hub_fd, 0);
    peer.timeout_ns = PAWL_NS_PER_MS;
    int status;
    do {
        err = (struct pawl_err){0};
        status = pawl_peer_state(&peer, PAWL_STATE_RUNNING, 0, "I tell and tell", &err);
    } while (status == 0);
    ck_assert_int_eq(status, -ETIMEDOUT);
    ck_assert_str_eq(err.text, "waited 0.0 s for the hub to listen");
}
END_TEST

START_TEST(a_closed_peer_is_safe_to_use)
{
    struct pawl_peer closed = {0};
    pawl_peer_close(&closed);
    ck_assert_int_eq(pawl_peer_poll(&closed, &event, NULL), 0);
    ck_assert_int_eq(event.kind, PAWL_PEER_HANGUP);
    ck_assert_int_eq(pawl_peer_bye(&closed, 0, NULL), -ENOTCONN);
}
END_TEST

START_TEST(texts_are_made_fit_to_be_sent)
{
    char text[8];
    pawl_hub_set_text(text, sizeof(text), "a\nb\x1b[2\xc3\xa9");
    ck_assert_str_eq(text, "a?b?[2?");
    run_open(&run, NULL);
    struct pawl_peer_cfg cfg = run_invite(&run, PAWL_ROLE_ACTOR, 0);
    cfg.name = "a name of more than sixty-three bytes, which is all that fits the message";
    ck_assert_int_eq(run_open_peer(&run, &peer, &cfg, NULL), 0);
    ck_assert_uint_eq(strlen(pawl_hub_find_peer(&run.hub, PAWL_ROLE_ACTOR, 0)->name), 63);
}
END_TEST

PAWL_TEST_MAIN("peer", welcome_gives_number_and_index, hello_says_who_the_program_is,
               a_hub_that_does_not_answer_is_waited_for_only_so_long,
               a_no_is_the_hubs_own_sentence, a_no_is_heard_from_a_hub_that_has_hung_up,
               another_answer_than_welcome_is_an_error, nobody_listening_is_an_error_at_once,
               a_segment_has_its_name_without_an_answer,
               the_hubs_death_is_a_hangup_and_stays_one, noise_from_the_hub_is_an_error,
               what_is_not_the_hubs_to_say_is_an_error,
               descriptors_come_with_offers_and_with_nothing_else,
               an_event_that_is_dropped_leaves_no_descriptor_but_those_taken,
               a_hub_that_does_not_listen_is_waited_for_only_so_long,
               a_closed_peer_is_safe_to_use, texts_are_made_fit_to_be_sent)
