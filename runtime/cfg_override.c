/* cfg_override.c: values from the environment and from words of the command line. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cfg_internal.h"

#define ENVIRONMENT_PREFIX "PAWL__"

/* Longer than any known key, so that a cut one is not taken for one that is. */
#define KEY_TEXT_BYTES (2 * PAWL_CFG_KEY_BYTES_MAX)

/* One override, taken apart. */
struct override {
    char key[KEY_TEXT_BYTES]; /* with underscores */
    const char *value;        /* NULL: there is none */
    int word_count;
};

static bool is_key_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.';
}

/* True when the word begins like an override: `--a.b`, `--a.b=...`, `a.b=...`. */
static bool take_key(const char *word, char *key, const char **value)
{
    bool has_dashes = strncmp(word, "--", 2) == 0;
    size_t bytes = 0;
    bool has_dot = false;

    if (has_dashes)
        word += 2;
    for (; is_key_character(word[bytes]); bytes++)
        has_dot = has_dot || word[bytes] == '.';
    if (!has_dot || word[0] == '-' || word[0] == '.' || word[bytes - 1] == '.' ||
        (word[bytes] != '=' && (word[bytes] != '\0' || !has_dashes)))
        return false;

    snprintf(key, KEY_TEXT_BYTES, "%.*s",
             (int)(bytes < KEY_TEXT_BYTES ? bytes : KEY_TEXT_BYTES), word);
    for (char *at = key; *at; at++)
        *at = *at == '-' ? '_' : *at;
    *value = word[bytes] == '=' ? word + bytes + 1 : NULL;
    return true;
}

/* Takes the override that begins at words[0]; false when there is none. */
static bool take(const struct pawl_cfg_table *const *tables, int word_count, char *const *words,
                 struct override *override)
{
    if (word_count < 1 || !take_key(words[0], override->key, &override->value))
        return false;
    override->word_count = 1;
    if (override->value)
        return true;

    const char *next = word_count > 1 ? words[1] : NULL;
    const struct pawl_cfg_row *row = pawl_cfg_row_find(tables, override->key);
    if (row && row->type == PAWL_CFG_BOOL &&
        (!next || (strcmp(next, "true") != 0 && strcmp(next, "false") != 0))) {
        override->value = "true"; /* `--run.deterministic` alone */
    } else if (next && strncmp(next, "--", 2) != 0) {
        override->value = next;
        override->word_count = 2;
    }
    return true;
}

int pawl_cfg_override_words(const struct pawl_cfg_table *const *tables, int word_count,
                            char *const *words)
{
    struct override override;

    return take(tables, word_count, words, &override) ? override.word_count : 0;
}

static bool is_string_row(const struct pawl_cfg_row *row)
{
    return row->type == PAWL_CFG_TEXT || row->type == PAWL_CFG_CHOICE;
}

/* A value that is not TOML: one that begins like TOML gets the reader's words, a bare word
 * those of its type. */
static void add_not_toml(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot, const char *value,
                         const char *what, const struct pawl_cfg_mark *mark)
{
    char subject[256], plain[256];

    if (!*value || !strchr("\"'[{", *value)) {
        pawl_cfg_value_wrong_type(cfg, slot, "", mark);
        return;
    }
    pawl_cfg_mark_subject(mark, slot->row->key, subject, sizeof(subject));
    pawl_text_plain(what, strlen(what), plain, sizeof(plain));
    pawl_cfg_problem_add(cfg, mark, slot, "%s is not valid TOML: %s", subject, plain);
}

static int set_toml(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot, const char *value,
                    const struct pawl_cfg_mark *mark)
{
    struct pawl_err err = {0};
    struct pawl_toml toml;
    struct pawl_toml_place place;
    size_t bytes = strlen(value);
    char *text = malloc(bytes + 5);

    if (!text)
        return -ENOMEM;
    memcpy(text, "v = ", 4);
    memcpy(text + 4, value, bytes + 1);
    int code = pawl_toml_open(&toml, text, bytes + 4, &place, &err);
    free(text);
    if (code == -ENOMEM)
        return code;
    if (code != 0) {
        add_not_toml(cfg, slot, value, err.text, mark);
        return 0;
    }
    if (toml.nodes[0].child_count == 1)
        pawl_cfg_value_set(cfg, slot, &toml, 1, mark);
    else
        add_not_toml(cfg, slot, "[", "more than one value", mark);
    pawl_toml_close(&toml);
    return 0;
}

static int set(struct pawl_cfg *cfg, const char *key, const char *value,
               const struct pawl_cfg_mark *mark)
{
    struct pawl_cfg_slot *slot = pawl_cfg_slot_find(cfg, key);

    if (!slot) {
        pawl_cfg_problem_unknown_key(cfg, mark, key);
        return 0;
    }
    if (is_string_row(slot->row) && *value != '"' && *value != '\'') {
        pawl_cfg_value_set_text(cfg, slot, value, strlen(value), mark);
        return 0;
    }
    return set_toml(cfg, slot, value, mark);
}

int pawl_cfg_load_words(struct pawl_cfg *cfg, enum pawl_cfg_layer layer, int word_count,
                        char *const *words)
{
    struct override override;
    int code = 0;

    for (int i = 0; i < word_count && code == 0; i += override.word_count) {
        struct pawl_cfg_mark mark = {.layer = layer, .word = words[i]};
        char subject[256];

        override.word_count = 1;
        pawl_cfg_mark_subject(&mark, "", subject, sizeof(subject));
        if (!take(cfg->tables, word_count - i, words + i, &override)) {
            pawl_cfg_problem_hint(
                pawl_cfg_problem_add(cfg, &mark, NULL, "%s does not set a key", subject),
                "a key is set by --table.key=value, --table.key value or table.key=value");
        } else if (!override.value) {
            pawl_cfg_problem_add(cfg, &mark, pawl_cfg_slot_find(cfg, override.key),
                                 "%s has no value", subject);
        } else {
            mark.next_word = override.word_count == 2 ? override.value : NULL;
            code = set(cfg, override.key, override.value, &mark);
        }
    }
    return code;
}

/* PAWL__POLICY__SAC__ACTOR_LR as policy.sac.actor_lr */
static void environment_key(const char *name, size_t name_bytes, char *key)
{
    size_t at = 0;

    for (size_t i = 0; i < name_bytes && at + 1 < KEY_TEXT_BYTES; i++) {
        if (name[i] == '_' && i + 1 < name_bytes && name[i + 1] == '_') {
            key[at++] = '.';
            i++;
        } else {
            key[at++] =
                (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
        }
    }
    key[at] = '\0';
}

int pawl_cfg_load_environment(struct pawl_cfg *cfg, char *const *environment)
{
    size_t prefix_bytes = strlen(ENVIRONMENT_PREFIX);
    int code = 0;

    for (; *environment && code == 0; environment++) {
        const char *value = strchr(*environment, '=');
        struct pawl_cfg_mark mark = {.layer = PAWL_CFG_LAYER_ENVIRONMENT, .word = *environment};
        char key[KEY_TEXT_BYTES];

        if (!value || strncmp(*environment, ENVIRONMENT_PREFIX, prefix_bytes) != 0)
            continue;
        environment_key(*environment + prefix_bytes,
                        (size_t)(value - *environment) - prefix_bytes, key);
        code = set(cfg, key, value + 1, &mark);
    }
    return code;
}
