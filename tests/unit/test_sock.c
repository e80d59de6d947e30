#include "runtime/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/fault.h"
#include "support/temp.h"
#include "support/test.h"

#define HANG_GUARD_NS (20 * PAWL_NS_PER_S)

static uint64_t soon(void)
{
    return pawl_clock_now_ns() + HANG_GUARD_NS;
}

static struct pawl_sock_message text_message(const char *text)
{
    return (struct pawl_sock_message){.data = (void *)text, .bytes = strlen(text) + 1};
}

static void send_text(int fd, const char *text)
{
    struct pawl_sock_message message = text_message(text);
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_send(fd, &message, soon(), &err) == 0, "%s", err.text);
}

static void expect_text(int fd, const char *text)
{
    char data[64];
    struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_receive(fd, &message, soon(), &err) == 0, "%s", err.text);
    ck_assert_str_eq(data, text);
    ck_assert_uint_eq(message.bytes, strlen(text) + 1);
}

static void make_pair(int ends[2])
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_pair(ends, &err) == 0, "%s", err.text);
}

static int is_cloexec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

START_TEST(a_message_arrives_whole_and_in_order)
{
    int ends[2];
    make_pair(ends);
    send_text(ends[0], "first");
    send_text(ends[0], "second");
    expect_text(ends[1], "first");
    expect_text(ends[1], "second");
    ck_assert(is_cloexec(ends[0]) && is_cloexec(ends[1]));
}
END_TEST

START_TEST(a_deadline_that_passes_is_not_an_error)
{
    int ends[2];
    make_pair(ends);
    char data[8];
    struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_receive(ends[0], &message, 0, &err), -EAGAIN);
    uint64_t deadline_ns = pawl_clock_now_ns() + 5 * PAWL_NS_PER_MS;
    ck_assert_int_eq(pawl_sock_receive(ends[0], &message, deadline_ns, &err), -EAGAIN);
    ck_assert_uint_ge(pawl_clock_now_ns(), deadline_ns);
    ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(a_sender_waits_for_room_until_its_deadline)
{
    int ends[2];
    make_pair(ends);
    static char data[PAWL_SOCK_MESSAGE_BYTES_MAX];
    struct pawl_sock_message message = {.data = data, .bytes = sizeof(data)};
    struct pawl_err err = {0};
    int result;
    while ((result = pawl_sock_send(ends[0], &message, 0, &err)) == 0)
        ;
    ck_assert_int_eq(result, -EAGAIN);
    uint64_t deadline_ns = pawl_clock_now_ns() + 5 * PAWL_NS_PER_MS;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, deadline_ns, &err), -EAGAIN);
    ck_assert_uint_ge(pawl_clock_now_ns(), deadline_ns);

    struct pawl_sock_message into = {.data = data, .bytes_max = sizeof(data)};
    while (pawl_sock_receive(ends[1], &into, 0, &err) == 0)
        ;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, soon(), &err), 0);
    ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(descriptors_travel_and_arrive_close_on_exec)
{
    int ends[2];
    int pipes[2];
    make_pair(ends);
    ck_assert_int_eq(pipe(pipes), 0);

    struct pawl_sock_message message = text_message("pipe");
    message.fds = pipes;
    message.fd_count = 2;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_send(ends[0], &message, soon(), &err) == 0, "%s", err.text);

    char data[8];
    int fds[3] = {-1, -1, -1};
    struct pawl_sock_message into = {
        .data = data, .bytes_max = sizeof(data), .fds = fds, .fd_count_max = 3};
    ck_assert_msg(pawl_sock_receive(ends[1], &into, soon(), &err) == 0, "%s", err.text);
    ck_assert_uint_eq(into.fd_count, 2);
    ck_assert(is_cloexec(fds[0]) && is_cloexec(fds[1]));
    ck_assert_int_eq(fds[2], -1);
    ck_assert_int_eq(write(pipes[1], "x", 1), 1);
    ck_assert_int_eq(read(fds[0], data, 1), 1);

    int before = temp_fd_count();
    pawl_sock_message_drop(&into);
    ck_assert_int_eq(temp_fd_count(), before - 2);
    ck_assert_uint_eq(into.fd_count, 0);
}
END_TEST

