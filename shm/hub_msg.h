/* hub_msg.h: what a run's processes and its hub say to each other.
 *
 *     program                                    hub
 *     hello        who I am                  ->
 *                                            <-  welcome    and so you are called
 *     offer        a segment I made          ->
 *                                            <-  offer      a segment somebody made
 *     bind         page p is for ring r      ->
 *                                            <-  bind       page p is for your ring
 *                                            <-  all        that was all there was
 *     drained      a dead ring is empty      ->
 *     refuse       I do not take a segment   ->
 *     withdraw     a segment of mine ends    ->
 *     state        starting, running, ...    ->
 *     bye          I end in order            ->
 *                                            <-  gone       the writer of a segment has ended
 *                                            <-  withdraw   a segment is no longer had
 *                                            <-  stop       end in order, until then
 *                                            <-  reject     you, or a segment of yours: why not
 *
 * Each connection of the hub's life has a number, the incarnation, and each segment has the
 * name `incarnation << 32 | number`, where its owner counts 1, 2, ... So who offers a segment
 * knows its name without an answer, and everybody sees from the name whose it is.
 *
 * The hub's words are states, not a stream: what became void before a slow program read it is
 * not sent. Offers of rings come after all other offers, so a ring's acks are there before it.
 *
 * peer.h is the programs' end, hub.h the other.
 */
#ifndef PAWL_SHM_HUB_MSG_H
#define PAWL_SHM_HUB_MSG_H

#include "runtime/msg.h"
#include "shm/segment.h"

#define PAWL_HUB_ABI_MAJOR   1u
#define PAWL_HUB_ABI_MINOR   0u
#define PAWL_HUB_SOCKET_NAME "hub"

#define PAWL_HUB_TEXT_BYTES_MAX 511
#define PAWL_HUB_NAME_BYTES_MAX 63
#define PAWL_HUB_EPOCH_BYTES    16
#define PAWL_HUB_FD_COUNT_MAX   2 /* the segment, and with an acks segment its doorbell */
#define PAWL_HUB_INDEX_MAX      1023u
#define PAWL_HUB_ANY_INDEX      1024u /* in hello: the hub chooses a free one */
#define PAWL_HUB_PAGE_MAX       1023u

/* The values are part of the protocol, as all below. */
#define PAWL_ROLE_LEARNER   1u
#define PAWL_ROLE_ACTOR     2u
#define PAWL_ROLE_BRIDGE    3u
#define PAWL_ROLE_INSPECTOR 4u /* reads, and offers nothing */
#define PAWL_ROLE_LAST      PAWL_ROLE_INSPECTOR

/* How a program ended. */
#define PAWL_GONE_BYE    1u /* said bye */
#define PAWL_GONE_HANGUP 2u /* killed or crashed: its socket closed */
#define PAWL_GONE_REJECT 3u /* the hub closed it: broken, or asked to by the supervisor */

#define PAWL_STOP_ASKED  1u /* somebody wants the run to end */
#define PAWL_STOP_DONE   2u /* the run's goal is reached */
#define PAWL_STOP_FAILED 3u /* it cannot go on */

#define PAWL_STATE_STARTING 1u
#define PAWL_STATE_RUNNING  2u
#define PAWL_STATE_HELD     3u /* alive and safe, makes no progress */
#define PAWL_STATE_STOPPING 4u
#define PAWL_STATE_DONE     5u /* learner: the run's goal is reached, everybody may end */
#define PAWL_STATE_LAST     PAWL_STATE_DONE

/* The form of hello never changes, so that programs of other versions can be told so. */
#define PAWL_HUB_HELLO_FIELDS(FIELD, T)                                                        \
    FIELD(T, U32, abi_major, 0, UINT32_MAX)                                                    \
    FIELD(T, U32, abi_minor, 0, UINT32_MAX)                                                    \
    FIELD(T, U32, role, 1, PAWL_ROLE_LAST)                                                     \
    FIELD(T, U32, index, 0, PAWL_HUB_ANY_INDEX)                                                \
    FIELD(T, U32, pid, 0, UINT32_MAX) /* a label */                                            \
    FIELD(T, BYTES, epoch, PAWL_HUB_EPOCH_BYTES, PAWL_HUB_EPOCH_BYTES)                         \
    FIELD(T, STRING, name, 0, PAWL_HUB_NAME_BYTES_MAX)

