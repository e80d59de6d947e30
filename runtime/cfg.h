/* cfg.h: what a run is configured by: one row per key, and everything else follows from the
 * row.
 *
 *     struct pawl_ring_cfg { int64_t capacity; double timeout_s; };
 *
 *     static const struct pawl_cfg_row rows[] = {
 *     #define S struct pawl_ring_cfg
 *         PAWL_CFG_POWER_OF_TWO_ROW(S, "ring.capacity", capacity, 1024, 64, 1048576, "steps",
 *                                   "Steps that fit into a ring."),
 *         PAWL_CFG_F64_ROW(S, "ring.timeout_s", timeout_s, 0.5, 0.0, 60.0, "s",
 *                          "How long a full ring is waited for."),
 *     #undef S
 *     };
 *     const struct pawl_cfg_table pawl_ring_table = {
 *         .name = "ring", .help = "Rings between actors and the learner.",
 *         .rows = rows, .row_count = 2, .fields_bytes = sizeof(struct pawl_ring_cfg),
 *     };
 *
 *     const struct pawl_cfg_table *const tables[] = {&pawl_run_table, &pawl_ring_table, NULL};
 *     struct pawl_cfg *cfg;
 *     struct pawl_cfg_source source = {.path = "x.toml", .environment = environ};
 *     if (pawl_cfg_open(&cfg, tables, &source, &err) == -EINVAL)
 *         pawl_cfg_problems_print(cfg, stderr);   all of them, and the program exits with 2
 *     const struct pawl_ring_cfg *ring = pawl_cfg_fields(cfg, &pawl_ring_table);
 *     pawl_cfg_close(cfg);
 *
 * Lowest first, values come from: the row's default, what the run begins with (a checkpoint,
 * say, that has a configuration of its own), the files named by `extends`, the file,
 * the environment (PAWL__RING__CAPACITY=2048), the command line (--ring.capacity=2048,
 * --ring.timeout-s 2, ring.capacity=2048). The right-hand side is TOML; a bare word is a text
 * where the row says text. Tables called `x-...` at the top of a file are ignored.
 *
 * Thread safety: one thread opens; an open configuration is constant and any thread may read
 * it.
 */
#ifndef PAWL_RUNTIME_CFG_H
#define PAWL_RUNTIME_CFG_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Limits; beyond them a load is refused with a sentence. */
#define PAWL_CFG_FILE_BYTES_MAX   (4u << 20)
#define PAWL_CFG_FILE_COUNT_MAX   32 /* a file and all it extends */
#define PAWL_CFG_EXTENDS_NEST_MAX 8
#define PAWL_CFG_KEY_BYTES_MAX    128 /* a whole dotted key, with its NUL */
#define PAWL_CFG_TEXT_BYTES_MAX   4096
#define PAWL_CFG_PROBLEM_MAX      100 /* reported one by one; the others are counted */
#define PAWL_CFG_LIST_ITEM_MAX    64
#define PAWL_CFG_LIST_TEXT_BYTES  256 /* a text in a list, with its NUL */
#define PAWL_CFG_LIST_TEXT_MAX    32

/* What a row of the type fills. A field of another type does not compile. */
enum pawl_cfg_type {
    PAWL_CFG_BOOL,      /* bool */
    PAWL_CFG_I64,       /* int64_t */
    PAWL_CFG_F64,       /* double, never infinite or not a number */
    PAWL_CFG_TEXT,      /* char[N], N <= PAWL_CFG_TEXT_BYTES_MAX: UTF-8, NUL at the end */
    PAWL_CFG_CHOICE,    /* int32_t: the position in the row's choices */
    PAWL_CFG_I64_LIST,  /* struct pawl_cfg_i64_list */
    PAWL_CFG_F64_LIST,  /* struct pawl_cfg_f64_list */
    PAWL_CFG_TEXT_LIST, /* struct pawl_cfg_text_list */
};

struct pawl_cfg_i64_list {
    uint32_t count;
    int64_t items[PAWL_CFG_LIST_ITEM_MAX];
};

struct pawl_cfg_f64_list {
    uint32_t count;
    double items[PAWL_CFG_LIST_ITEM_MAX];
};

struct pawl_cfg_text_list {
    uint32_t count;
    char items[PAWL_CFG_LIST_TEXT_MAX][PAWL_CFG_LIST_TEXT_BYTES];
};

enum {
    PAWL_CFG_IS_POWER_OF_TWO = 1 << 0, /* I64 */
    PAWL_CFG_IS_NOT_EMPTY = 1 << 1,    /* TEXT and lists */
};