START_TEST(as_many_descriptors_as_allowed_arrive)
{
    int ends[2];
    make_pair(ends);
    int fds[PAWL_SOCK_FD_COUNT_MAX];
    for (int i = 0; i < PAWL_SOCK_FD_COUNT_MAX; i++)
        fds[i] = ends[0];
    struct pawl_sock_message message = text_message("many");
    message.fds = fds;
    message.fd_count = PAWL_SOCK_FD_COUNT_MAX;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_send(ends[0], &message, soon(), &err) == 0, "%s", err.text);

    char data[8];
    struct pawl_sock_message into = {.data = data,
                                     .bytes_max = sizeof(data),
                                     .fds = fds,
                                     .fd_count_max = PAWL_SOCK_FD_COUNT_MAX};
    ck_assert_msg(pawl_sock_receive(ends[1], &into, soon(), &err) == 0, "%s", err.text);
    ck_assert_uint_eq(into.fd_count, PAWL_SOCK_FD_COUNT_MAX);
    pawl_sock_message_drop(&into);
}
END_TEST

/* Sends `text` with fd_count descriptors, receives it with the given room; the descriptors that
 * are open afterwards must be those of before. */
static int receive_with_room(size_t fd_count, size_t bytes_max, size_t fd_count_max,
                             struct pawl_err *err)
{
    int ends[2];
    make_pair(ends);
    int sent[8];
    for (size_t i = 0; i < fd_count; i++)
        sent[i] = ends[0];
    struct pawl_sock_message message = text_message("a text of 22 bytes...");
    message.fds = sent;
    message.fd_count = fd_count;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, soon(), NULL), 0);

    char data[64];
    int fds[8];
    struct pawl_sock_message into = {
        .data = data, .bytes_max = bytes_max, .fds = fds, .fd_count_max = fd_count_max};
    int before = temp_fd_count();
    int result = pawl_sock_receive(ends[1], &into, soon(), err);
    ck_assert_int_eq(temp_fd_count(), before);
    ck_assert_uint_eq(into.fd_count, 0);
    close(ends[0]);
    close(ends[1]);
    return result;
}

START_TEST(a_message_too_long_is_refused_and_leaks_no_descriptor)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(receive_with_room(2, 21, 8, &err), -EMSGSIZE);
    ck_assert_str_eq(err.text, "receive: a message of more than 21 bytes");
}
END_TEST

START_TEST(too_many_descriptors_are_refused_and_none_leaks)
{
    for (size_t room = 0; room < 4; room++) { /* an odd room has padding behind it */
        struct pawl_err err = {0};
        ck_assert_int_eq(receive_with_room(room + 1, 64, room, &err), -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(err.text, "descriptors"));
    }
}
END_TEST

START_TEST(no_room_in_the_process_for_a_descriptor_is_an_error)
{
    int ends[2];
    make_pair(ends);
    int sent[4] = {ends[0], ends[0], ends[0], ends[0]};
    struct pawl_sock_message message = text_message("full");
    message.fds = sent;
    message.fd_count = 4;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, soon(), NULL), 0);

    int next = dup(0);
    close(next);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit tight = {.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    char data[8];
    int fds[4];
    struct pawl_sock_message into = {
        .data = data, .bytes_max = sizeof(data), .fds = fds, .fd_count_max = 4};
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_receive(ends[1], &into, soon(), &err), -EMSGSIZE);
    ck_assert_ptr_nonnull(strstr(err.text, "ulimit -n"));
    setrlimit(RLIMIT_NOFILE, &limit);
    int again = dup(0);
    ck_assert_int_eq(again, next);
}
END_TEST

