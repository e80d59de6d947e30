#include "runtime/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5; newer than the headers of Debian 12 */
#endif

#define BACKLOG_COUNT       64
#define CONNECT_PAUSE_NS    (2 * PAWL_NS_PER_MS)
#define LOCK_TRIES_MAX      100
#define LOCK_NAME_BYTES_MAX (PAWL_SOCK_NAME_BYTES_MAX + sizeof(".lock"))

_Static_assert(sizeof("/proc/self/fd/-2147483648/") + PAWL_SOCK_NAME_BYTES_MAX <
                   sizeof(((struct sockaddr_un *)0)->sun_path),
               "a name of the longest kind fits into an address");

/* 1: ready or hung up; 0: the deadline has passed; or -errno. */
static int wait_until_ready(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = deadline_ns ? pawl_clock_now_ns() : 0;
        if (now_ns >= deadline_ns)
            return 0;
        uint64_t left_ns = deadline_ns - now_ns;
        struct timespec left = {.tv_sec = (time_t)(left_ns / PAWL_NS_PER_S),
                                .tv_nsec = (long)(left_ns % PAWL_NS_PER_S)};
        struct pollfd poll_fd = {.fd = fd, .events = events};
        int ready_count = ppoll(&poll_fd, 1, &left, NULL);
        if (ready_count > 0)
            return 1;
        if (ready_count < 0 && errno != EINTR)
            return -errno;
    }
}

int pawl_sock_pair(int ends[2], struct pawl_err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return pawl_err_set(err, errno, "make a socket pair: %s", strerror(errno));
    return 0;
}

/* --- the meeting place --- */

static int folder_open(int *folder_fd, const char *folder, struct pawl_err *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return pawl_err_set(err, errno, "open folder %s: %s%s", folder, strerror(errno),
                            errno == ENOTDIR ? " (a link is not followed)" : "");

    int result = 0;
    struct stat info;
    if (fstat(fd, &info) != 0)
        result = pawl_err_set(err, errno, "look at folder %s: %s", folder, strerror(errno));
    else if (info.st_uid != geteuid())
        result = pawl_err_set(err, EPERM,
                              "folder %s belongs to user %u, but user %u runs this program",
                              folder, info.st_uid, geteuid());
    else if (info.st_mode & (S_IWGRP | S_IWOTH))
        result = pawl_err_set(err, EPERM,
                              "folder %s has mode %04o, so that others may write there; "
                              "chmod 700 makes it private",
                              folder, info.st_mode & 07777u);
    if (result != 0) {
        close(fd);
        return result;
    }
    *folder_fd = fd;
    return 0;
}

int pawl_sock_folder_open(int *folder_fd, const char *folder, struct pawl_err *err)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return pawl_err_set(err, errno, "make folder %s: %s", folder, strerror(errno));
    return folder_open(folder_fd, folder, err);
}

static int check_name(const char *name, struct pawl_err *err)
{
    size_t length = strlen(name);
    if (length == 0 || length >= PAWL_SOCK_NAME_BYTES_MAX || strchr(name, '/') ||
        name[0] == '.')
        return pawl_err_set(err, EINVAL,
                            "socket name \"%s\": expected 1 to %d characters, no / and no . in "
                            "front",
                            name, PAWL_SOCK_NAME_BYTES_MAX - 1);
    return 0;
}

/* An address has 107 characters for a path, a run folder often more. The path through our own
 * descriptor is short, and leads to the folder that was checked even if it was moved since. */
static struct sockaddr_un address_of(int folder_fd, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder_fd,
             name);
    return address;
}

static void lock_name_of(char lock_name[LOCK_NAME_BYTES_MAX], const char *name)
{
    snprintf(lock_name, LOCK_NAME_BYTES_MAX, "%s.lock", name);
}

static int refuse_locked(int lock_fd, const char *folder, const char *name,
                         struct pawl_err *err)
{
    char owner[16] = {0};
    ssize_t count = pread(lock_fd, owner, sizeof(owner) - 1, 0);
    long pid = count > 0 ? strtol(owner, NULL, 10) : 0;
    return pawl_err_set(err, EADDRINUSE, "socket %s/%s: in use by running process %ld", folder,
                        name, pid);
}

/* The owner unlinks its lock file while it holds the lock. Whoever opened the file before that
 * then locks one that has no name any more, and tries again with the new one. */
static int lock_take(struct pawl_sock_listener *listener, const char *folder,
                     struct pawl_err *err)
{
    char lock_name[LOCK_NAME_BYTES_MAX];
    lock_name_of(lock_name, listener->name);