union pawl_cfg_number {
    int64_t i64; /* I64, I64_LIST; CHOICE: a position; BOOL: 0 or 1 */
    double f64;  /* F64, F64_LIST */
};

/* Written with the macros below. All texts are constants of the program, ASCII, one line. */
struct pawl_cfg_row {
    const char *key; /* whole: the name of its table, a dot, a word of [a-z0-9_] */
    enum pawl_cfg_type type;
    unsigned flags;
    size_t offset;                  /* of the field in the struct that the table fills */
    size_t field_bytes;             /* of the field */
    union pawl_cfg_number standard; /* the default, of a type that is a number */
    union pawl_cfg_number min, max; /* of the number or of each item; both included */
    const char *standard_text;      /* the default: TEXT as it is, lists as TOML */
    const char *const *choices;     /* CHOICE: NULL behind the last; otherwise NULL */
    const char *unit;               /* "" when there is none */
    const char *help;               /* one sentence */
};

struct pawl_cfg;

struct pawl_cfg_table {
    const char *name; /* as in the file: "policy.sac" for [policy.sac] */
    const char *help; /* one sentence */
    const struct pawl_cfg_row *rows;
    size_t row_count;
    size_t fields_bytes; /* of the struct that the rows fill */

    /* Called once all values are in, to compare keys with each other, those of other tables
     * included: reads pawl_cfg_fields() and calls pawl_cfg_conflict(). May be NULL. */
    void (*check)(struct pawl_cfg *cfg);

    /* Called by pawl_cfg_look(): whether there is what the values name, files and devices;
     * calls pawl_cfg_refuse() and pawl_cfg_warn(). May be NULL. */
    void (*look)(struct pawl_cfg *cfg);
};

/* No bound on a side: written into rows, never printed as a number. */
#define PAWL_CFG_I64_LOWEST  INT64_MIN
#define PAWL_CFG_I64_HIGHEST INT64_MAX
#define PAWL_CFG_F64_LOWEST  (-__builtin_inf())
#define PAWL_CFG_F64_HIGHEST (__builtin_inf())

/* The offset of a field, if it has the type that the row says. */
#define PAWL_CFG_FIELD(S, type, field)                                                         \
    .offset = offsetof(S, field) + 0 * sizeof(_Generic(((S *)0)->field, type                   \
                                                       : (char)0)),                            \
    .field_bytes = sizeof(((S *)0)->field)

#define PAWL_CFG_BOOL_ROW(S, key_, field, standard_, help_)                                    \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_BOOL, PAWL_CFG_FIELD(S, bool, field),                    \
        .standard.i64 = standard_, .max.i64 = 1, .standard_text = "", .unit = "",              \
        .help = help_                                                                          \
    }

#define PAWL_CFG_I64_ROW(S, key_, field, standard_, min_, max_, unit_, help_)                  \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_I64, PAWL_CFG_FIELD(S, int64_t, field),                  \
        .standard.i64 = standard_, .min.i64 = min_, .max.i64 = max_, .standard_text = "",      \
        .unit = unit_, .help = help_                                                           \
    }

#define PAWL_CFG_POWER_OF_TWO_ROW(S, key_, field, standard_, min_, max_, unit_, help_)         \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_I64, .flags = PAWL_CFG_IS_POWER_OF_TWO,                  \
        PAWL_CFG_FIELD(S, int64_t, field), .standard.i64 = standard_, .min.i64 = min_,         \
        .max.i64 = max_, .standard_text = "", .unit = unit_, .help = help_                     \
    }

#define PAWL_CFG_F64_ROW(S, key_, field, standard_, min_, max_, unit_, help_)                  \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_F64, PAWL_CFG_FIELD(S, double, field),                   \
        .standard.f64 = standard_, .min.f64 = min_, .max.f64 = max_, .standard_text = "",      \
        .unit = unit_, .help = help_                                                           \
    }

#define PAWL_CFG_TEXT_ROW(S, key_, field, standard_, flags_, help_)                            \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_TEXT, .flags = flags_, PAWL_CFG_FIELD(S, char *, field), \
        .standard_text = standard_, .unit = "", .help = help_                                  \
    }

/* standard_ is the position in choices_, an array of texts with NULL behind the last. */
#define PAWL_CFG_CHOICE_ROW(S, key_, field, standard_, choices_, help_)                        \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_CHOICE, PAWL_CFG_FIELD(S, int32_t, field),               \
        .standard.i64 = standard_, .standard_text = "", .choices = choices_, .unit = "",       \
        .help = help_                                                                          \
    }