START_TEST(what_may_be_sent_is_bounded)
{
    int ends[2];
    make_pair(ends);
    static char data[PAWL_SOCK_MESSAGE_BYTES_MAX + 1];
    struct pawl_sock_message message = {.data = data, .bytes = sizeof(data)};
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, 0, &err), -EMSGSIZE);
    ck_assert_str_eq(err.text, "send a message of 65537 bytes: expected 1 to 65536");
    message.bytes = 0;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, 0, NULL), -EMSGSIZE);
    message.bytes = 1;
    message.fd_count = PAWL_SOCK_FD_COUNT_MAX + 1;
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, 0, NULL), -EMSGSIZE);

    struct pawl_sock_message into = {.fd_count_max = PAWL_SOCK_FD_COUNT_MAX + 1};
    ck_assert_int_eq(pawl_sock_receive(ends[0], &into, 0, NULL), -EINVAL);
}
END_TEST

START_TEST(a_bad_descriptor_is_an_error_of_the_sender)
{
    int ends[2];
    make_pair(ends);
    int bad = 9999;
    struct pawl_sock_message message = text_message("x");
    message.fds = &bad;
    message.fd_count = 1;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, 0, &err), -EBADF);
    ck_assert_int_eq(pawl_sock_receive(bad, &message, 0, NULL), -EBADF);
}
END_TEST

START_TEST(a_closed_peer_is_seen_by_both_directions)
{
    int ends[2];
    make_pair(ends);
    close(ends[1]);
    char data[8];
    struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_receive(ends[0], &message, soon(), &err), -EPIPE);
    ck_assert_str_eq(err.text, "receive: the other end is closed");
    message = text_message("x");
    ck_assert_int_eq(pawl_sock_send(ends[0], &message, soon(), NULL), -EPIPE);
}
END_TEST

START_TEST(the_last_words_of_a_dead_peer_are_heard)
{
    int ends[2];
    make_pair(ends);
    send_text(ends[0], "never read"); /* makes the kernel report a reset first */
    send_text(ends[1], "last");
    send_text(ends[1], "words");
    close(ends[1]);
    expect_text(ends[0], "last");
    expect_text(ends[0], "words");
    char data[8];
    struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
    ck_assert_int_eq(pawl_sock_receive(ends[0], &message, soon(), NULL), -EPIPE);
}
END_TEST

START_TEST(an_empty_message_is_taken_as_the_end)
{
    int ends[2];
    make_pair(ends);
    ck_assert_int_eq(send(ends[1], "", 0, 0), 0);
    char data[8];
    struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
    ck_assert_int_eq(pawl_sock_receive(ends[0], &message, soon(), NULL), -EPIPE);
}
END_TEST

/* --- the meeting place --- */

static char folder[TEMP_BYTES];

static void listen_at(struct pawl_sock_listener *listener, const char *name)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_listen(listener, folder, name, &err) == 0, "%s", err.text);
}

