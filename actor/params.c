#include "actor/params.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void pawl_params_open(struct pawl_params *params, struct pawl_policy *policy,
                      struct pawl_pin *pin)
{
    *params = (struct pawl_params){.policy = policy, .pin = pin};
}

static void board_close(struct pawl_params_board *board)
{
    if (!board->is_open)
        return;
    free(board->tensors);
    free(board->offsets);
    pawl_segment_close(&board->segment);
    *board = (struct pawl_params_board){0};
}

void pawl_params_close(struct pawl_params *params)
{
    if (params->now.rx.held)
        pawl_board_release(&params->now.rx);
    board_close(&params->now);
    board_close(&params->next);
    *params = (struct pawl_params){0};
}

/* A tensor of the manifest as a policy sees it. One that no policy can name is left out. */
static bool tensor_of(struct pawl_tensor *tensor, const struct pawl_manifest_tensor *entry)
{
    size_t name_bytes = strlen(entry->name) + 1;
    if (entry->rank > PAWL_SPEC_RANK_MAX || name_bytes > sizeof(tensor->name))
        return false;
    *tensor = (struct pawl_tensor){.dtype = entry->dtype, .rank = entry->rank};
    memcpy(tensor->name, entry->name, name_bytes);
    for (uint32_t i = 0; i < entry->rank; i++) {
        if (entry->shape[i] > UINT32_MAX)
            return false;
        tensor->shape[i] = (uint32_t)entry->shape[i];
    }
    return true;
}

static int tensors_make(struct pawl_params_board *board, const struct pawl_manifest *manifest,
                        struct pawl_err *err)
{
    size_t room_count = manifest->tensor_count ? manifest->tensor_count : 1;

    board->tensors = calloc(room_count, sizeof(board->tensors[0]));
    board->offsets = calloc(room_count, sizeof(board->offsets[0]));
    if (!board->tensors || !board->offsets)
        return pawl_err_set(err, ENOMEM, "%zu tensors: out of memory", room_count);
    for (size_t i = 0; i < manifest->tensor_count; i++) {
        if (!tensor_of(&board->tensors[board->tensor_count], &manifest->tensors[i]))
            continue;
        board->offsets[board->tensor_count++] = manifest->tensors[i].offset_bytes;
    }
    return 0;
}

int pawl_params_attach(struct pawl_params *params, int fd, uint64_t total_bytes,
                       struct pawl_err *err)
{
    struct pawl_manifest manifest = {0};
    struct pawl_params_board board = {.is_open = true};
    struct pawl_board_rx_cfg cfg = {.generation = params->version, .total_bytes = total_bytes};

    int code =
        pawl_board_attach(&board.rx, &board.segment, &manifest, fd, params->pin, &cfg, err);
    if (code != 0)
        return code;
    code = tensors_make(&board, &manifest, err);
    pawl_manifest_close(&manifest);
    if (code != 0) {
        board_close(&board);
        return code;
    }
    board_close(&params->next);
    if (params->now.is_open && params->version == 0)
        board_close(&params->now);
    if (params->now.is_open)
        params->next = board;
    else
        params->now = board;
    return 0;
}

int pawl_params_adopt(struct pawl_params *params, struct pawl_err *err)
{
    struct pawl_params_board *board = &params->now;

    if (params->next.is_open && pawl_board_latest(&params->next.rx) != 0) {
        /* One pin for both: from here on it is the next board's. The policy reads nothing
         * between this and the bind below. */
        board_close(board);
        *board = params->next;
        params->next = (struct pawl_params_board){0};
    }
    const struct pawl_board_slot *slot = pawl_board_acquire(&board->rx);
    if (!slot) {
        int code = pawl_board_rx_state(&board->rx, err);
        return code != 0 ? code : pawl_err_set(err, EAGAIN, "no parameters published yet");
    }
    if (!pawl_board_verify(&board->rx)) {
        int code = pawl_board_rx_state(&board->rx, err);
        if (code != 0)
            return code; /* else it was overwritten: is_intact() will say so */
    }
    for (size_t i = 0; i < board->tensor_count; i++)
        board->tensors[i].data = slot->data + board->offsets[i];
    const struct pawl_policy_ops *ops = params->policy->ops;
    if (ops->bind) {
        int code = ops->bind(params->policy, board->tensors, board->tensor_count, err);
        if (code != 0)
            return pawl_err_wrap(err, "parameters of version %" PRIu64, board->rx.generation);
    }
    params->version = board->rx.generation;
    return 0;
}
