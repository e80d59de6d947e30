#include "learner/checkpoint_rng.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* As torch lays it out (ATen/CPUGeneratorImpl.cpp): a struct copied byte by byte. */
struct torch_state {
    uint64_t initial_seed;
    int32_t left; /* numbers left before the state is made anew */
    int32_t is_seeded;
    uint64_t next;
    uint64_t words[PAWL_CHECKPOINT_RNG_WORDS];
    double normal_x, normal_y, normal_rho;
    int32_t normal_is_valid;
    float next_float_normal;
    uint8_t next_float_normal_is_valid;
};

_Static_assert(sizeof(struct torch_state) <= PAWL_CHECKPOINT_RNG_TORCH_BYTES, "torch's size");
_Static_assert(offsetof(struct torch_state, words) == 24, "torch's layout");
_Static_assert(offsetof(struct torch_state, normal_x) == 5016, "torch's layout");

static void seed_words(uint32_t words[PAWL_CHECKPOINT_RNG_WORDS], uint32_t seed)
{
    words[0] = seed;
    for (uint32_t i = 1; i < PAWL_CHECKPOINT_RNG_WORDS; i++)
        words[i] = 1812433253u * (words[i - 1] ^ (words[i - 1] >> 30)) + i;
}

static void add(struct pawl_checkpoint_rng *rng, size_t *count, const char *name,
                enum pawl_dtype dtype, uint32_t extent, const void *data)
{
    struct pawl_tensor *tensor = &rng->tensors[(*count)++];
    snprintf(tensor->name, sizeof(tensor->name), "%s", name);
    tensor->dtype = dtype;
    tensor->rank = 1;
    tensor->shape[0] = extent;
    tensor->data = data;
}

void pawl_checkpoint_rng_seed(struct pawl_checkpoint_rng *rng, uint64_t seed)
{
    uint32_t words[PAWL_CHECKPOINT_RNG_WORDS];
    struct torch_state torch = {.initial_seed = seed, .left = 1, .is_seeded = 1};

    memset(rng, 0, sizeof(*rng));
    seed_words(words, (uint32_t)seed);
    for (size_t i = 0; i < PAWL_CHECKPOINT_RNG_WORDS; i++) {
        rng->py_state[i] = words[i];
        rng->np_values[i] = words[i];
        torch.words[i] = words[i];
    }
    rng->py_version[0] = 3;
    rng->py_state[PAWL_CHECKPOINT_RNG_WORDS] = PAWL_CHECKPOINT_RNG_WORDS; /* none drawn yet */
    rng->np_index[0] = PAWL_CHECKPOINT_RNG_WORDS;
    memcpy(rng->torch_state, &torch, sizeof(torch));

    size_t count = 0;
    add(rng, &count, "py_rng_version", PAWL_I64, 1, rng->py_version);
    add(rng, &count, "py_rng_state", PAWL_I64, PAWL_CHECKPOINT_RNG_WORDS + 1, rng->py_state);
    add(rng, &count, "np_rng_state_values", PAWL_I64, PAWL_CHECKPOINT_RNG_WORDS,
        rng->np_values);
    add(rng, &count, "np_rng_state_index", PAWL_I64, 1, rng->np_index);
    add(rng, &count, "np_rng_has_gauss", PAWL_I64, 1, rng->np_has_gauss);
    add(rng, &count, "np_rng_cached_gaussian", PAWL_F32, 1, rng->np_cached_gaussian);
    add(rng, &count, "torch_rng_state", PAWL_U8, PAWL_CHECKPOINT_RNG_TORCH_BYTES,
        rng->torch_state);
}