/* standard_ is a TOML list as text: "[256, 256]". */
#define PAWL_CFG_I64_LIST_ROW(S, key_, field, standard_, min_, max_, flags_, unit_, help_)     \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_I64_LIST, .flags = flags_,                               \
        PAWL_CFG_FIELD(S, struct pawl_cfg_i64_list, field), .standard_text = standard_,        \
        .min.i64 = min_, .max.i64 = max_, .unit = unit_, .help = help_                         \
    }

#define PAWL_CFG_F64_LIST_ROW(S, key_, field, standard_, min_, max_, flags_, unit_, help_)     \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_F64_LIST, .flags = flags_,                               \
        PAWL_CFG_FIELD(S, struct pawl_cfg_f64_list, field), .standard_text = standard_,        \
        .min.f64 = min_, .max.f64 = max_, .unit = unit_, .help = help_                         \
    }

#define PAWL_CFG_TEXT_LIST_ROW(S, key_, field, standard_, flags_, help_)                       \
    {                                                                                          \
        .key = key_, .type = PAWL_CFG_TEXT_LIST, .flags = flags_,                              \
        PAWL_CFG_FIELD(S, struct pawl_cfg_text_list, field), .standard_text = standard_,       \
        .unit = "", .help = help_                                                              \
    }

/* In all that follows, `tables` is an array of pointers with NULL behind the last; what it
 * points to outlives every configuration made from it. */

/* Fails with -EINVAL on a row that contradicts itself: a key outside its table, a key given
 * twice, a default outside its range. For the test of a program's tables. */
int pawl_cfg_tables_check(const struct pawl_cfg_table *const *tables, struct pawl_err *err);

/* Fills the struct of a table (table->fields_bytes) with the defaults of its rows. -EDOM: one
 * of them is not allowed by its own row. */
int pawl_cfg_default(const struct pawl_cfg_table *table, void *fields, struct pawl_err *err);

/* What a run begins with, and whose it is, for people: "runs/x/config.json". */
struct pawl_cfg_base {
    char *const *words; /* KEY=VALUE each */
    int word_count;
    const char *origin;
};

/* Where values come from; each member may be zero. Borrowed for the call to open, except that
 * the words and the environment have to outlive the configuration: origins point to them. */
struct pawl_cfg_source {
    const char *path;         /* of the TOML file */
    char *const *environment; /* as environ; names that begin with PAWL__ are read */
    char *const *words;       /* of the command line, overrides only, in their order */
    int word_count;

    const struct pawl_cfg_base *base; /* beneath the file; has to outlive it likewise */

    /* The file may have tables that are not in `tables`: a program reads its part of what
     * another one has checked as a whole, as the roles of a run do. */
    bool has_other_tables;

    /* Not all values are in yet: what keys demand of each other is not looked at. */
    bool is_part;
};

/* 0: all values are in. -EINVAL: the configuration has problems and *cfg holds them (and
 * nothing else of use); err->text has the first. -ENOMEM, and -EDOM for rows that contradict
 * themselves: *cfg is NULL. Close it in all cases. */
int pawl_cfg_open(struct pawl_cfg **cfg, const struct pawl_cfg_table *const *tables,
                  const struct pawl_cfg_source *source, struct pawl_err *err);

void pawl_cfg_close(struct pawl_cfg *cfg); /* NULL is fine */

/* The struct that the table fills; valid until close. NULL for a table that was not in
 * `tables`. */
const void *pawl_cfg_fields(const struct pawl_cfg *cfg, const struct pawl_cfg_table *table);

/* Writes where the value comes from: "default", "configs/a.toml:14", "PAWL__RUN__SEED" or
 * "command line"; "" for a key that does not exist. Cut when too long. */
void pawl_cfg_origin(const struct pawl_cfg *cfg, const char *key, char *text,
                     size_t text_bytes);

/* From a table's check: `key` and `other_key` contradict each other. The rule is a sentence
 * without a full stop: "a batch has to fit into the replay". Reported at whichever of the two
 * was given last, with both values and the origin of the other. Nothing is reported when one of
 * them already has a problem of its own, or when a part of a file could not be read. */
void pawl_cfg_conflict(struct pawl_cfg *cfg, const char *key, const char *other_key,
                       const char *rule, ...) __attribute__((format(printf, 4, 5)));

/* From a table's look: what the value of `key` names cannot be used, by an errno value, why,
 * and the way out. Nothing is reported of a key that already has a problem. */
