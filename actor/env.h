/* env.h: what an environment is: one constant table of functions, built in or in a plugin.
 *
 *     static int my_step(void *env, float *action, void *const *obs,
 *                        struct pawl_env_step *step, struct pawl_env_err *err)
 *     {
 *         struct my_robot *robot = env;
 *         float *joints = obs[0];        the first field of the spec, in the record itself
 *         ...
 *         step->reward = ...;
 *         return 0;
 *     }
 *     static const struct pawl_env_ops my_ops = {
 *         .abi = PAWL_ENV_ABI, .size = sizeof(struct pawl_env_ops),
 *         .name = "my_robot", .help = "One sentence.",
 *         .spec = my_spec, .open = my_open, .reset = my_reset, .step = my_step,
 *         .close = my_close,
 *     };
 *     const struct pawl_env_ops *pawl_env_plugin(void) { return &my_ops; }
 *
 * An observation is written once, straight into the memory that the learner reads: reset() and
 * step() get one pointer per field, aligned to the size of its type, and write the whole field:
 * what stood there before is from another record. An observation that is needed for the next
 * step is not read back from there but kept.
 *
 * The life of an environment: spec() and open(), then for each episode reset() and step() until
 * an end, then close(). An environment says when an episode ends by itself; the limit of steps
 * is kept by its caller (lanes.h). reset() may come at any time.
 *
 * What is promised to an environment: an action is finite, within its bounds, and a choice is a
 * whole number; one thread at a time calls it (except safe()). What it promises: the same seed
 * and the same actions give the same bytes, unless it says PAWL_ENV_UNSEEDED; reset() and
 * step() allocate nothing. `pawl env check` sees whether it keeps them.
 *
 * The ABI: plain C types, no other header of ours. Within one value of PAWL_ENV_ABI nothing but
 * members at the end of the structs that have a `size` is ever added.
 */
#ifndef PAWL_ACTOR_ENV_H
#define PAWL_ACTOR_ENV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PAWL_ENV_ABI 1u

#define PAWL_ENV_FIELDS_MAX  16u
#define PAWL_ENV_RANK_MAX    4u
#define PAWL_ENV_ACTIONS_MAX 256u
#define PAWL_ENV_CAMERAS_MAX 16u
#define PAWL_ENV_ERR_BYTES   256u
#define PAWL_ENV_NAME_MAX    40u /* letters of a field's name */

/* The types an observation can have, numbered as the records number them. */
enum pawl_env_dtype {
    PAWL_ENV_BOOL = 1, /* one byte, 0 or 1 */
    PAWL_ENV_U8 = 2,   /* images: rows, columns, channels */
    PAWL_ENV_I32 = 7,
    PAWL_ENV_I64 = 9,
    PAWL_ENV_F32 = 12,
};

/* A named array of numbers. Pointers are constant for as long as the library is loaded. */
struct pawl_env_field {
    const char *name; /* "state", "images.front": recorded as obs.state, obs.images.front */
    uint32_t dtype;   /* enum pawl_env_dtype */
    uint32_t rank;    /* 0: a single number */
    uint32_t shape[PAWL_ENV_RANK_MAX];
    /* Bounds of each number, both included; an infinity is none. The arrays, one value per
     * number, hold where they are given; otherwise low and high, and both 0 is no bound. */
    float low, high;
    const float *lows, *highs;
};

enum pawl_env_flag {
    /* Something real moves: the schedule is kept, safe() is there, nobody resets in passing. */
    PAWL_ENV_REALTIME = 1u << 0,
    /* The seed does not decide what happens. */
    PAWL_ENV_UNSEEDED = 1u << 1,
};

/* What an environment is like, for one configuration. The caller has zeroed it and set abi and
 * size to its own: whoever fills it writes nothing behind size. */
struct pawl_env_spec {
    uint32_t abi, size;
    uint32_t obs_count;
    uint32_t camera_count; /* of render() */
    struct pawl_env_field obs[PAWL_ENV_FIELDS_MAX];
    /* A list of float32 with finite bounds. */
    struct pawl_env_field action;
    /* 0: every number of the action is continuous. n: its last number is a choice, one of 0,
     * 1, ... n - 1, as a float; a discrete environment has an action of that one number. */
    uint32_t choice_count;
    uint32_t steps_max; /* an episode longer than this is truncated; 0: no limit */
    float rate_hz;      /* steps per second of the world it stands for; 0: it has none */
    uint32_t flags;     /* enum pawl_env_flag */
};

/* Key and value from the configuration of a plugin, as text. */
struct pawl_env_pair {
    const char *key, *value;
};

/* What an environment is made with. Borrowed for the call. */
struct pawl_env_args {
    uint32_t abi, size;
    const void *fields; /* of a built-in one: the struct that its own table of keys fills */
    const struct pawl_env_pair *pairs; /* of a plugin */
    uint32_t pair_count;
    uint32_t index; /* which one this is among all of the run: robot 0, robot 1 */
};

/* What followed an action. The caller has zeroed it. */
struct pawl_env_step {
    float reward;
    float discrete_penalty; /* for the choice alone: the discrete critic's part (gripper) */
    uint8_t terminated;     /* 1: the episode is over, its future is worth nothing */
    uint8_t truncated;      /* 1: cut off, the future would have gone on */
    uint8_t success;        /* 1: the task is solved */
    uint8_t intervention;   /* 1: a person acted, and `action` is what was executed */
    uint32_t reserved[4];   /* stays 0 */
};

/* Why something failed: one sentence with the value and the rule. */
struct pawl_env_err {
    char text[PAWL_ENV_ERR_BYTES]; /* NUL at the end; empty: the code says all there is */
};

/* Every int is 0 or a negative errno value. */
struct pawl_env_ops {
    uint32_t abi;  /* PAWL_ENV_ABI as it was compiled */
    uint32_t size; /* sizeof(struct pawl_env_ops), likewise */

    const char *name; /* as in the file: env.type = "pendulum" */
    const char *help; /* one sentence, for the manual */

    /* What open() would make. Touches no device. */
    int (*spec)(const struct pawl_env_args *args, struct pawl_env_spec *spec,
                struct pawl_env_err *err);

    /* -ENODEV when a device or a file is missing. Whatever is ever allocated, is here. */
    int (*open)(const struct pawl_env_args *args, void **env, struct pawl_env_err *err);

    /* A new episode and its first observation. */
    int (*reset)(void *env, uint64_t seed, void *const *obs, struct pawl_env_err *err);

    /* One action and the observation after it; at an end: the last one. The action may be
     * overwritten with what was executed instead, see `intervention`. */
    int (*step)(void *env, float *action, void *const *obs, struct pawl_env_step *step,
                struct pawl_env_err *err);

    /* A picture of the present, width * height * 3 bytes: rows, columns, red green blue. NULL:
     * there is none. */
    int (*render)(void *env, uint32_t camera_index, uint32_t width, uint32_t height,
                  uint8_t *rgb, struct pawl_env_err *err);

    /* Stops what moves, at once. From any thread, also while another function of this
     * environment runs, and more than once. NULL only without PAWL_ENV_REALTIME. */
    void (*safe)(void *env);

    void (*close)(void *env); /* NULL is fine */

    /* What one who knows the task would do now, after a reset or a step: an action within the
     * bounds. Changes nothing; for demonstrations. NULL, or a table that ends before it: nobody
     * wrote one. */
    int (*expert)(void *env, float *action, struct pawl_env_err *err);
};

/* The one symbol that a plugin exports. The table is constant. */
const struct pawl_env_ops *pawl_env_plugin(void);

#ifdef __cplusplus
}
#endif

#endif
