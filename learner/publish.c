#include "learner/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/trainer.h"
#include "runtime/fault.h"
#include "runtime/log.h"
#include "runtime/numbers.h"

static int add_tensors(struct pawl_publisher *publisher, struct pawl_err *err)
{
    const struct pawl_policy_ops *ops = publisher->cfg.ops;
    if (!ops->manifest)
        return pawl_manifest_add(&publisher->manifest, PAWL_PUBLISHER_STEPS_NAME, PAWL_I64, 0,
                                 NULL, err);

    if (ops->open(&publisher->policy, &publisher->cfg.setup, err) != 0)
        return -err->code;
    size_t count = 0;
    const struct pawl_tensor *tensors = ops->manifest(publisher->policy, &count);
    for (size_t i = 0; i < count; i++) {
        uint64_t shape[PAWL_SPEC_RANK_MAX] = {0};
        for (uint32_t k = 0; k < tensors[i].rank; k++)
            shape[k] = tensors[i].shape[k];
        if (pawl_manifest_add(&publisher->manifest, tensors[i].name, tensors[i].dtype,
                              tensors[i].rank, shape, err) != 0)
            return -err->code;
    }
    return 0;
}

int pawl_publisher_open(struct pawl_publisher *publisher, const struct pawl_publisher_cfg *cfg,
                        struct pawl_err *err)
{
    struct pawl_err unread = {0};
    struct pawl_board_cfg board = pawl_board_default_cfg();

    err = err ? err : &unread;
    *publisher = (struct pawl_publisher){.is_open = true, .cfg = *cfg, .segment.fd = -1};
    if (add_tensors(publisher, err) != 0)
        goto fail;
    publisher->blob = calloc(1, publisher->manifest.blob_bytes);
    publisher->readers = calloc(cfg->reader_count, sizeof(*publisher->readers));
    if (!publisher->blob || !publisher->readers) {
        pawl_err_set(err, ENOMEM, "out of memory");
        goto fail;
    }
    for (uint32_t i = 0;
         publisher->policy && !cfg->trainer && i < publisher->manifest.tensor_count; i++)
        cfg->ops->init(publisher->policy, i,
                       publisher->blob + publisher->manifest.tensors[i].offset_bytes);

    board.manifest = &publisher->manifest;
    board.reader_count = cfg->reader_count;
    board.slot_count = cfg->slot_count;
    board.first_generation = pawl_tally_version_next(cfg->tally);
    board.label = "parameters";
    if (pawl_board_create(&publisher->tx, &publisher->segment, &board, err) != 0)
        goto fail;
    return 0;

fail:
    pawl_publisher_close(publisher);
    return pawl_err_wrap(err, "parameters of policy.type = \"%s\"", cfg->ops->name);
}

void pawl_publisher_close(struct pawl_publisher *publisher)
{
    if (!publisher->is_open)
        return;
    if (publisher->segment.base)
        pawl_segment_close(&publisher->segment);
    if (publisher->policy)
        publisher->cfg.ops->close(publisher->policy);
    pawl_manifest_close(&publisher->manifest);
    free(publisher->blob);
    free(publisher->readers);
    *publisher = (struct pawl_publisher){.segment.fd = -1};
}

int pawl_publisher_add(struct pawl_publisher *publisher, uint32_t index,
                       const struct pawl_pin *pin, struct pawl_err *err)
{
    uint32_t reader_index;
    int code = pawl_board_add_reader(&publisher->tx, pin, &reader_index, err);
    if (code == 0)
        publisher->readers[index] = reader_index + 1;
    return code;
}

void pawl_publisher_remove(struct pawl_publisher *publisher, uint32_t index)
{
    if (!publisher->is_open || publisher->readers[index] == 0)
        return;
    pawl_board_remove_reader(&publisher->tx, publisher->readers[index] - 1);
    publisher->readers[index] = 0;
}

/* The trainer's parameters as of now; false when one is no number. */
static bool take_parameters(struct pawl_publisher *publisher)
{
    for (uint32_t i = 0; i < publisher->manifest.tensor_count; i++) {
        const struct pawl_manifest_tensor *tensor = &publisher->manifest.tensors[i];
        unsigned char *data = publisher->blob + tensor->offset_bytes;
        publisher->cfg.ops->trainer->publish(publisher->cfg.trainer, i, data);
        if (pawl_numbers_are_finite(tensor->dtype, data,
                                    tensor->size_bytes / pawl_dtype_bytes(tensor->dtype)))
            continue;
        publisher->refused_count++;
        pawl_log_error("parameters not published: a number is none", "tensor=%s times=%llu",
                       tensor->name, (unsigned long long)publisher->refused_count);
        return false;
    }
    return true;
}

int64_t pawl_publisher_publish(struct pawl_publisher *publisher, uint64_t step,
                               struct pawl_err *err)
{
    struct pawl_trainer *trainer = publisher->cfg.trainer;
    PAWL_FAULT("learner.publish");
    if (!publisher->policy)
        memcpy(publisher->blob, &step, sizeof(step));
    else if (trainer && publisher->cfg.ops->trainer->fetch(trainer, err) != 0)
        return pawl_err_wrap(err, "publish");
    else if (trainer && !take_parameters(publisher))
        return 0;
    pawl_tally_reserve_version(publisher->cfg.tally, publisher->tx.generation);
    uint64_t version = pawl_board_put(&publisher->tx, publisher->blob, step);
    if (version)
        publisher->version = version;
    return (int64_t)version;
}
