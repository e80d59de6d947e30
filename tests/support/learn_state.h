/* learn_state.h: what a learner of learn.h has learnt, to the bit.
 *
 *     learn_read_state(&whole, 200);               of the newest checkpoint, after so many
 * updates learn_expect_state(&whole, 200, "killed");   another run's is the same
 *     learn_drop_state(&whole);
 */
#ifndef PAWL_TEST_LEARN_STATE_H
#define PAWL_TEST_LEARN_STATE_H

#include "support/learn.h"

#define LEARN_STATE_FILES_MAX 16

/* The tensors of a checkpoint: each file's name and bytes. */
struct learn_state {
    size_t count;
    char names[LEARN_STATE_FILES_MAX][64];
    char *bytes[LEARN_STATE_FILES_MAX];
    size_t byte_counts[LEARN_STATE_FILES_MAX];
};

static inline void learn_read_state(struct learn_state *state, uint64_t update_count)
{
    static struct pawl_checkpoint_info info;
    struct pawl_err err = {0};
    *state = (struct learn_state){0};
    ck_assert_msg(pawl_checkpoint_find(pawl_io_sys(), rig.scratch.path,
                                       PAWL_CHECKPOINT_NEWEST_STRICT, NULL, NULL, &info,
                                       &err) == 0,
                  "%s", err.text);
    ck_assert_uint_eq(info.step, update_count);
    for (uint32_t i = 0; i < info.manifest.file_count; i++) {
        const char *path = info.manifest.files[i].path;
        if (!strstr(path, ".safetensors"))
            continue;
        size_t k = state->count++;
        ck_assert_uint_lt(k, LEARN_STATE_FILES_MAX);
        snprintf(state->names[k], sizeof(state->names[k]), "%s", path);
        ck_assert_msg(pawl_checkpoint_read(pawl_io_sys(), info.path, path, 1 << 24,
                                           &state->bytes[k], &state->byte_counts[k], &err) == 0,
                      "%s", err.text);
    }
    ck_assert_uint_ge(state->count, 3);
}

static inline void learn_drop_state(struct learn_state *state)
{
    for (size_t i = 0; i < state->count; i++)
        free(state->bytes[i]);
    *state = (struct learn_state){0};
}

static inline void learn_expect_state(const struct learn_state *whole, uint64_t update_count,
                                      const char *what)
{
    struct learn_state state;
    learn_read_state(&state, update_count);
    ck_assert_uint_eq(state.count, whole->count);
    for (size_t i = 0; i < whole->count; i++) {
        ck_assert_str_eq(state.names[i], whole->names[i]);
        ck_assert_uint_eq(state.byte_counts[i], whole->byte_counts[i]);
        ck_assert_msg(memcmp(state.bytes[i], whole->bytes[i], whole->byte_counts[i]) == 0,
                      "%s: %s is another", what, whole->names[i]);
    }
    learn_drop_state(&state);
}

#endif
