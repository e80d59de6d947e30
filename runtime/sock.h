/* sock.h: messages and descriptors between the processes of one user on one machine.
 *
 * All sockets are Unix SOCK_SEQPACKET: a message arrives whole or not at all, in order, and the
 * death of either side is seen by the other. A message may carry descriptors.
 *
 * One side:
 *
 *     pawl_sock_listen(&listener, folder, "hub", &err);
 *     pawl_sock_accept(&listener, &fd, &peer, deadline_ns, &err);
 *     pawl_sock_receive(fd, &message, deadline_ns, &err);
 *
 * The other:
 *
 *     pawl_sock_connect(&fd, folder, "hub", deadline_ns, &err);
 *     pawl_sock_send(fd, &message, deadline_ns, &err);
 *
 * Every wait ends at `deadline_ns`, a time of pawl_clock_now_ns(); 0 means that nothing is
 * waited for. A deadline that passes is -EAGAIN and leaves *err as it was (only the caller
 * knows whether that is an error, and who waited for whom); a peer that has gone is -EPIPE.
 * Every descriptor made here is close-on-exec, every socket non-blocking.
 *
 * Thread safety: a socket may be used by one sending and one receiving thread.
 */
#ifndef PAWL_RUNTIME_SOCK_H
#define PAWL_RUNTIME_SOCK_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Far below the kernel's limits (253 descriptors, the send buffer's 208 KiB), so that what one
 * side may send never depends on a machine's settings. */
#define PAWL_SOCK_FD_COUNT_MAX      64
#define PAWL_SOCK_MESSAGE_BYTES_MAX 65536

#define PAWL_SOCK_NAME_BYTES_MAX 64 /* of the socket's name inside its folder, with its end */

/* Makes two ends connected to each other. Closed by the caller with close(). */
int pawl_sock_pair(int ends[2], struct pawl_err *err);

/* --- a place to meet: FOLDER/NAME, its owner proven by a lock on FOLDER/NAME.lock --- */

struct pawl_sock_listener {
    bool is_open; /* false in a zeroed listener, which may be closed */
    int fd;       /* to poll for POLLIN: somebody wants to connect */
    int folder_fd;
    int lock_fd; /* held as long as we live; the kernel frees it when we die */
    char name[PAWL_SOCK_NAME_BYTES_MAX];
};

/* Opens FOLDER for private use and gives its descriptor in *folder_fd. A missing folder is made
 * (mode 0700; its parent must exist). -EPERM for one that is a link, belongs to somebody else,
 * or may be written by group or others: whoever may write there could put a socket of their
 * own. */
int pawl_sock_folder_open(int *folder_fd, const char *folder, struct pawl_err *err);

/* Listens on FOLDER/NAME, mode 0600. A socket left by a dead owner is replaced; one whose owner
 * lives is -EADDRINUSE, with the owner's process number. The folder's path may be of any
 * length. */
int pawl_sock_listen(struct pawl_sock_listener *listener, const char *folder, const char *name,
                     struct pawl_err *err);

/* Removes socket and lock. Only for the process that listened: not for a child after fork(). */
void pawl_sock_listener_close(struct pawl_sock_listener *listener);

/* Who is at the other end. */
struct pawl_sock_peer {
    pid_t pid;
    uid_t uid;
    int pidfd; /* the caller's to close; readable when the process has ended */
};

/* Takes the next connection. One from another user is closed and is -EPERM. `peer` may be NULL.
 */
int pawl_sock_accept(const struct pawl_sock_listener *listener, int *fd,
                     struct pawl_sock_peer *peer, uint64_t deadline_ns, struct pawl_err *err);

/* Connects to FOLDER/NAME. -ENOENT or -ECONNREFUSED at once when nobody listens, -EAGAIN when
 * the listener took nobody in until the deadline, -EPERM when it belongs to another user. */
int pawl_sock_connect(int *fd, const char *folder, const char *name, uint64_t deadline_ns,
                      struct pawl_err *err);

/* Fills *peer for a socket from accept or connect. -EPERM for another user's process; for one
 * that has ended, -EPIPE or (newer kernels) a pidfd that is readable at once. On a kernel
 * without SO_PEERPIDFD (before 6.5) the pidfd is opened by number: should the peer end and its
 * number be used again between its connect() and this call, the pidfd is of the wrong process.
 * The ends of a pair have their maker as peer, not who holds them now. */
int pawl_sock_peer_open(struct pawl_sock_peer *peer, int fd, struct pawl_err *err);

/* --- messages --- */

struct pawl_sock_message {
    void *data;          /* the caller's; received into, or sent from */
    size_t bytes_max;    /* received: what `data` has room for */
    size_t bytes;        /* 1 to PAWL_SOCK_MESSAGE_BYTES_MAX */
    int *fds;            /* the caller's array; may be NULL when none are sent or expected */
    size_t fd_count_max; /* received: what `fds` has room for, PAWL_SOCK_FD_COUNT_MAX at most */
    size_t fd_count;
};

/* Sends message->data and duplicates of message->fds, which stay the caller's. */
int pawl_sock_send(int fd, const struct pawl_sock_message *message, uint64_t deadline_ns,
                   struct pawl_err *err);

/* Receives one message; its descriptors are the caller's. A message longer than bytes_max or
 * with more than fd_count_max descriptors is lost and is -EMSGSIZE; what it brought is closed.
 * What the peer sent before it went is received before -EPIPE is. */
int pawl_sock_receive(int fd, struct pawl_sock_message *message, uint64_t deadline_ns,
                      struct pawl_err *err);

/* Closes the descriptors of a received message that is not wanted after all. */
void pawl_sock_message_drop(struct pawl_sock_message *message);

#endif
