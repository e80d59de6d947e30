#include "pawl/start_from.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "learner/checkpoint_find.h"
#include "learner/checkpoint_tree.h"
#include "learner/learner_cfg.h"
#include "policy/policy.h"
#include "policy/policy_cfg.h"

#define FILE_NAME      "pretrained_model/config.json"
#define FILE_BYTES_MAX ((size_t)16 << 20)

/* Whoever else trains it on writes it without. */
static bool has_our_state(const char *folder)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/" PAWL_CHECKPOINT_STATE, folder);
    return length < (int)sizeof(path) && access(path, F_OK) == 0;
}

int pawl_start_from_read(struct pawl_start_from *from, const struct pawl_cfg *cfg,
                         struct pawl_err *err)
{
    const struct pawl_learner_cfg *learner = pawl_cfg_fields(cfg, &pawl_learner_table);
    const struct pawl_policy_cfg *policy = pawl_cfg_fields(cfg, &pawl_policy_table);
    const struct pawl_trainer_ops *trainer = pawl_policies[policy->type]->trainer;
    struct pawl_err why = {0};
    char *text;
    size_t length_bytes;

    from->words.count = 0;
    from->words.note[0] = '\0';
    from->base = (struct pawl_cfg_base){.words = from->pointers, .origin = from->origin};
    if (!learner->start_from[0] || !trainer || !trainer->recall)
        return 0;
    snprintf(from->origin, sizeof(from->origin), "%s/%s", learner->start_from, FILE_NAME);
    int code = pawl_checkpoint_read(pawl_io_sys(), learner->start_from, FILE_NAME,
                                    FILE_BYTES_MAX, &text, &length_bytes, &why);
    if (code == -ENOENT)
        return 0;
    if (code == 0) {
        code = trainer->recall(&from->words, text, length_bytes,
                               has_our_state(learner->start_from), from->origin, &why);
        free(text);
    }
    for (uint32_t i = 0; i < from->words.count; i++)
        from->pointers[i] = from->words.words[i];
    from->base.word_count = (int)from->words.count;
    return code == 0 ? 0 : pawl_err_set(err, why.code, "learner.start_from: %s", why.text);
}