START_TEST(a_stranger_is_let_in_with_name_and_pidfd)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");

    pid_t child = fork();
    if (child == 0) {
        int fd;
        char data[8];
        struct pawl_sock_message message = {.data = data, .bytes_max = sizeof(data)};
        if (pawl_sock_connect(&fd, folder, "hub", soon(), NULL) == 0)
            pawl_sock_receive(fd, &message, soon(), NULL);
        _exit(0);
    }

    int fd;
    struct pawl_sock_peer peer;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_accept(&listener, &fd, &peer, soon(), &err) == 0, "%s", err.text);
    ck_assert_int_eq(peer.pid, child);
    ck_assert_uint_eq(peer.uid, geteuid());
    ck_assert(is_cloexec(fd) && is_cloexec(peer.pidfd) && is_cloexec(listener.fd));
    struct pollfd ended = {.fd = peer.pidfd, .events = POLLIN};
    ck_assert_int_eq(poll(&ended, 1, 0), 0);
    send_text(fd, "go");
    ck_assert_int_eq(poll(&ended, 1, 20000), 1);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);

    close(peer.pidfd);
    close(fd);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(nobody_at_the_door_is_not_an_error)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    int fd;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_accept(&listener, &fd, NULL, 0, &err), -EAGAIN);
    ck_assert_int_eq(
        pawl_sock_accept(&listener, &fd, NULL, pawl_clock_now_ns() + PAWL_NS_PER_MS, &err),
        -EAGAIN);
    ck_assert_int_eq(err.code, 0);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_full_backlog_holds_a_caller_no_longer_than_its_deadline)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    int fd;
    int result;
    while ((result = pawl_sock_connect(&fd, folder, "hub", 0, NULL)) == 0)
        ;
    ck_assert_int_eq(result, -EAGAIN);
    uint64_t deadline_ns = pawl_clock_now_ns() + 10 * PAWL_NS_PER_MS;
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", deadline_ns, NULL), -EAGAIN);
    ck_assert_uint_ge(pawl_clock_now_ns(), deadline_ns);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(the_socket_is_private_and_closing_leaves_nothing)
{
    temp_folder_make(folder);
    char path[TEMP_BYTES + 8];
    snprintf(path, sizeof(path), "%s/hub", folder);
    umask(0);
    int before = temp_fd_count();
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    struct stat info;
    ck_assert_int_eq(lstat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    pawl_sock_listener_close(&listener);
    pawl_sock_listener_close(&listener);
    ck_assert_int_eq(temp_fd_count(), before);
    ck_assert_int_eq(temp_entry_count(folder), 2);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_living_owner_keeps_the_place)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    struct pawl_sock_listener second;
    struct pawl_err err = {0};
    int before = temp_fd_count();
    ck_assert_int_eq(pawl_sock_listen(&second, folder, "hub", &err), -EADDRINUSE);
    char expected[256];
    snprintf(expected, sizeof(expected), "socket %s/hub: in use by running process %d", folder,
             (int)getpid());
    ck_assert_str_eq(err.text, expected);
    ck_assert_int_eq(temp_fd_count(), before);
    pawl_sock_listener_close(&second);
    int fd;
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), NULL), 0);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(the_place_of_a_dead_owner_is_taken_over)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    pid_t child = fork();
    if (child == 0) {
        pawl_sock_listen(&listener, folder, "hub", NULL);
        _exit(0); /* as SIGKILL would leave it */
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(temp_entry_count(folder), 4);

    int fd;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), &err), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "its owner is dead"));
    listen_at(&listener, "hub");
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), NULL), 0);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

