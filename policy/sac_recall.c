/* sac_recall.c: from LeRobot's config.json to keys of [policy.sac]. What is missing there, or
 * null, is left to the configuration; what no key stands for (docs/learning.md) is not read. */
#include "policy/sac_lerobot.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NUMBER, COUNT, FLAG, WORD, WIDTHS };

static const struct {
    const char *object; /* NULL: the root */
    const char *member;
    const char *key;
    enum kind kind;
} rows[] = {
    {NULL, "num_discrete_actions", "policy.num_discrete_actions", COUNT},
    {NULL, "latent_dim", "policy.sac.latent_dim", COUNT},
    {NULL, "shared_encoder", "policy.sac.shared_encoder", FLAG},
    {NULL, "discount", "policy.sac.discount", NUMBER},
    {NULL, "temperature_init", "policy.sac.temperature_init", NUMBER},
    {NULL, "target_entropy", "policy.sac.target_entropy", NUMBER},
    {NULL, "num_critics", "policy.sac.num_critics", COUNT},
    {NULL, "num_subsample_critics", "policy.sac.num_subsample_critics", COUNT},
    {NULL, "use_backup_entropy", "policy.sac.use_backup_entropy", FLAG},
    {NULL, "critic_lr", "policy.sac.critic_lr", NUMBER},
    {NULL, "actor_lr", "policy.sac.actor_lr", NUMBER},
    {NULL, "temperature_lr", "policy.sac.temperature_lr", NUMBER},
    {NULL, "grad_clip_norm", "policy.sac.grad_clip_norm", NUMBER},
    {NULL, "critic_target_update_weight", "policy.sac.critic_target_update_weight", NUMBER},
    {NULL, "utd_ratio", "policy.sac.utd_ratio", COUNT},
    {NULL, "policy_update_freq", "policy.sac.policy_update_freq", COUNT},
    {"policy_kwargs", "std_min", "policy.sac.std_min", NUMBER},
    {"policy_kwargs", "std_max", "policy.sac.std_max", NUMBER},
    {"policy_kwargs", "init_final", "policy.sac.init_final", NUMBER},
    {"actor_network_kwargs", "hidden_dims", "policy.sac.hidden", WIDTHS},
    {"actor_network_kwargs", "activate_final", "policy.sac.actor_activate_final", FLAG},
    {"critic_network_kwargs", "hidden_dims", "policy.sac.critic_hidden", WIDTHS},
    {"critic_network_kwargs", "activate_final", "policy.sac.critic_activate_final", FLAG},
    {"critic_network_kwargs", "final_activation", "policy.sac.critic_final_activation", WORD},
    {"discrete_critic_network_kwargs", "hidden_dims", "policy.sac.discrete_critic_hidden",
     WIDTHS},
    {"discrete_critic_network_kwargs", "activate_final",
     "policy.sac.discrete_critic_activate_final", FLAG},
    {"discrete_critic_network_kwargs", "final_activation",
     "policy.sac.discrete_critic_final_activation", WORD},
};

static const struct pawl_json_limits limits = {.bytes_max = 16u << 20, .depth_max = 8};

/* There, and not null. */
static bool has(const struct pawl_json_at *object, const char *key)
{
    struct pawl_json_at member = {0};
    while (pawl_json_next(object, &member))
        if (strcmp(member.key, key) == 0)
            return pawl_json_type_of(&member) != PAWL_JSON_NULL;
    return false;
}

static int add(struct pawl_trainer_words *words, const char *key, const char *value,
               struct pawl_err *err)
{
    char *word = words->words[words->count];
    if (words->count == PAWL_TRAINER_WORDS_MAX ||
        snprintf(word, PAWL_TRAINER_WORD_BYTES, "%s=%s", key, value) >=
            (int)PAWL_TRAINER_WORD_BYTES)
        return pawl_err_set(err, E2BIG, "%s: too long a value", key);
    words->count++;
    return 0;
}

static int read_widths(const struct pawl_json_at *object, const char *member, char *text,
                       size_t text_bytes, struct pawl_err *err)
{
    struct pawl_json_at list;
    int code = pawl_json_get_array(object, member, &list, err);
    size_t at = (size_t)snprintf(text, text_bytes, "[");
    for (size_t i = 0, count = code == 0 ? pawl_json_count(&list) : 0; i < count; i++) {
        struct pawl_json_at item = pawl_json_item(&list, i);
        int64_t width;
        code = pawl_json_get_i64(&item, NULL, INT64_MIN, INT64_MAX, &width, err);
        if (code != 0)
            return code;
        at += (size_t)snprintf(text + at, text_bytes - at, "%s%" PRId64, i ? ", " : "", width);
        if (at + 1 >= text_bytes)
            return pawl_err_set(err, E2BIG, "%s: too many layers", member);
    }
    snprintf(text + at, text_bytes - at, "]");
    return code;
}

static int read_value(const struct pawl_json_at *object, size_t row, char *text,
                      size_t text_bytes, struct pawl_err *err)
{
    const char *member = rows[row].member, *word = "";
    double number = 0.0;
    int64_t count = 0;
    bool flag = false;
    int code = 0;

    switch (rows[row].kind) {
    case NUMBER:
        code = pawl_json_get_f64(object, member, -DBL_MAX, DBL_MAX, &number, err);
        snprintf(text, text_bytes, "%.17g", number);
        break;
    case COUNT:
        code = pawl_json_get_i64(object, member, INT64_MIN, INT64_MAX, &count, err);
        snprintf(text, text_bytes, "%" PRId64, count);
        break;
    case FLAG:
        code = pawl_json_get_bool(object, member, &flag, err);
        snprintf(text, text_bytes, "%s", flag ? "true" : "false");
        break;
    case WORD:
        code = pawl_json_get_string(object, member, &word, err);
        snprintf(text, text_bytes, "%.64s", word);
        break;
    case WIDTHS:
        code = read_widths(object, member, text, text_bytes, err);
        break;
    }
    return code;
}

