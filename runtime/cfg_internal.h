/* cfg_internal.h: what the files cfg*.c share and nobody else includes.
 *
 * A configuration is an array of slots, one per row and sorted by key; a value is written into
 * the struct of its table the moment it is read and found good, later layers over earlier ones,
 * and the slot remembers the mark it came from. What is wrong becomes a problem with a mark and
 * the load goes on.
 */
#ifndef PAWL_RUNTIME_CFG_INTERNAL_H
#define PAWL_RUNTIME_CFG_INTERNAL_H

#include "runtime/cfg.h"
#include "runtime/text.h"
#include "runtime/toml.h"

#include <sys/types.h>

enum pawl_cfg_layer {
    PAWL_CFG_LAYER_DEFAULT,
    PAWL_CFG_LAYER_BASE,
    PAWL_CFG_LAYER_FILE,
    PAWL_CFG_LAYER_ENVIRONMENT,
    PAWL_CFG_LAYER_WORDS,
};

/* Where something was written. */
struct pawl_cfg_mark {
    enum pawl_cfg_layer layer;
    uint32_t file_index;           /* FILE */
    struct pawl_toml_place key_at; /* FILE: where the key is; line 0: the file as a whole */
    struct pawl_toml_place at;     /* FILE: what the caret points at */
    const char *word;              /* ENVIRONMENT: "NAME=value"; WORDS, BASE: the word */
    const char *next_word;         /* WORDS: the value of `--key value`; otherwise NULL */
};

struct pawl_cfg_problem {
    struct pawl_cfg_mark mark;
    const char *table_name; /* to look up; NULL when there is none */
    bool is_known_key;
    uint32_t sequence_index; /* the order in which they were found */
    char text[768];
    char hint[512]; /* "" for none */
};

struct pawl_cfg_slot {
    const struct pawl_cfg_row *row;
    const struct pawl_cfg_table *table;
    void *fields; /* the struct of the table */
    struct pawl_cfg_mark mark;
    bool has_problem;
};

struct pawl_cfg_file {
    char *path; /* as given, or as reached through `extends` */
    char *text;
    size_t text_bytes;
    dev_t device;
    ino_t inode;
    uint32_t parent_index; /* the file that extends this one; its own index for the first */
};

struct pawl_cfg {
    const struct pawl_cfg_table *const *tables;
    size_t table_count;
    void **fields; /* one struct per table */
    struct pawl_cfg_slot *slots;
    size_t slot_count;
    struct pawl_cfg_file files[PAWL_CFG_FILE_COUNT_MAX];
    uint32_t file_count;
    struct pawl_cfg_problem *problems; /* room for PAWL_CFG_PROBLEM_MAX */
    size_t problem_count;              /* those beyond the room are counted only */
    struct pawl_cfg_problem *warnings; /* likewise */
    size_t warning_count;
    const char *base_origin; /* of LAYER_BASE */
    bool has_other_tables;   /* of the file, ignored */
    bool has_unusable;       /* what a value names is wrong or not there */
    bool is_given_looked_at; /* pawl_cfg_look_given() is at work */
    bool is_incomplete;      /* a part of a file was not TOML and its values are missing */
    char scratch[PAWL_CFG_TEXT_BYTES_MAX]; /* one value, while it is compared or quoted */
};

/* cfg.c */
struct pawl_cfg_slot *pawl_cfg_slot_find(const struct pawl_cfg *cfg, const char *key);

/* cfg_problem.c: text and hint are printf formats. */
struct pawl_cfg_problem *pawl_cfg_problem_add(struct pawl_cfg *cfg,
                                              const struct pawl_cfg_mark *mark,
                                              struct pawl_cfg_slot *slot, const char *text, ...)
    __attribute__((format(printf, 4, 5)));
void pawl_cfg_problem_hint(struct pawl_cfg_problem *problem, const char *hint, ...)
    __attribute__((format(printf, 2, 3)));
void pawl_cfg_problem_unknown_key(struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                                  const char *key);
void pawl_cfg_problem_unknown_table(struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                                    const char *name);
void pawl_cfg_problems_sort(struct pawl_cfg *cfg);
/* The one sentence for a caller that prints no list. */
void pawl_cfg_problem_first(const struct pawl_cfg *cfg, struct pawl_err *err);
/* What people call the thing at a mark: the key in a file, the whole word elsewhere. */
void pawl_cfg_mark_subject(const struct pawl_cfg_mark *mark, const char *key, char *text,
                           size_t text_bytes);
void pawl_cfg_mark_origin(const struct pawl_cfg *cfg, const struct pawl_cfg_mark *mark,
                          char *text, size_t text_bytes);

/* cfg_value.c: checks the node against the row and writes the field, or adds a problem. */
void pawl_cfg_value_set(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot,
                        const struct pawl_toml *toml, uint32_t node_index,
                        const struct pawl_cfg_mark *mark);
/* The same for a TEXT or CHOICE that was not read as TOML. */
void pawl_cfg_value_set_text(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot, const char *text,
                             size_t text_bytes, const struct pawl_cfg_mark *mark);
/* Adds "must be a whole number" and the like; `got` as people read it, "" to leave it out. */
void pawl_cfg_value_wrong_type(struct pawl_cfg *cfg, struct pawl_cfg_slot *slot,
                               const char *got, const struct pawl_cfg_mark *mark);
bool pawl_cfg_row_default(const struct pawl_cfg_row *row, void *fields);

/* cfg_text.c */
void pawl_cfg_quote(FILE *out, const char *text); /* a TOML string */
void pawl_cfg_value_print(FILE *out, const struct pawl_cfg_row *row, const void *fields);
bool pawl_cfg_has_low(const struct pawl_cfg_row *row); /* is there a bound to speak of */
bool pawl_cfg_has_high(const struct pawl_cfg_row *row);
void pawl_cfg_low_text(const struct pawl_cfg_row *row, char text[PAWL_TEXT_F64_BYTES]);
void pawl_cfg_high_text(const struct pawl_cfg_row *row, char text[PAWL_TEXT_F64_BYTES]);
/* What a person calls a value of the row: "a whole number". */
const char *pawl_cfg_type_name(const struct pawl_cfg_row *row);

/* cfg_file.c: reads a whole file into a new place in cfg->files; -errno, err->text the reason.
 * *file_index is set once the file has a place (-EMFILE: it has none). */
int pawl_cfg_file_read(struct pawl_cfg *cfg, const char *path, uint32_t parent_index,
                       uint32_t *file_index, struct pawl_err *err);
void pawl_cfg_files_free(struct pawl_cfg *cfg);
/* One line of a file without its end; NULL beyond the last. */
const char *pawl_cfg_file_line(const struct pawl_cfg_file *file, uint32_t line,
                               size_t *line_bytes);

/* cfg_syntax.c: opens a file as TOML. What is not TOML becomes problems and is left out, as far
 * as one can tell what it was; -EINVAL when nothing of the file can be used, -ENOMEM. */
int pawl_cfg_toml_open(struct pawl_cfg *cfg, uint32_t file_index, struct pawl_toml *toml);

/* cfg_load.c, cfg_override.c: one layer each; problems are added. -ENOMEM or 0. */
int pawl_cfg_load_file(struct pawl_cfg *cfg, const char *path);
int pawl_cfg_load_environment(struct pawl_cfg *cfg, char *const *environment);
int pawl_cfg_load_words(struct pawl_cfg *cfg, enum pawl_cfg_layer layer, int word_count,
                        char *const *words);

#endif