    for (int i = 0; i < LOCK_TRIES_MAX; i++) {
        int fd = openat(listener->folder_fd, lock_name,
                        O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return pawl_err_set(err, errno, "open lock %s/%s: %s", folder, lock_name,
                                strerror(errno));
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int result = errno == EWOULDBLOCK
                             ? refuse_locked(fd, folder, listener->name, err)
                             : pawl_err_set(err, errno, "lock %s/%s: %s", folder, lock_name,
                                            strerror(errno));
            close(fd);
            return result;
        }
        struct stat locked;
        struct stat named;
        if (fstat(fd, &locked) == 0 &&
            fstatat(listener->folder_fd, lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            locked.st_dev == named.st_dev && locked.st_ino == named.st_ino) {
            listener->lock_fd = fd;
            return 0;
        }
        close(fd);
    }
    return pawl_err_set(err, EBUSY, "lock %s/%s: replaced by others %d times in a row", folder,
                        lock_name, LOCK_TRIES_MAX);
}

/* For the sentence that others get; nothing depends on it. */
static int lock_sign(int lock_fd, struct pawl_err *err)
{
    if (ftruncate(lock_fd, 0) != 0 || dprintf(lock_fd, "%d\n", (int)getpid()) < 0)
        return pawl_err_set(err, errno, "write the lock's owner: %s", strerror(errno));
    return 0;
}

/* Called with the lock held: a socket found there belongs to nobody. */
static int stale_remove(int folder_fd, const char *folder, const char *name,
                        struct pawl_err *err)
{
    struct stat info;
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT)
            return 0;
        return pawl_err_set(err, errno, "look at %s/%s: %s", folder, name, strerror(errno));
    }
    if (!S_ISSOCK(info.st_mode))
        return pawl_err_set(err, EEXIST, "%s/%s is there and is not a socket; it is left alone",
                            folder, name);
    if (unlinkat(folder_fd, name, 0) != 0)
        return pawl_err_set(err, errno, "remove the dead socket %s/%s: %s", folder, name,
                            strerror(errno));
    return 0;
}

static int bind_and_listen(struct pawl_sock_listener *listener, const char *folder,
                           struct pawl_err *err)
{
    struct sockaddr_un address = address_of(listener->folder_fd, listener->name);

    listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return pawl_err_set(err, errno, "make a socket: %s", strerror(errno));
    /* Before bind(), which gives the file the socket's own mode: never open to others, even for
     * an instant, and without touching the umask of other threads. */
    if (fchmod(listener->fd, 0600) != 0 ||
        bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener->fd, BACKLOG_COUNT) != 0)
        return pawl_err_set(err, errno, "listen on %s/%s: %s", folder, listener->name,
                            strerror(errno));
    return 0;
}

int pawl_sock_listen(struct pawl_sock_listener *listener, const char *folder, const char *name,
                     struct pawl_err *err)
{
    *listener = (struct pawl_sock_listener){.fd = -1, .folder_fd = -1, .lock_fd = -1};

    int result = check_name(name, err);
    if (result != 0)
        return result;
    snprintf(listener->name, sizeof(listener->name), "%s", name);
    if ((result = pawl_sock_folder_open(&listener->folder_fd, folder, err)) != 0)
        return result;
    if ((result = lock_take(listener, folder, err)) == 0) {
        listener->is_open = true;
        if ((result = lock_sign(listener->lock_fd, err)) == 0 &&
            (result = stale_remove(listener->folder_fd, folder, name, err)) == 0 &&
            (result = bind_and_listen(listener, folder, err)) == 0)
            return 0;
        pawl_sock_listener_close(listener);
        return result;
    }
    close(listener->folder_fd);
    return result;
}

void pawl_sock_listener_close(struct pawl_sock_listener *listener)
{
    if (!listener->is_open)
        return;

    /* The lock goes last: until then nobody else makes the files that are removed here. */
    if (listener->fd >= 0) {
        unlinkat(listener->folder_fd, listener->name, 0);
        close(listener->fd);
    }
    char lock_name[LOCK_NAME_BYTES_MAX];
    lock_name_of(lock_name, listener->name);
    unlinkat(listener->folder_fd, lock_name, 0);
    close(listener->lock_fd);
    close(listener->folder_fd);
    *listener = (struct pawl_sock_listener){0};
}

/* --- connections --- */

static int pidfd_of_peer(int fd, pid_t pid)
{
    int pidfd;
    socklen_t bytes = sizeof(pidfd);
    int code = PAWL_FAULT_ERRNO("sock.peerpidfd");
    if (code == 0) {
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes) == 0)
            return pidfd;
        code = errno;
    }
    if (code == ENOPROTOOPT) {
        if ((pidfd = pidfd_open(pid, 0)) >= 0)
            return pidfd;
        code = errno;
    }
    /* What the kernels say of a process that has ended and was waited for. */
    return code == EINVAL || code == ENODATA || code == ESRCH ? -EPIPE : -code;
}