#define PAWL_HUB_WELCOME_FIELDS(FIELD, T)                                                      \
    FIELD(T, BYTES, run_epoch, PAWL_HUB_EPOCH_BYTES, PAWL_HUB_EPOCH_BYTES)                     \
    FIELD(T, U64, incarnation, 1, UINT32_MAX)                                                  \
    FIELD(T, U32, index, 0, PAWL_HUB_INDEX_MAX)

/* id 0: the connection ends. Else the segment was refused and the connection goes on. */
#define PAWL_HUB_REJECT_FIELDS(FIELD, T)                                                       \
    FIELD(T, U64, id, 0, UINT64_MAX)                                                           \
    FIELD(T, U32, code, 1, 4095) /* an errno value */                                          \
    FIELD(T, STRING, text, 1, PAWL_HUB_TEXT_BYTES_MAX)

/* With descriptors. In what a program sends, role, index and acks are 0. */
#define PAWL_HUB_OFFER_FIELDS(FIELD, T)                                                        \
    FIELD(T, U64, id, 1, UINT64_MAX)                                                           \
    FIELD(T, U32, kind, 1, PAWL_SEGMENT_LAST)                                                  \
    FIELD(T, U32, role, 0, PAWL_ROLE_LAST) /* of its owner */                                  \
    FIELD(T, U32, index, 0, PAWL_HUB_INDEX_MAX)                                                \
    FIELD(T, U32, is_gone, 0, 1) /* its owner has ended already */                             \
    FIELD(T, BYTES, epoch, PAWL_HUB_EPOCH_BYTES, PAWL_HUB_EPOCH_BYTES) /* of the segment */    \
    FIELD(T, U64, total_bytes, 1, UINT64_MAX)                                                  \
    FIELD(T, U64, acks_id, 0, UINT64_MAX) /* of a ring: where its last reader acknowledged */  \
    FIELD(T, U32, acks_page, 0, PAWL_HUB_PAGE_MAX)                                             \
    FIELD(T, STRING, label, 0, PAWL_SEGMENT_LABEL_BYTES - 1)

#define PAWL_HUB_BIND_FIELDS(FIELD, T)                                                         \
    FIELD(T, U64, ring_id, 1, UINT64_MAX)                                                      \
    FIELD(T, U64, acks_id, 1, UINT64_MAX)                                                      \
    FIELD(T, U32, acks_page, 0, PAWL_HUB_PAGE_MAX)

#define PAWL_HUB_GONE_FIELDS(FIELD, T)                                                         \
    FIELD(T, U64, id, 1, UINT64_MAX)                                                           \
    FIELD(T, U32, how, 1, PAWL_GONE_REJECT)

#define PAWL_HUB_DRAINED_FIELDS(FIELD, T)                                                      \
    FIELD(T, U64, id, 1, UINT64_MAX)                                                           \
    FIELD(T, U64, tail, 0, UINT64_MAX)

#define PAWL_HUB_REFUSE_FIELDS(FIELD, T)                                                       \
    FIELD(T, U64, id, 1, UINT64_MAX)                                                           \
    FIELD(T, U32, code, 1, 4095)                                                               \
    FIELD(T, STRING, text, 1, PAWL_HUB_TEXT_BYTES_MAX)

#define PAWL_HUB_WITHDRAW_FIELDS(FIELD, T) FIELD(T, U64, id, 1, UINT64_MAX)

/* deadline_ns is a time of pawl_clock_now_ns(), which all processes of a machine share. */
#define PAWL_HUB_STOP_FIELDS(FIELD, T)                                                         \
    FIELD(T, U32, reason, 1, PAWL_STOP_FAILED)                                                 \
    FIELD(T, U64, deadline_ns, 0, UINT64_MAX)

