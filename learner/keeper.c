#include "learner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/log.h"

static const char *const names[PAWL_KEEPER_NAMES_COUNT] = {"episodes.jsonl", "metrics.jsonl"};

int pawl_keeper_open(struct pawl_keeper *keeper, struct pawl_io *io, const char *folder,
                     uint64_t period_ns, struct pawl_err *err)
{
    *keeper = (struct pawl_keeper){.folder = -1, .period_ns = period_ns};
    int code = pawl_io_queue_open(&keeper->queue, io, PAWL_IO_QUEUE_AUTO, err);
    if (code != 0)
        return pawl_err_wrap(err, "syncs of the run's files");
    keeper->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    keeper->is_open = true;
    if (keeper->folder < 0) {
        code = pawl_err_set(err, errno, "%s: %s", folder, strerror(errno));
        pawl_keeper_close(keeper);
        return code;
    }
    keeper->begun_ns = pawl_clock_now_ns();
    return 0;
}

/* A file that is not there has nothing to lose. */
static void look(struct pawl_keeper *keeper)
{
    for (size_t i = 0; i < PAWL_KEEPER_NAMES_COUNT && !keeper->has_failed; i++) {
        const struct pawl_io_op *ops = &keeper->ops[3 * i];
        if (ops[0].result == -ENOENT || (ops[0].result >= 0 && ops[1].result == 0))
            continue;
        int64_t result = ops[0].result < 0 ? ops[0].result : ops[1].result;
        keeper->has_failed = true;
        pawl_log_warn("cannot be made durable", "file=%s error=%s", names[i],
                      strerror((int)-result));
    }
    keeper->sync_count++;
}

static void begin(struct pawl_keeper *keeper)
{
    for (unsigned i = 0; i < PAWL_KEEPER_NAMES_COUNT; i++) {
        struct pawl_io_op *ops = &keeper->ops[3 * i];
        ops[0] = (struct pawl_io_op){.kind = PAWL_IO_OP_OPEN,
                                     .slot = i,
                                     .folder = keeper->folder,
                                     .name = names[i],
                                     .flags = O_WRONLY | O_CLOEXEC};
        ops[1] = (struct pawl_io_op){.kind = PAWL_IO_OP_SYNC, .slot = i};
        ops[2] = (struct pawl_io_op){.kind = PAWL_IO_OP_CLOSE, .slot = i};
    }
    keeper->is_syncing =
        pawl_io_queue_begin(&keeper->queue, keeper->ops, 3 * PAWL_KEEPER_NAMES_COUNT,
                            PAWL_IO_GO_ON_AFTER_FAILURE, NULL) == 0;
}

void pawl_keeper_poll(struct pawl_keeper *keeper, uint64_t now_ns)
{
    if (!keeper->is_open)
        return;
    if (keeper->is_syncing && pawl_io_queue_poll(&keeper->queue)) {
        keeper->is_syncing = false;
        look(keeper);
    }
    if (keeper->is_syncing || keeper->has_failed ||
        now_ns - keeper->begun_ns < keeper->period_ns)
        return;
    keeper->begun_ns = now_ns;
    begin(keeper);
}

void pawl_keeper_close(struct pawl_keeper *keeper)
{
    if (!keeper->is_open)
        return;
    if (keeper->is_syncing)
        pawl_io_queue_wait(&keeper->queue, pawl_clock_now_ns() + PAWL_NS_PER_S);
    pawl_io_queue_close(&keeper->queue);
    if (keeper->folder >= 0)
        close(keeper->folder);
    *keeper = (struct pawl_keeper){0};
}
