/* train.h: a `pawl train` as people start it, with the real roles, for tests that look at it
 * from outside and kill what they find.
 *
 *     struct train train;
 *     train_start(&train, PAWL_BIN_DIR "/pawl", folder, config, words);
 *     train_find_children(&train);
 *     kill(train.children[i].pid, SIGKILL) ...
 *     code = train_wait(&train);
 *
 * Whatever happens to the test, nothing stays: the run ends with its supervisor, and that with
 * the test.
 */
#ifndef PAWL_TEST_TRAIN_H
#define PAWL_TEST_TRAIN_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/proc.h"
#include "shm/peer.h"

#define TRAIN_CHILDREN_MAX 32
#define TRAIN_HANG_NS      (40 * PAWL_NS_PER_S)

struct train_child {
    pid_t pid;
    bool is_learner;
    unsigned index;
};

struct train {
    struct pawl_proc proc;
    char out_path[PATH_MAX]; /* what it prints */
    char run_folder[PATH_MAX];
    struct train_child children[TRAIN_CHILDREN_MAX];
    size_t child_count;
};

/* The test cannot go on. */
#define TRAIN_DEMAND(condition, ...)                                                           \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                    \
            fprintf(stderr, __VA_ARGS__);                                                      \
            fputc('\n', stderr);                                                               \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static inline char *train_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t room = 1 << 16, length = 0;
    char *text = malloc(room);
    ssize_t got;
    while (fd >= 0 && (got = read(fd, text + length, room - length - 1)) > 0) {
        length += (size_t)got;
        if (room - length < 2)
            text = realloc(text, room *= 2);
    }
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
    return text;
}

/* Learns the run's folder from what is printed; false while it is not yet there. */
static inline bool train_find_folder(struct train *train)
{
    char *text = train_read(train->out_path);
    const char *line = strstr(text, "run folder  ");
    bool is_there = line && strchr(line, '\n') &&
                    sscanf(line, "run folder  %4000s", train->run_folder) == 1;
    free(text);
    return is_there;
}

static inline const char *train_path(const struct train *train, const char *name)
{
    static char paths[4][PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", train->run_folder, name);
    return path;
}

/* program: the path of pawl. folder: an existing one for everything; words: more of the command
 * line, NULL at the end. Returns once the run has its folder. */
static inline void train_start(struct train *train, const char *program, const char *folder,
                               const char *config, const char *const *words)
{
    static unsigned run_number;
    char config_path[PATH_MAX], dir_word[PATH_MAX];
    const char *argv[32] = {"pawl", "train", config_path, dir_word};
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    struct pawl_err err = {0};

    *train = (struct train){0};
    run_number++;
    snprintf(config_path, sizeof(config_path), "%s/%u.toml", folder, run_number);
    snprintf(train->out_path, sizeof(train->out_path), "%s/%u.out", folder, run_number);
    snprintf(dir_word, sizeof(dir_word), "run.dir=%s/runs", folder);
    FILE *file = fopen(config_path, "we");
    TRAIN_DEMAND(file && fputs(config, file) >= 0 && fclose(file) == 0, "cannot write %s",
                 config_path);
    for (size_t i = 0; words && words[i]; i++)
        argv[4 + i] = words[i];
    int out = open(train->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const struct pawl_proc_fd fds[] = {{.fd = out, .number = 1}, {.fd = out, .number = 2}};
    cfg.path = program;
    cfg.argv = argv;
    cfg.fds = fds;
    cfg.fd_count = 2;
    cfg.death_signal = SIGKILL;
    TRAIN_DEMAND(pawl_proc_start(&train->proc, &cfg, &err) == 0, "%s", err.text);
    close(out);
    uint64_t began_ns = pawl_clock_now_ns();
    while (!train_find_folder(train)) {
        TRAIN_DEMAND(pawl_proc_wait(&train->proc, 0, NULL) != 0 &&
                         pawl_clock_now_ns() - began_ns < TRAIN_HANG_NS,
                     "no run: %s", train_read(train->out_path));
        usleep(1000);
    }
}

/* Who runs now. A process that is being started is not among them. */
static inline void train_find_children(struct train *train)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", train->proc.pid, train->proc.pid);
    char *list = train_read(path), *rest = list, *word;
    train->child_count = 0;
    while ((word = strsep(&rest, " \n")) && train->child_count < TRAIN_CHILDREN_MAX) {
        char words[4096] = "";
        if (*word == '\0')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/cmdline", word);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, words, sizeof(words) - 1) : 0;
        if (fd >= 0)
            close(fd);
        struct train_child child = {.pid = (pid_t)atoi(word)};
        const char *program = strrchr(words, '/') ? strrchr(words, '/') + 1 : words;
        child.is_learner = strcmp(program, "pawl-learner") == 0;
        if (!child.is_learner && strcmp(program, "pawl-actor") != 0)
            continue;
        for (const char *at = words; at < words + length; at += strlen(at) + 1)
            if (strcmp(at, "--index") == 0)
                child.index = (unsigned)atoi(at + strlen(at) + 1);
        train->children[train->child_count++] = child;
    }
    free(list);
}

/* NULL when it does not run now. */
static inline const struct train_child *train_child_of(const struct train *train,
                                                       bool is_learner, unsigned index)
{
    for (size_t i = 0; i < train->child_count; i++)
        if (train->children[i].is_learner == is_learner && train->children[i].index == index)
            return &train->children[i];
    return NULL;
}

/* Waits for the end: the exit code, or minus the signal. */
static inline int train_wait(struct train *train)
{
    TRAIN_DEMAND(pawl_proc_wait(&train->proc, pawl_clock_now_ns() + TRAIN_HANG_NS, NULL) == 0,
                 "the run does not end: %s", train_read(train->out_path));
    int code = train->proc.exit.signal ? -train->proc.exit.signal : train->proc.exit.code;
    pawl_proc_close(&train->proc);
    return code;
}

/* Whether any process has the run's folder in its command line. */
static inline bool train_has_processes(const struct train *train)
{
    char command[PATH_MAX + 64];
    snprintf(command, sizeof(command), "%s/config.toml", train->run_folder);
    for (size_t i = 0; i < train->child_count; i++) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/%d/cmdline", train->children[i].pid);
        char words[4096] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, words, sizeof(words) - 1) : 0;
        if (fd >= 0)
            close(fd);
        if (length > 0 && memmem(words, (size_t)length, command, strlen(command)))
            return true;
    }
    return false;
}

/* Hears the hub for a while; what an event brings is dropped after the call. */
static inline void train_hear(struct pawl_peer *peer, uint64_t ns,
                              void (*on_event)(struct pawl_peer_event *event))
{
    uint64_t until_ns = pawl_clock_now_ns() + ns;
    struct pawl_peer_event event;
    struct pawl_err err = {0};
    do {
        TRAIN_DEMAND(pawl_peer_poll(peer, &event, &err) == 0, "%s", err.text);
        on_event(&event);
        pawl_peer_event_drop(&event);
        if (event.kind == PAWL_PEER_NONE)
            usleep(1000);
    } while (pawl_clock_now_ns() < until_ns);
}

#endif
