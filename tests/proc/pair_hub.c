/* pair_hub.c: the supervisor's part of the example in pair.h: a hub, one consumer and two
 * producers, which it starts again when they die. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"
#include "runtime/clock.h"
#include "runtime/proc.h"
#include "shm/hub.h"

enum { CONSUMER, PRODUCER_0, PRODUCER_1, CHILD_COUNT };

struct supervisor {
    struct pawl_hub hub;
    struct pawl_proc children[CHILD_COUNT];
    const char *producer_path, *consumer_path, *label;
};

static int start_child(struct supervisor *s, int i, struct pawl_err *err)
{
    uint32_t role = i == CONSUMER ? PAWL_ROLE_LEARNER : PAWL_ROLE_ACTOR;
    uint32_t index = i == CONSUMER ? 0 : (uint32_t)(i - PRODUCER_0);
    struct pawl_proc_cfg cfg = pawl_proc_default_cfg();
    int fd;

    int status = pawl_hub_invite(&s->hub, role, index, &fd, err);
    if (status)
        return status;
    cfg.path = i == CONSUMER ? s->consumer_path : s->producer_path;
    cfg.argv = (const char *const[]){cfg.path, s->label, NULL};
    cfg.fds = (const struct pawl_proc_fd[]){{.fd = fd, .number = PAIR_HUB_FD},
                                            {.fd = PAIR_HUB_FD, .number = PAIR_LEDGER_FD}};
    cfg.fd_count = 2;
    cfg.death_signal = 0; /* they see the hang-up, and end in order */
    status = pawl_proc_start(&s->children[i], &cfg, err);
    close(fd);
    return status;
}

static int serve(struct supervisor *s, struct pawl_err *err)
{
    struct pollfd looks[1 + CHILD_COUNT] = {{.fd = s->hub.fd, .events = POLLIN}};
    for (int i = 0; i < CHILD_COUNT; i++)
        looks[1 + i] = (struct pollfd){.fd = s->children[i].pidfd, .events = POLLIN};
    if (poll(looks, 1 + CHILD_COUNT, 1000) < 0 && errno != EINTR)
        return pawl_err_set(err, errno, "poll: %s", strerror(errno));

    int status = pawl_hub_serve(&s->hub, err);
    for (int i = 0; i < CHILD_COUNT && status == 0; i++) {
        if (!looks[1 + i].revents)
            continue;
        pawl_proc_close(&s->children[i]);
        status = start_child(s, i, err);
    }
    return status;
}

int main(int argc, char **argv)
{
    static struct supervisor s;
    struct pawl_err err = {0};
    struct pawl_hub_cfg cfg = pawl_hub_default_cfg();
    if (argc != 4) {
        fprintf(stderr, "usage: pair_hub PRODUCER CONSUMER LABEL\n");
        return 2;
    }
    s.producer_path = argv[1];
    s.consumer_path = argv[2];
    s.label = argv[3];

    int status = pair_arm_faults(&err);
    unsetenv("PAWL_FAULT"); /* meant for us alone */
    if (status == 0)
        status = pawl_hub_open(&s.hub, &cfg, &err);
    for (int i = 0; i < CHILD_COUNT && status == 0; i++)
        status = start_child(&s, i, &err);
    while (status == 0)
        status = serve(&s, &err);

    fprintf(stderr, "pair_hub: %s\n", err.text);
    for (int i = 0; i < CHILD_COUNT; i++)
        pawl_proc_close(&s.children[i]);
    pawl_hub_close(&s.hub);
    return EXIT_FAILURE;
}
