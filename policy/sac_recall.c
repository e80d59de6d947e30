/* sac_recall.c: from LeRobot's config.json to keys of [policy.sac]. What is missing there, or
 * null, is left to the configuration; what no key stands for (docs/learning.md) is not read. */
#include "policy/sac_lerobot.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"

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

static int read_number(const struct pawl_json_at *object, const char *member, bool is_whole,
                       char text[PAWL_TEXT_F64_BYTES], struct pawl_err *err)
{
    double number = 0.0;
    int64_t whole = 0;
    int code = is_whole ? pawl_json_get_i64(object, member, INT64_MIN, INT64_MAX, &whole, err)
                        : pawl_json_get_f64(object, member, -DBL_MAX, DBL_MAX, &number, err);
    if (is_whole)
        snprintf(text, PAWL_TEXT_F64_BYTES, "%" PRId64, whole);
    else
        pawl_text_f64(text, number, PAWL_TEXT_F64_FOR_PROGRAMS);
    return code;
}

/* Of whole numbers, or of any. */
static int read_list(const struct pawl_json_at *object, const char *member, bool is_whole,
                     char *text, size_t text_bytes, struct pawl_err *err)
{
    char item_text[PAWL_TEXT_F64_BYTES];
    struct pawl_json_at list;
    int code = pawl_json_get_array(object, member, &list, err);
    size_t at = (size_t)snprintf(text, text_bytes, "[");
    for (size_t i = 0, count = code == 0 ? pawl_json_count(&list) : 0; i < count; i++) {
        struct pawl_json_at item = pawl_json_item(&list, i);
        code = read_number(&item, NULL, is_whole, item_text, err);
        if (code != 0)
            return code;
        at += (size_t)snprintf(text + at, text_bytes - at, "%s%s", i ? ", " : "", item_text);
        if (at + 1 >= text_bytes)
            return pawl_err_set(err, E2BIG, "%s: too many numbers", member);
    }
    snprintf(text + at, text_bytes - at, "]");
    return code;
}

static int read_value(const struct pawl_json_at *object, size_t row, char *text,
                      size_t text_bytes, struct pawl_err *err)
{
    const char *member = rows[row].member, *word = "";
    bool flag = false;
    int code = 0;

    switch (rows[row].kind) {
    case NUMBER:
    case COUNT:
        code = read_number(object, member, rows[row].kind == COUNT, text, err);
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
        code = read_list(object, member, true, text, text_bytes, err);
        break;
    }
    return code;
}

static void add_note(struct pawl_trainer_words *words, const char *source, const char *text)
{
    size_t used = strlen(words->note);
    snprintf(words->note + used, sizeof(words->note) - used, "%s: %s\n", source, text);
}

/* What is valid there and not here. */
static const char *value_of(struct pawl_trainer_words *words, size_t row, const char *text,
                            const char *source)
{
    /* 0 is the default of this key. */
    if (strcmp(rows[row].member, "target_entropy") == 0 && strtod(text, NULL) == 0.0)
        return "1e-30";
    if (strcmp(rows[row].member, "std_min") != 0 || strtod(text, NULL) >= PAWL_SAC_STD_LEAST)
        return text;
    add_note(words, source,
             "policy_kwargs.std_min is too little here; policy.sac.std_min "
             "is " PAWL_SAC_STD_LEAST_TEXT " instead");
    return PAWL_SAC_STD_LEAST_TEXT;
}

/* LeRobot does not read the one without the other. */
static bool is_without_use(const struct pawl_json_at *object, size_t row)
{
    bool is_active = true;
    return strcmp(rows[row].member, "final_activation") == 0 && has(object, "activate_final") &&
           pawl_json_get_bool(object, "activate_final", &is_active, NULL) == 0 && !is_active;
}

static int read_row(struct pawl_trainer_words *words, const struct pawl_json_at *root,
                    size_t row, const char *source, struct pawl_err *err)
{
    char text[PAWL_TRAINER_WORD_BYTES];
    struct pawl_json_at object = *root;
    int code = 0;

    if (rows[row].object && !has(root, rows[row].object))
        return 0;
    if (rows[row].object)
        code = pawl_json_get_object(root, rows[row].object, &object, err);
    if (code != 0 || !has(&object, rows[row].member) || is_without_use(&object, row))
        return code;
    code = read_value(&object, row, text, sizeof(text), err);
    return code != 0 ? code
                     : add(words, rows[row].key, value_of(words, row, text, source), err);
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

static int read_statistic(struct pawl_trainer_words *words, const struct pawl_json_at *state,
                          const char *member, const char *key, struct pawl_err *err)
{
    char text[PAWL_TRAINER_WORD_BYTES];
    int code = read_list(state, member, false, text, sizeof(text), err);
    return code != 0 ? code : add(words, key, text, err);
}

/* What only a config.json of ours means: LeRobot's learner has statistics and does not use
 * them, and knows no other compat. It keeps our tags when it goes on with a checkpoint of ours,
 * so a tag alone does not tell. */
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
        code = read_statistic(words, &state, "mean", "policy.sac.observation_mean", err);
    if (code == 0)
        code = read_statistic(words, &state, "std", "policy.sac.observation_std", err);
    return code;
}

static int read_root(struct pawl_trainer_words *words, const struct pawl_json_at *root,
                     bool is_ours, const char *source, struct pawl_err *err)
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
        code = read_row(words, root, i, source, err);
    if (code != 0 || !has_tag(root, PAWL_SAC_TAG))
        return code;
    if (is_ours)
        return read_ours(words, root, err);
    add_note(words, source,
             "its state of Pawl is not there, so LeRobot may have trained it since: compat and "
             "the observations' statistics are not taken from there");
    return 0;
}

int pawl_sac_recall(struct pawl_trainer_words *words, const char *text, size_t length_bytes,
                    bool is_ours, const char *source, struct pawl_err *err)
{
    struct pawl_json doc;

    words->count = 0;
    words->note[0] = '\0';
    int code = pawl_json_open_text(&doc, text, length_bytes, source, &limits, err);
    if (code != 0)
        return code;
    struct pawl_json_at root = pawl_json_root(&doc);
    code = read_root(words, &root, is_ours, source, err);
    pawl_json_close(&doc);
    return code;
}