/* Takes the place again and again; while it is ours, a second owner would find the mark. */
static int race_for_the_place(void)
{
    char mark[TEMP_BYTES + 8];
    snprintf(mark, sizeof(mark), "%s/mark", folder);
    for (int taken = 0; taken < 100;) {
        struct pawl_sock_listener listener;
        int result = pawl_sock_listen(&listener, folder, "hub", NULL);
        if (result == -EADDRINUSE || result == -EBUSY)
            continue;
        int fd = result == 0 ? open(mark, O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
        if (fd < 0)
            return 1;
        close(fd);
        unlink(mark);
        pawl_sock_listener_close(&listener);
        taken++;
    }
    return 0;
}

START_TEST(a_place_has_one_owner_at_a_time_when_many_race_for_it)
{
    temp_folder_make(folder);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0)
            _exit(race_for_the_place());
    }
    for (int i = 0; i < 4; i++) {
        int status;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(temp_entry_count(folder), 2);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    temp_folder_make(folder);
    char path[TEMP_BYTES + 8];
    snprintf(path, sizeof(path), "%s/hub", folder);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    struct pawl_sock_listener listener;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_listen(&listener, folder, "hub", &err), -EEXIST);
    ck_assert_ptr_nonnull(strstr(err.text, "is not a socket; it is left alone"));
    ck_assert_int_eq(access(path, F_OK), 0);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_path_longer_than_an_address_works)
{
    temp_folder_make(folder);
    char path[512];
    snprintf(path, sizeof(path), "%s/%0150d", folder, 0);
    struct pawl_sock_listener listener;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_listen(&listener, path, "hub", &err) == 0, "%s", err.text);
    int fd;
    ck_assert_msg(pawl_sock_connect(&fd, path, "hub", soon(), &err) == 0, "%s", err.text);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_missing_folder_is_made_private)
{
    temp_folder_make(folder);
    char path[TEMP_BYTES + 8];
    snprintf(path, sizeof(path), "%s/run", folder);
    int fd;
    struct pawl_err err = {0};
    ck_assert_msg(pawl_sock_folder_open(&fd, path, &err) == 0, "%s", err.text);
    struct stat info;
    ck_assert_int_eq(fstat(fd, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0700);
    snprintf(path, sizeof(path), "%s/a/b", folder);
    ck_assert_int_eq(pawl_sock_folder_open(&fd, path, &err), -ENOENT);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_that_others_may_write_is_refused)
{
    temp_folder_make(folder);
    ck_assert_int_eq(chmod(folder, 0770), 0);
    int fd;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_folder_open(&fd, folder, &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, "has mode 0770, so that others may write there; "
                                           "chmod 700 makes it private"));
    ck_assert_int_eq(chmod(folder, 0702), 0);
    struct pawl_sock_listener listener;
    ck_assert_int_eq(pawl_sock_listen(&listener, folder, "hub", NULL), -EPERM);
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", 0, NULL), -EPERM);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_folder_of_somebody_else_is_refused)
{
    temp_folder_make(folder);
    const char *path = folder;
    if (geteuid() == 0)
        ck_assert_int_eq(chown(folder, 65534, 65534), 0);
    else
        path = "/usr";
    int fd;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_folder_open(&fd, path, &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, "belongs to user"));
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_link_or_a_file_is_no_folder)
{
    temp_folder_make(folder);
    char path[TEMP_BYTES + 8];
    snprintf(path, sizeof(path), "%s/link", folder);
    ck_assert_int_eq(symlink(folder, path), 0);
    int fd;
    struct pawl_err err = {0};
    ck_assert_int_eq(pawl_sock_folder_open(&fd, path, &err), -ENOTDIR);
    ck_assert_ptr_nonnull(strstr(err.text, "a link is not followed"));
    ck_assert_int_eq(pawl_sock_folder_open(&fd, "/dev/null", NULL), -ENOTDIR);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_name_is_one_short_word)
{
    static const char *const names[] = {
        "", "a/b", "../hub", ".hub",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    struct pawl_sock_listener listener;
    int fd;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl_sock_listen(&listener, "/tmp", names[i], &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "expected 1 to 63 characters"));
        ck_assert_int_eq(pawl_sock_connect(&fd, "/tmp", names[i], 0, NULL), -EINVAL);
    }
}
END_TEST

START_TEST(nobody_there_is_said_at_once)
{
    temp_folder_make(folder);
    int fd;
    struct pawl_err err = {0};
    int before = temp_fd_count();
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "/hub: No such file or directory"));
    ck_assert_int_eq(pawl_sock_connect(&fd, "/nowhere", "hub", soon(), NULL), -ENOENT);
    ck_assert_int_eq(temp_fd_count(), before);
    temp_folder_remove(folder);
}
END_TEST

START_TEST(a_socket_that_is_not_connected_has_no_peer)
{
    temp_folder_make(folder);
    struct pawl_sock_peer peer;
    struct pawl_err err = {0};
    ck_assert_int_lt(pawl_sock_peer_open(&peer, -1, &err), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "who is at the other end"));
    temp_folder_remove(folder);
}
END_TEST

#ifdef PAWL_FAULTS