int pawl_sock_peer_open(struct pawl_sock_peer *peer, int fd, struct pawl_err *err)
{
    struct ucred ucred;
    socklen_t bytes = sizeof(ucred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &bytes) != 0)
        return pawl_err_set(err, errno, "ask who is at the other end: %s", strerror(errno));
    int code = PAWL_FAULT_ERRNO("sock.peeruid");
    if (ucred.uid != geteuid() || code != 0)
        return pawl_err_set(err, EPERM, "process %d of user %u: only user %u may connect",
                            ucred.pid, ucred.uid, geteuid());

    int pidfd = pidfd_of_peer(fd, ucred.pid);
    if (pidfd == -EPIPE)
        return pawl_err_set(err, EPIPE, "process %d has ended already", ucred.pid);
    if (pidfd < 0)
        return pawl_err_set(err, -pidfd, "open a pidfd of process %d: %s", ucred.pid,
                            strerror(-pidfd));
    *peer = (struct pawl_sock_peer){.pid = ucred.pid, .uid = ucred.uid, .pidfd = pidfd};
    return 0;
}

static int accept_one(const struct pawl_sock_listener *listener, int *fd, uint64_t deadline_ns,
                      struct pawl_err *err)
{
    for (;;) {
        *fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (*fd >= 0)
            return 0;
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN)
            return pawl_err_set(err, errno, "accept on socket %s: %s", listener->name,
                                strerror(errno));
        int result = wait_until_ready(listener->fd, POLLIN, deadline_ns);
        if (result == 0)
            return -EAGAIN;
        if (result < 0)
            return pawl_err_set(err, -result, "wait on socket %s: %s", listener->name,
                                strerror(-result));
    }
}

int pawl_sock_accept(const struct pawl_sock_listener *listener, int *fd,
                     struct pawl_sock_peer *peer, uint64_t deadline_ns, struct pawl_err *err)
{
    int accepted;
    int result = accept_one(listener, &accepted, deadline_ns, err);
    if (result != 0)
        return result;

    struct pawl_sock_peer found;
    result = pawl_sock_peer_open(&found, accepted, err);
    if (result != 0) {
        close(accepted);
        pawl_err_wrap(err, "accept on socket %s", listener->name);
        return result;
    }
    if (peer)
        *peer = found;
    else
        close(found.pidfd);
    *fd = accepted;
    return 0;
}

/* A full backlog is -EAGAIN, and there is nothing to poll for: poll() of a socket that is not
 * yet connected does not tell when there is room. So ask again, a little later. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline_ns)
{
    for (;;) {
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN || deadline_ns == 0 || pawl_clock_now_ns() >= deadline_ns)
            return -errno;
        nanosleep(&(struct timespec){.tv_nsec = CONNECT_PAUSE_NS}, NULL);
    }
}

int pawl_sock_connect(int *fd, const char *folder, const char *name, uint64_t deadline_ns,
                      struct pawl_err *err)
{
    int folder_fd;
    int result = check_name(name, err);
    if (result != 0 || (result = folder_open(&folder_fd, folder, err)) != 0)
        return result;

    struct sockaddr_un address = address_of(folder_fd, name);
    struct pawl_sock_peer peer;
    int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        result = pawl_err_set(err, errno, "make a socket: %s", strerror(errno));
    else if ((result = connect_until(made, &address, deadline_ns)) != 0) {
        if (result != -EAGAIN)
            pawl_err_set(err, -result, "connect to %s/%s: %s%s", folder, name,
                         strerror(-result),
                         result == -ECONNREFUSED ? " (its owner is dead)" : "");
    } else if ((result = pawl_sock_peer_open(&peer, made, err)) == 0) {
        close(peer.pidfd);
        *fd = made;
        made = -1;
    } else
        pawl_err_wrap(err, "connect to %s/%s", folder, name);

    if (made >= 0)
        close(made);
    close(folder_fd);
    return result;
}

/* --- messages --- */

union control {
    struct cmsghdr header; /* for its alignment */
    unsigned char bytes[CMSG_SPACE(PAWL_SOCK_FD_COUNT_MAX * sizeof(int))];
};

static int check_sent(const struct pawl_sock_message *message, struct pawl_err *err)
{
    if (message->bytes == 0 || message->bytes > PAWL_SOCK_MESSAGE_BYTES_MAX)
        return pawl_err_set(err, EMSGSIZE, "send a message of %zu bytes: expected 1 to %d",
                            message->bytes, PAWL_SOCK_MESSAGE_BYTES_MAX);
    if (message->fd_count > PAWL_SOCK_FD_COUNT_MAX)
        return pawl_err_set(err, EMSGSIZE, "send %zu descriptors in one message: at most %d",
                            message->fd_count, PAWL_SOCK_FD_COUNT_MAX);
    return 0;
}