/* 0 has another meaning in these keys than there. */
static const char *value_of(size_t row, const char *text)
{
    bool is_entropy = strcmp(rows[row].member, "target_entropy") == 0;
    return is_entropy && strtod(text, NULL) == 0.0 ? "1e-30" : text;
}

static int read_row(struct pawl_trainer_words *words, const struct pawl_json_at *root,
                    size_t row, struct pawl_err *err)
{
    char text[PAWL_TRAINER_WORD_BYTES];
    struct pawl_json_at object = *root;
    int code = 0;

    if (rows[row].object && !has(root, rows[row].object))
        return 0;
    if (rows[row].object)
        code = pawl_json_get_object(root, rows[row].object, &object, err);
    if (code != 0 || !has(&object, rows[row].member))
        return code;
    code = read_value(&object, row, text, sizeof(text), err);
    return code != 0 ? code : add(words, rows[row].key, value_of(row, text), err);
}

static bool has_tag(const struct pawl_json_at *root, const char *tag)
{
    struct pawl_json_at tags;
    const char *text;
    if (!has(root, "tags") || pawl_json_get_array(root, "tags", &tags, NULL) != 0)
        return false;
    for (size_t i = 0, count = pawl_json_count(&tags); i < count; i++) {
        struct pawl_json_at item = pawl_json_item(&tags, i);
        if (pawl_json_get_string(&item, NULL, &text, NULL) == 0 && strcmp(text, tag) == 0)
            return true;
    }
    return false;
}

static int read_numbers(struct pawl_trainer_words *words, const struct pawl_json_at *object,
                        const char *member, const char *key, struct pawl_err *err)
{
    char text[PAWL_TRAINER_WORD_BYTES];
    struct pawl_json_at list;
    int code = pawl_json_get_array(object, member, &list, err);
    size_t at = (size_t)snprintf(text, sizeof(text), "[");
    for (size_t i = 0, count = code == 0 ? pawl_json_count(&list) : 0; i < count; i++) {
        struct pawl_json_at item = pawl_json_item(&list, i);
        double number;
        code = pawl_json_get_f64(&item, NULL, -DBL_MAX, DBL_MAX, &number, err);
        if (code != 0)
            return code;
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.17g", i ? ", " : "", number);
        if (at + 1 >= sizeof(text))
            return pawl_err_set(err, E2BIG, "%s: too many components", member);
    }
    snprintf(text + at, sizeof(text) - at, "]");
    return code != 0 ? code : add(words, key, text, err);
}

/* What only a config.json of ours means: LeRobot's learner has statistics and does not use
 * them, and knows no other compat. */
static int read_ours(struct pawl_trainer_words *words, const struct pawl_json_at *root,
                     struct pawl_err *err)
{
    struct pawl_json_at stats, state;
    int code = add(words, "policy.sac.compat",
                   has_tag(root, PAWL_SAC_TAG_FIXED) ? "fixed" : "lerobot", err);
    if (code != 0 || !has(root, "dataset_stats"))
        return code;
    code = pawl_json_get_object(root, "dataset_stats", &stats, err);
    if (code != 0 || !has(&stats, "observation.state"))
        return code;
    code = pawl_json_get_object(&stats, "observation.state", &state, err);
    if (code == 0)
        code = read_numbers(words, &state, "mean", "policy.sac.observation_mean", err);
    if (code == 0)
        code = read_numbers(words, &state, "std", "policy.sac.observation_std", err);
    return code;
}

static int read_root(struct pawl_trainer_words *words, const struct pawl_json_at *root,
                     const char *source, struct pawl_err *err)
{
    const char *type;
    int code = pawl_json_get_string(root, "type", &type, err);
    if (code != 0)
        return code;
    bool is_plain = strcmp(type, PAWL_SAC_PLAIN_TYPE) == 0;
    if (!is_plain && strcmp(type, PAWL_SAC_LEROBOT_TYPE) != 0)
        return pawl_err_set(err, EINVAL,
                            "%s: type is \"%.40s\"; policy.type = \"sac\" goes on with "
                            "\"" PAWL_SAC_LEROBOT_TYPE "\" alone",
                            source, type);
    code = add(words, "policy.sac.network", is_plain ? "plain" : "lerobot", err);
    for (size_t i = 0; code == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
        code = read_row(words, root, i, err);
    return code == 0 && has_tag(root, PAWL_SAC_TAG) ? read_ours(words, root, err) : code;
}

int pawl_sac_recall(struct pawl_trainer_words *words, const char *text, size_t length_bytes,
                    const char *source, struct pawl_err *err)
{
    struct pawl_json doc;

    words->count = 0;
    int code = pawl_json_open_text(&doc, text, length_bytes, source, &limits, err);
    if (code != 0)
        return code;
    struct pawl_json_at root = pawl_json_root(&doc);
    code = read_root(words, &root, source, err);
    pawl_json_close(&doc);
    return code;
}
