/* replay_sample.h: batches of transitions out of one store or two.
 *
 *     struct pawl_replay_sampler_cfg cfg = {.seed = seed, .discount = 0.99, .n_step = 1,
 *                                           .batch_count_max = 256};
 *     pawl_replay_sampler_open(&sampler, &cfg, &online, &offline, &err);
 *     ops->update(trainer, &sampler.base, &report, &err);
 *     pawl_replay_sampler_close(&sampler);
 *
 * Uniform: every transition of the window with the same probability. Prioritised (Schaul et
 * al., arXiv 1511.05952): with P(i) = p_i^alpha / sum p^alpha, and weights (N P(i))^-beta
 * divided by the largest of the batch; beta goes from cfg.beta to 1 over beta_draws batches.
 *
 * With n steps the reward is r_0 + g r_1 + ... along the links, up to a step that terminated or
 * to the last one whose successor is here; the next observation is that successor's and
 * `discount` what it is worth. So an end by time, a gap and a dead actor shorten a transition
 * and never mix two episodes.
 *
 * Of two stores a batch has round(count * offline_ratio) rows from the offline one, behind the
 * others; all rows come from one store while the other has no transition.
 *
 * A batch is a function of (seed, draw, content of the stores): which rows were drawn before
 * does not matter.
 *
 * Thread safety: the thread of the stores.
 */
#ifndef PAWL_LEARNER_REPLAY_SAMPLE_H
#define PAWL_LEARNER_REPLAY_SAMPLE_H

#include "learner/replay.h"
#include "learner/sum_tree.h"
#include "policy/batch.h"

/* In pawl_batch.frame: a frame of the offline store. */
#define PAWL_REPLAY_IS_OFFLINE (1ull << 63)

struct pawl_replay_sampler_cfg {
    uint64_t seed;
    uint32_t batch_count_max;
    uint32_t n_step; /* at least 1 */
    double discount;
    double offline_ratio; /* 0 to 1 */
    bool is_prioritized;
    double alpha, beta;
    uint64_t beta_draws;
};

/* A row of the batch under way. */
struct pawl_replay_pick {
    struct pawl_replay *replay;
    uint64_t number;
    uint64_t next;
    uint32_t step_count; /* of the walk from number to next */
    double probability;  /* times the transitions of its store */
};

/* What the sampler knows of a store. */
struct pawl_replay_source {
    struct pawl_replay *replay; /* NULL: there is none */
    struct pawl_sum_tree tree;  /* over its slots; only when prioritised */
    double alpha;
};

/* Zeroed: closed. It must not be moved while open. */
struct pawl_replay_sampler {
    struct pawl_sampler base; /* for a trainer */
    struct pawl_replay_sampler_cfg cfg;
    uint64_t draw_offset; /* added to the draw where rows are picked; beta grows without it */
    struct pawl_replay_source online, offline;
    struct pawl_replay_pick *picks;
};

/* The stores stay the caller's, and open while the sampler is. offline may be NULL. */
int pawl_replay_sampler_open(struct pawl_replay_sampler *sampler,
                             const struct pawl_replay_sampler_cfg *cfg,
                             struct pawl_replay *online, struct pawl_replay *offline,
                             struct pawl_err *err);

/* A zeroed one is left alone. */
void pawl_replay_sampler_close(struct pawl_replay_sampler *sampler);

#endif