#define PAWL_HUB_STATE_FIELDS(FIELD, T)                                                        \
    FIELD(T, U32, state, 1, PAWL_STATE_LAST)                                                   \
    FIELD(T, U64, value, 0, UINT64_MAX) /* the role's own, as a step count */                  \
    /* of HELD: for whom it waits, as "the ring is full: waits for the learner" */             \
    FIELD(T, STRING, text, 0, PAWL_HUB_TEXT_BYTES_MAX)

#define PAWL_HUB_BYE_FIELDS(FIELD, T) FIELD(T, U64, position, 0, UINT64_MAX)

/* Once, when all that was there on joining has been told. */
#define PAWL_HUB_ALL_FIELDS(FIELD, T) FIELD(T, U32, offer_count, 0, UINT32_MAX)

#define PAWL_HUB_MESSAGES(KIND)                                                                \
    KIND(1, 1, pawl_hub_hello, PAWL_HUB_HELLO_FIELDS)                                          \
    KIND(2, 1, pawl_hub_welcome, PAWL_HUB_WELCOME_FIELDS)                                      \
    KIND(3, 1, pawl_hub_reject, PAWL_HUB_REJECT_FIELDS)                                        \
    KIND(4, 1, pawl_hub_offer, PAWL_HUB_OFFER_FIELDS)                                          \
    KIND(5, 1, pawl_hub_bind, PAWL_HUB_BIND_FIELDS)                                            \
    KIND(6, 1, pawl_hub_gone, PAWL_HUB_GONE_FIELDS)                                            \
    KIND(7, 1, pawl_hub_drained, PAWL_HUB_DRAINED_FIELDS)                                      \
    KIND(8, 1, pawl_hub_refuse, PAWL_HUB_REFUSE_FIELDS)                                        \
    KIND(9, 1, pawl_hub_withdraw, PAWL_HUB_WITHDRAW_FIELDS)                                    \
    KIND(10, 1, pawl_hub_stop, PAWL_HUB_STOP_FIELDS)                                           \
    KIND(11, 1, pawl_hub_state, PAWL_HUB_STATE_FIELDS)                                         \
    KIND(12, 1, pawl_hub_bye, PAWL_HUB_BYE_FIELDS)                                             \
    KIND(13, 1, pawl_hub_all, PAWL_HUB_ALL_FIELDS)

PAWL_MSG_DECLARE(pawl_hub, PAWL_HUB_MESSAGES)

/* Far above the longest message (a reject or state), so that one may grow. */
#define PAWL_HUB_MESSAGE_BYTES_MAX 2048

/* "learner", "actor", ...; "unknown" for any other value. */
const char *pawl_role_name(uint32_t role);

/* The connection that made the segment. */
static inline uint64_t pawl_hub_incarnation_of(uint64_t id)
{
    return id >> 32;
}

/* Fills a message's text: cut where it has no room, what may not be printed replaced. */
void pawl_hub_set_text(char *to, size_t bytes, const char *text);

/* Encodes one message and sends it, with up to PAWL_HUB_FD_COUNT_MAX duplicates of fds; as
 * pawl_sock_send(). */
int pawl_hub_send(int fd, uint16_t id, uint16_t version, const void *body, const int *fds,
                  size_t fd_count, uint64_t deadline_ns, struct pawl_err *err);

/* Receives and decodes one, whose descriptors are the caller's; as pawl_sock_receive(), and
 * -EPROTO or -EPROTONOSUPPORT for what is no message of the table. A failure brings no
 * descriptor. */
int pawl_hub_receive(int fd, union pawl_hub_any *any, const struct pawl_msg_kind **kind,
                     int fds[PAWL_HUB_FD_COUNT_MAX], size_t *fd_count, uint64_t deadline_ns,
                     struct pawl_err *err);

#endif