void pawl_cfg_refuse(struct pawl_cfg *cfg, const char *key, int code, const char *way_out,
                     const char *why, ...) __attribute__((format(printf, 5, 6)));

/* From a table's look: something new would begin, and not do what the value of `key` seems to
 * say. A warning is said and stops nothing. */
void pawl_cfg_warn(struct pawl_cfg *cfg, const char *key, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* The same where `key` has no effect while other_key has its value; only of a key that was
 * given, and not as what it is by default (a run's own file has all keys). */
void pawl_cfg_warn_idle(struct pawl_cfg *cfg, const char *key, const char *other_key);

/* For who is about to begin something new with an open configuration. -ENOENT: something that
 * it names is missing; -EINVAL: or is not what it should be. The configuration has these
 * problems then. */
int pawl_cfg_look(struct pawl_cfg *cfg, struct pawl_err *err);
/* The same for who goes on with something: only what the environment and the words give. */
int pawl_cfg_look_given(struct pawl_cfg *cfg, struct pawl_err *err);

/* All problems, in the order of file and line, then environment, then command line; the last
 * line counts them and names the table to look up. Prints nothing when there are none. */
size_t pawl_cfg_problem_count(const struct pawl_cfg *cfg);
void pawl_cfg_problems_print(const struct pawl_cfg *cfg, FILE *out);

/* Likewise what pawl_cfg_look() has to warn of, a line each. */
void pawl_cfg_warnings_print(const struct pawl_cfg *cfg, FILE *out);

/* Every key with its value, as TOML that gives the same configuration again. */
void pawl_cfg_dump(const struct pawl_cfg *cfg, FILE *out);
/* The same with the origin of each value as a comment behind it. */
void pawl_cfg_dump_origin(const struct pawl_cfg *cfg, FILE *out);

/* Two lines per key whose value differs between two configurations of the same tables; returns
 * how many there are. `- key = value  # origin` is a's, `+ ...` is b's. */
size_t pawl_cfg_diff(const struct pawl_cfg *a, const struct pawl_cfg *b, FILE *out);

/* How many of the words make up an override, from words[0] on: 0 when it is none (a path, an
 * option without a dot), 1, or 2 for `--key value`. For whoever splits a command line. */
int pawl_cfg_override_words(const struct pawl_cfg_table *const *tables, int word_count,
                            char *const *words);

/* What is known of the keys, for people and programs; each from the rows alone. */
enum pawl_cfg_format {
    PAWL_CFG_FORMAT_SUMMARY, /* one line per table */
    PAWL_CFG_FORMAT_HELP,    /* for a terminal of 80 columns */
    PAWL_CFG_FORMAT_MAN,     /* roff, to stand inside a section of a man page */
    PAWL_CFG_FORMAT_MD,      /* a reference page */
    PAWL_CFG_FORMAT_TOML,    /* a file with every key at its default, commented */
};

/* For one table, pass an array of it and NULL. */
void pawl_cfg_schema(const struct pawl_cfg_table *const *tables, enum pawl_cfg_format format,
                     FILE *out);

/* The same as JSON. Prints nothing when it fails: -ENOMEM, or -EDOM for rows that contradict
 * themselves. */
int pawl_cfg_schema_json(const struct pawl_cfg_table *const *tables, FILE *out,
                         struct pawl_err *err);

/* NULL when there is none. */
const struct pawl_cfg_table *pawl_cfg_table_find(const struct pawl_cfg_table *const *tables,
                                                 const char *name);
const struct pawl_cfg_row *pawl_cfg_row_find(const struct pawl_cfg_table *const *tables,
                                             const char *key);

/* The name of the nearest table or whole key to what somebody typed; NULL when none is near. */
const char *pawl_cfg_table_nearest(const struct pawl_cfg_table *const *tables,
                                   const char *name);
const char *pawl_cfg_key_nearest(const struct pawl_cfg_table *const *tables, const char *key);

/* Text of a row: the default as TOML, and what is allowed: `0 .. 3600 s`, `"sac" or "pi_rl"`.
 * Cut when too long. */
void pawl_cfg_row_standard(const struct pawl_cfg_row *row, char *text, size_t text_bytes);
void pawl_cfg_row_allowed(const struct pawl_cfg_row *row, char *text, size_t text_bytes);

/* The nearest of `count` words to what somebody typed, or NULL: for verbs, options, choices. */
const char *pawl_cfg_nearest(const char *typed, const char *const *words, size_t count);

#endif