/* Connects to ourselves with the fault armed and returns what accept says. */
static int accept_under(const char *fault, struct pawl_err *err)
{
    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    int fd;
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), NULL), 0);

    ck_assert_int_eq(pawl_fault_arm(fault, NULL), 0);
    int before = temp_fd_count();
    int accepted;
    struct pawl_sock_peer peer;
    int result = pawl_sock_accept(&listener, &accepted, &peer, soon(), err);
    if (result == 0) {
        ck_assert_int_eq(peer.pid, getpid());
        ck_assert(is_cloexec(peer.pidfd));
        close(peer.pidfd);
        close(accepted);
    }
    ck_assert_int_eq(temp_fd_count(), before);
    pawl_fault_disarm();
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
    return result;
}

START_TEST(an_older_kernel_still_gives_a_pidfd)
{
    ck_assert_int_eq(accept_under("sock.peerpidfd:error=ENOPROTOOPT", NULL), 0);
}
END_TEST

START_TEST(a_peer_that_ended_before_it_was_let_in_is_gone)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(accept_under("sock.peerpidfd:error=ESRCH", &err), -EPIPE);
    ck_assert_ptr_nonnull(strstr(err.text, "has ended already"));
}
END_TEST

START_TEST(a_peer_without_pidfd_is_refused)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(accept_under("sock.peerpidfd:error=EMFILE", &err), -EMFILE);
    ck_assert_ptr_nonnull(strstr(err.text, "accept on socket hub: open a pidfd of process"));
}
END_TEST

START_TEST(another_user_is_refused_on_both_sides)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(accept_under("sock.peeruid:error=EPERM", &err), -EPERM);
    ck_assert_ptr_nonnull(strstr(err.text, "may connect"));

    temp_folder_make(folder);
    struct pawl_sock_listener listener;
    listen_at(&listener, "hub");
    ck_assert_int_eq(pawl_fault_arm("sock.peeruid:error=EPERM", NULL), 0);
    int fd;
    int before = temp_fd_count();
    ck_assert_int_eq(pawl_sock_connect(&fd, folder, "hub", soon(), NULL), -EPERM);
    ck_assert_int_eq(temp_fd_count(), before);
    pawl_sock_listener_close(&listener);
    temp_folder_remove(folder);
}
END_TEST

#define FAULT_TESTS                                                                            \
    , an_older_kernel_still_gives_a_pidfd, a_peer_that_ended_before_it_was_let_in_is_gone,     \
        a_peer_without_pidfd_is_refused, another_user_is_refused_on_both_sides
#else
#define FAULT_TESTS
#endif

PAWL_TEST_MAIN(
    "sock", a_message_arrives_whole_and_in_order, a_deadline_that_passes_is_not_an_error,
    a_sender_waits_for_room_until_its_deadline, descriptors_travel_and_arrive_close_on_exec,
    as_many_descriptors_as_allowed_arrive,
    a_message_too_long_is_refused_and_leaks_no_descriptor,
    too_many_descriptors_are_refused_and_none_leaks,
    no_room_in_the_process_for_a_descriptor_is_an_error, what_may_be_sent_is_bounded,
    a_bad_descriptor_is_an_error_of_the_sender, a_closed_peer_is_seen_by_both_directions,
    the_last_words_of_a_dead_peer_are_heard, an_empty_message_is_taken_as_the_end,
    a_stranger_is_let_in_with_name_and_pidfd, nobody_at_the_door_is_not_an_error,
    a_full_backlog_holds_a_caller_no_longer_than_its_deadline,
    the_socket_is_private_and_closing_leaves_nothing, a_living_owner_keeps_the_place,
    the_place_of_a_dead_owner_is_taken_over,
    a_place_has_one_owner_at_a_time_when_many_race_for_it,
    a_file_that_is_no_socket_is_left_alone, a_folder_path_longer_than_an_address_works,
    a_missing_folder_is_made_private, a_folder_that_others_may_write_is_refused,
    a_folder_of_somebody_else_is_refused, a_link_or_a_file_is_no_folder,
    a_name_is_one_short_word, nobody_there_is_said_at_once,
    a_socket_that_is_not_connected_has_no_peer FAULT_TESTS)