int pawl_sock_send(int fd, const struct pawl_sock_message *message, uint64_t deadline_ns,
                   struct pawl_err *err)
{
    int result = check_sent(message, err);
    if (result != 0)
        return result;

    union control control = {0};
    struct iovec part = {.iov_base = message->data, .iov_len = message->bytes};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (message->fd_count > 0) {
        size_t fds_bytes = message->fd_count * sizeof(int);
        control.header = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(fds_bytes)};
        memcpy(CMSG_DATA(&control.header), message->fds, fds_bytes);
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(fds_bytes);
    }

    for (;;) {
        if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno == EINTR)
            continue;
        if (errno == EPIPE || errno == ECONNRESET)
            return pawl_err_set(err, EPIPE, "send: the other end is closed");
        if (errno != EAGAIN)
            return pawl_err_set(err, errno, "send %zu bytes and %zu descriptors: %s",
                                message->bytes, message->fd_count, strerror(errno));
        result = wait_until_ready(fd, POLLOUT, deadline_ns);
        if (result == 0)
            return -EAGAIN;
        if (result < 0)
            return pawl_err_set(err, -result, "wait to send: %s", strerror(-result));
    }
}

/* How many bytes came; 0 for the end; or -errno. */
static ssize_t receive_until(int fd, struct msghdr *header, uint64_t deadline_ns)
{
    size_t control_bytes = header->msg_controllen;
    bool was_reset = false;

    for (;;) {
        header->msg_controllen = control_bytes;
        ssize_t bytes = recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (bytes >= 0)
            return bytes;
        if (errno == EINTR)
            continue;
        /* The peer closed before it had read all we sent. The kernel says so once, ahead of the
         * messages that the peer sent before: those are still there. */
        if (errno == ECONNRESET && !was_reset) {
            was_reset = true;
            continue;
        }
        if (errno != EAGAIN)
            return -errno;
        int result = wait_until_ready(fd, POLLIN, deadline_ns);
        if (result <= 0)
            return result == 0 ? -EAGAIN : result;
    }
}

static void take_fds(struct pawl_sock_message *message, struct msghdr *header)
{
    message->fd_count = 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t fds_bytes = part->cmsg_len - CMSG_LEN(0);
        memcpy(message->fds + message->fd_count, CMSG_DATA(part), fds_bytes);
        message->fd_count += fds_bytes / sizeof(int);
    }
}

int pawl_sock_receive(int fd, struct pawl_sock_message *message, uint64_t deadline_ns,
                      struct pawl_err *err)
{
    message->bytes = 0;
    message->fd_count = 0;
    if (message->fd_count_max > PAWL_SOCK_FD_COUNT_MAX)
        return pawl_err_set(err, EINVAL,
                            "receive up to %zu descriptors in one message: at most %d",
                            message->fd_count_max, PAWL_SOCK_FD_COUNT_MAX);

    /* CMSG_LEN and not CMSG_SPACE: the padding would let one descriptor more in than `fds` has
     * room for. */
    union control control;
    struct iovec part = {.iov_base = message->data, .iov_len = message->bytes_max};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (message->fd_count_max > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_LEN(message->fd_count_max * sizeof(int));
    }

    ssize_t bytes = receive_until(fd, &header, deadline_ns);
    if (bytes == -EAGAIN)
        return -EAGAIN;
    if (bytes < 0 && bytes != -ECONNRESET)
        return pawl_err_set(err, (int)-bytes, "receive: %s", strerror((int)-bytes));
    if (bytes >= 0)
        take_fds(message, &header);
    if (bytes <= 0) { /* our own never send an empty message */
        pawl_sock_message_drop(message);
        return pawl_err_set(err, EPIPE, "receive: the other end is closed");
    }
    if (header.msg_flags & MSG_TRUNC) {
        pawl_sock_message_drop(message);
        return pawl_err_set(err, EMSGSIZE, "receive: a message of more than %zu bytes",
                            message->bytes_max);
    }
    if (header.msg_flags & MSG_CTRUNC) {
        pawl_sock_message_drop(message);
        return pawl_err_set(err, EMSGSIZE,
                            "receive: a message with more than %zu descriptors (or this "
                            "process has no room for them: ulimit -n)",
                            message->fd_count_max);
    }
    message->bytes = (size_t)bytes;
    return 0;
}

void pawl_sock_message_drop(struct pawl_sock_message *message)
{
    for (size_t i = 0; i < message->fd_count; i++)
        close(message->fds[i]);
    message->fd_count = 0;
    message->bytes = 0;
}
