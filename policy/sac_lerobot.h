/* sac_lerobot.h: how LeRobot 0.4.4 reads what SAC has learnt: config.json and train_config.json
 * for its SACConfig, and the names of its state dict under which a tensor is found too.
 *
 * And back: what a config.json says of [policy.sac] (sac_recall.c).
 *
 * A "plain" network is none of LeRobot's: its config.json has a type of ours, which LeRobot
 * refuses by name.
 */
#ifndef PAWL_POLICY_SAC_LEROBOT_H
#define PAWL_POLICY_SAC_LEROBOT_H

#include "policy/sac_model.h"
#include "policy/trainer.h"

#define PAWL_SAC_LEROBOT_TYPE "sac" /* of config.json */
#define PAWL_SAC_PLAIN_TYPE   "pawl_sac_plain"

/* Of config.json's tags, with which LeRobot does nothing: what it has no words for. */
#define PAWL_SAC_TAG       "pawl"
#define PAWL_SAC_TAG_FIXED "pawl-compat-fixed"

struct pawl_sac_texts {
    const struct pawl_sac_model *model;
    uint32_t batch_count;
    uint64_t seed;
    char device[16];
    struct pawl_trainer_alias *aliases;
    size_t alias_count;
    char (*names)[PAWL_TENSOR_NAME_BYTES]; /* of the aliases */
};

/* The model has to stay. On failure, and zeroed, there is nothing to close. */
int pawl_sac_texts_open(struct pawl_sac_texts *texts, const struct pawl_sac_model *model,
                        const struct pawl_trainer_setup *setup, struct pawl_err *err);
void pawl_sac_texts_close(struct pawl_sac_texts *texts);

/* pawl_trainer_ops.recall. */
int pawl_sac_recall(struct pawl_trainer_words *words, const char *text, size_t length_bytes,
                    bool is_ours, const char *source, struct pawl_err *err);

/* One JSON object; the writer's own errors are its finish's affair. */
int pawl_sac_texts_write(const struct pawl_sac_texts *texts, enum pawl_trainer_text which,
                         struct pawl_json_writer *writer, struct pawl_err *err);

#endif
