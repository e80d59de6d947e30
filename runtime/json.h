/* json.h: JSON is written by one small writer and read through one strict, bounded door.
 *
 *     struct pawl_json_writer out;
 *     pawl_json_open_growing(&out, 1 << 20);
 *     pawl_json_begin_object(&out, NULL);
 *     pawl_json_put_i64(&out, "step", 41);
 *     pawl_json_end(&out);
 *     const char *text = pawl_json_finish(&out, &length, err);
 *     pawl_json_close_writer(&out);
 *
 *     struct pawl_json doc;
 *     if (pawl_json_open_text(&doc, text, length, "c.json", &limits, err) != 0) ...
 *     struct pawl_json_at root = pawl_json_root(&doc), optim;
 *     if (pawl_json_get_object(&root, "optim", &optim, err) != 0 ||
 *         pawl_json_get_f64(&optim, "lr", 0, 1, &lr, err) != 0)
 *         "c.json: optim.lr: a number within 0 .. 1 is wanted, got 3"
 *     pawl_json_close(&doc);
 *
 * The writer remembers its first error; the puts need no check, pawl_json_finish() tells. The
 * reader refuses what JSON leaves open: duplicate keys, invalid UTF-8, a NUL inside a string,
 * integers beyond 64 bits, numbers that overflow, bytes after the end, too many bytes, too deep
 * a nesting. Neither reads the locale: programs stay in "C".
 *
 * Thread safety: one thread per writer and per document.
 */
#ifndef PAWL_RUNTIME_JSON_H
#define PAWL_RUNTIME_JSON_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_JSON_DEPTH_MAX 64

/* --- writing --- */

struct pawl_json_writer {
    char *bytes;
    size_t length_bytes;
    size_t capacity_bytes;
    size_t bytes_max; /* a growing buffer stops here; 0: the buffer is the caller's, fixed */
    unsigned indent_count; /* blanks per level; 0: all on one line */
    unsigned depth_count;
    char closers[PAWL_JSON_DEPTH_MAX]; /* '}' or ']' of each open level */
    bool has_item[PAWL_JSON_DEPTH_MAX + 1];
    struct pawl_err err; /* the first that happened */
};

/* Into the caller's buffer, which stays the caller's and ends with a NUL after finish. */
void pawl_json_open_fixed(struct pawl_json_writer *out, char *bytes, size_t capacity_bytes);

/* Into a buffer of the writer, allocated as needed up to bytes_max (at least 1). */
void pawl_json_open_growing(struct pawl_json_writer *out, size_t bytes_max);

/* Takes a zeroed writer too. */
void pawl_json_close_writer(struct pawl_json_writer *out);

/* Back to an empty text in the same memory: for a line per event. */
void pawl_json_reset(struct pawl_json_writer *out);

/* key: the member's name inside an object, NULL inside an array and for the outermost value. */
void pawl_json_begin_object(struct pawl_json_writer *out, const char *key);
void pawl_json_begin_array(struct pawl_json_writer *out, const char *key);
void pawl_json_end(struct pawl_json_writer *out);

/* A byte that is not UTF-8 is written as U+FFFD, the replacement character; NULL as null. */
void pawl_json_put_string(struct pawl_json_writer *out, const char *key, const char *value);
void pawl_json_put_i64(struct pawl_json_writer *out, const char *key, int64_t value);
/* Above 2^63 - 1 our own reader refuses the number; ids and hashes are better as strings. */
void pawl_json_put_u64(struct pawl_json_writer *out, const char *key, uint64_t value);
/* The shortest decimal that reads back as the same double, with a point or an exponent. NaN and
 * infinity have no JSON: put_f64 refuses them, put_f64_or_null writes null. */
void pawl_json_put_f64(struct pawl_json_writer *out, const char *key, double value);
void pawl_json_put_f64_or_null(struct pawl_json_writer *out, const char *key, double value);
void pawl_json_put_bool(struct pawl_json_writer *out, const char *key, bool value);
void pawl_json_put_null(struct pawl_json_writer *out, const char *key);

/* The finished text, NUL-terminated, valid until the next call on the writer; NULL and the
 * first error when anything failed or a level is still open. length_bytes may be NULL. */
const char *pawl_json_finish(struct pawl_json_writer *out, size_t *length_bytes,
                             struct pawl_err *err);

/* --- reading --- */

struct pawl_json_limits {
    size_t bytes_max;   /* of text; parsed it takes up to about 50 times as much memory */
    unsigned depth_max; /* of nesting; at most PAWL_JSON_DEPTH_MAX */
};

struct json_t;

struct pawl_json {
    struct json_t *root;
    char *source; /* the file, for messages */
};

/* source names the text in messages and is copied. The outermost value is an object or an
 * array. -EINVAL with "SOURCE:LINE:COLUMN: ...", -EFBIG beyond a limit. */
int pawl_json_open_text(struct pawl_json *doc, const char *text, size_t length_bytes,
                        const char *source, const struct pawl_json_limits *limits,
                        struct pawl_err *err);
void pawl_json_close(struct pawl_json *doc);

enum pawl_json_type {
    PAWL_JSON_OBJECT,
    PAWL_JSON_ARRAY,
    PAWL_JSON_STRING,
    PAWL_JSON_INTEGER,
    PAWL_JSON_REAL,
    PAWL_JSON_BOOL,
    PAWL_JSON_NULL,
};

/* A value and the way to it. It points at the cursor it came from, which therefore stays in
 * place while this one is used; all are borrowed from the document. */
struct pawl_json_at {
    const struct pawl_json *doc;
    const struct pawl_json_at *parent; /* NULL: the root */
    const struct json_t *value;
    const char *key;   /* its name in an object; NULL: an item of an array */
    size_t item_index; /* likewise in an array */
};

struct pawl_json_at pawl_json_root(const struct pawl_json *doc);
enum pawl_json_type pawl_json_type_of(const struct pawl_json_at *at);

/* Members of an object or items of an array; 0 for anything else. */
size_t pawl_json_count(const struct pawl_json_at *at);
bool pawl_json_has(const struct pawl_json_at *at, const char *key);

/* The value of member `key`, or of `at` itself where key is NULL. An error says where, what is
 * wanted and what is there: "train.json: optim.lr: missing". Nothing is stored on an error. */
int pawl_json_get_object(const struct pawl_json_at *at, const char *key,
                         struct pawl_json_at *object, struct pawl_err *err);
int pawl_json_get_array(const struct pawl_json_at *at, const char *key,
                        struct pawl_json_at *array, struct pawl_err *err);
int pawl_json_get_string(const struct pawl_json_at *at, const char *key, const char **value,
                         struct pawl_err *err);
int pawl_json_get_i64(const struct pawl_json_at *at, const char *key, int64_t min, int64_t max,
                      int64_t *value, struct pawl_err *err);
/* An integer is a number too. */
int pawl_json_get_f64(const struct pawl_json_at *at, const char *key, double min, double max,
                      double *value, struct pawl_err *err);
int pawl_json_get_bool(const struct pawl_json_at *at, const char *key, bool *value,
                       struct pawl_err *err);

/* The item of an array; index below pawl_json_count(). */
struct pawl_json_at pawl_json_item(const struct pawl_json_at *array, size_t index);

/* Walks the members of an object in the order of the text: start with a zeroed `member`, until
 * false. Its key is the member's name. */
bool pawl_json_next(const struct pawl_json_at *object, struct pawl_json_at *member);

#endif
