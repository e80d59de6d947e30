/* toml.h: a TOML text as a flat array of nodes, each with its place in the text.
 *
 * The door to toml++: plain C on this side, C++ exceptions on the other, none of which come
 * through.
 *
 *     struct pawl_toml toml;
 *     struct pawl_toml_place place;
 *     if (pawl_toml_open(&toml, text, text_bytes, &place, &err) != 0)
 *         ... place.line, place.column and err.text say what is wrong ...
 *     for (uint32_t i = pawl_toml_first(&toml, 0); i; i = pawl_toml_next(&toml, i))
 *         ... toml.nodes[i].key ...
 *     pawl_toml_close(&toml);
 *
 * Nodes are in depth-first order and node 0 is the whole text, a table; the keys of a table
 * come sorted, the items of a list as written. Thread safety: none needed, there is no shared
 * state.
 */
#ifndef PAWL_RUNTIME_TOML_H
#define PAWL_RUNTIME_TOML_H

#include "runtime/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits of a text; all three hold for any text a person would write. */
#define PAWL_TOML_TEXT_BYTES_MAX (4u << 20)
#define PAWL_TOML_NEST_MAX       32 /* lists and inline tables inside each other */
#define PAWL_TOML_KEY_PARTS_MAX  16 /* of one dotted key: a.b.c has three */

enum pawl_toml_type {
    PAWL_TOML_TABLE,
    PAWL_TOML_LIST,
    PAWL_TOML_TEXT,
    PAWL_TOML_I64,
    PAWL_TOML_F64,
    PAWL_TOML_BOOL,
    PAWL_TOML_TIME, /* a date, a time of day or both; there is no value to read */
};

/* Lines and columns count from 1, columns in characters, not bytes; the end is the first
 * character after the thing. */
struct pawl_toml_place {
    uint32_t line, column;
    uint32_t end_line, end_column;
};

struct pawl_toml_node {
    enum pawl_toml_type type;
    uint32_t parent_index; /* of node 0: 0 */
    uint32_t end_index;    /* the first node that is not inside this one */
    uint32_t child_count;
    struct pawl_toml_place key_at;   /* of an item of a list: all zero */
    struct pawl_toml_place value_at; /* of a table that a dotted key implies: that of the key */
    const char *key;                 /* one part, without dots; "" for an item of a list */
    uint32_t key_bytes;              /* a quoted key may hold any byte, NUL included */
    const char *text;    /* PAWL_TOML_TEXT: UTF-8 with a NUL behind it; otherwise "" */
    uint32_t text_bytes; /* a text may hold a NUL too */
    int64_t i64;
    double f64;
    bool is_true;
};

struct pawl_toml {
    const struct pawl_toml_node *nodes;
    uint32_t node_count;
    void *owner; /* what holds the nodes and their texts */
};

/* Reads text (borrowed for the call). -EINVAL: not TOML, `place` says where; -E2BIG: beyond a
 * limit; -ENOMEM. On an error the object is closed. err->text is one sentence without the
 * place. A key or table that was there before gives -EEXIST. */
int pawl_toml_open(struct pawl_toml *toml, const char *text, size_t text_bytes,
                   struct pawl_toml_place *place, struct pawl_err *err);

void pawl_toml_close(struct pawl_toml *toml);

/* The first child of a table or list, and the sibling after a node; 0 when there is none. */
uint32_t pawl_toml_first(const struct pawl_toml *toml, uint32_t node_index);
uint32_t pawl_toml_next(const struct pawl_toml *toml, uint32_t node_index);

#ifdef __cplusplus
}
#endif

#endif
