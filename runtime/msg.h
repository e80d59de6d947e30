/* msg.h: messages of fixed form between processes that may not trust each other.
 *
 * A message kind is one row of a table; the struct, its number, its encoder and its strict
 * decoder come from the row. Nothing about a field is written twice.
 *
 *     in a header
 *     #define JOIN_FIELDS(FIELD, T)         \
 *         FIELD(T, U32, lane_count, 1, 64)  \
 *         FIELD(T, BYTES, epoch, 16, 16)    \
 *         FIELD(T, STRING, name, 1, 63)
 *     #define LEAVE_FIELDS(FIELD, T) FIELD(T, U64, position, 0, UINT64_MAX)
 *     #define DOOR_MESSAGES(KIND)           \
 *         KIND(1, 1, join, JOIN_FIELDS)     \
 *         KIND(2, 1, leave, LEAVE_FIELDS)
 *     PAWL_MSG_DECLARE(door, DOOR_MESSAGES)
 *
 *     in one source file
 *     PAWL_MSG_DEFINE(door, DOOR_MESSAGES)
 *
 * gives `struct join`, `struct leave`, the constants join_id, join_version and so on, `union
 * door_any` with a member of each kind's name, and `door_messages`, the table. Then
 *
 *     struct join join = {.lane_count = 4, .name = "arm"};
 *     pawl_msg_encode(&door_messages, join_id, join_version, &join, data, sizeof(data), &bytes,
 *                     &err);
 *     ...
 *     union door_any any;
 *     pawl_msg_decode(&door_messages, data, bytes, &any, sizeof(any), &kind, &err);
 *     if (kind->id == join_id)
 *         ... any.join.lane_count
 *
 * On the wire: u16 id, u16 version, u32 length of the whole, then the fields in the order of
 * the row, little-endian, without gaps; a string as its longest form and a zero, filled up with
 * zeros. So a message has one encoding, and each kind has one length.
 *
 * The decoder takes exactly what the encoder can make: known kind and version, exact length,
 * every number within its bounds, strings terminated, of valid UTF-8 and without control
 * characters, so that they may be printed on a terminal. Its errors repeat nothing of the data
 * but numbers.
 *
 * Kinds live as long as the protocol: a change of a row's fields raises its version. A program
 * may keep rows of several versions of a kind (with different tags) and so understand older
 * peers.
 *
 * Thread safety: tables are constant; the functions keep no state.
 */
#ifndef PAWL_RUNTIME_MSG_H
#define PAWL_RUNTIME_MSG_H

#include "runtime/err.h"
#include "runtime/sock.h"

#include <stddef.h>
#include <stdint.h>

#define PAWL_MSG_BYTES_MAX    PAWL_SOCK_MESSAGE_BYTES_MAX
#define PAWL_MSG_HEADER_BYTES 8

enum pawl_msg_type {
    PAWL_MSG_U32,   /* uint32_t, min to max */
    PAWL_MSG_U64,   /* uint64_t, min to max */
    PAWL_MSG_BYTES, /* unsigned char[max]; min = max */
    PAWL_MSG_STRING /* char[max + 1], min to max bytes without the zero */
};

struct pawl_msg_field {
    const char *name;
    enum pawl_msg_type type;
    size_t offset; /* in the kind's struct */
    uint64_t min;
    uint64_t max;
};

struct pawl_msg_kind {
    uint16_t id;
    uint16_t version;
    const char *name;
    size_t struct_bytes;
    const struct pawl_msg_field *fields;
    size_t field_count;
};

struct pawl_msg_table {
    const char *name;
    const struct pawl_msg_kind *kinds;
    size_t kind_count;
};

/* Every table has a test that calls this: ids and versions unique, bounds possible, no message
 * over PAWL_MSG_BYTES_MAX. */
int pawl_msg_table_check(const struct pawl_msg_table *table, struct pawl_err *err);

/* NULL when the table has no such kind. */
const struct pawl_msg_kind *pawl_msg_find(const struct pawl_msg_table *table, uint16_t id,
                                          uint16_t version);

/* The length of every message of this kind. */
size_t pawl_msg_bytes(const struct pawl_msg_kind *kind);

/* Writes the message into data and its length into *bytes. `body` is the kind's struct. A field
 * out of its bounds is -EINVAL, too little room is -ENOBUFS. */
int pawl_msg_encode(const struct pawl_msg_table *table, uint16_t id, uint16_t version,
                    const void *body, void *data, size_t bytes_max, size_t *bytes,
                    struct pawl_err *err);

/* Fills `body`, of body_bytes, and says in *kind which struct is there now. A kind that is not
 * in the table is -EPROTONOSUPPORT, anything else that is wrong -EPROTO; then `body` is all
 * zero and *kind is NULL. Any bytes may be passed in. */
int pawl_msg_decode(const struct pawl_msg_table *table, const void *data, size_t bytes,
                    void *body, size_t body_bytes, const struct pawl_msg_kind **kind,
                    struct pawl_err *err);

/* --- how a row becomes code --- */

#define PAWL_MSG_MEMBER_U32(name, max)    uint32_t name;
#define PAWL_MSG_MEMBER_U64(name, max)    uint64_t name;
#define PAWL_MSG_MEMBER_BYTES(name, max)  unsigned char name[max];
#define PAWL_MSG_MEMBER_STRING(name, max) char name[(max) + 1];

#define PAWL_MSG_MEMBER(tag, type, name, min, max) PAWL_MSG_MEMBER_##type(name, max)
#define PAWL_MSG_FIELD(tag, type, name, min, max)                                              \
    {#name, PAWL_MSG_##type, offsetof(struct tag, name), min, max},

#define PAWL_MSG_STRUCT(id, version, tag, FIELDS)                                              \
    struct tag {                                                                               \
        FIELDS(PAWL_MSG_MEMBER, tag)                                                           \
    };
#define PAWL_MSG_ID(id, version, tag, FIELDS)  tag##_id = id, tag##_version = version,
#define PAWL_MSG_ANY(id, version, tag, FIELDS) struct tag tag;
#define PAWL_MSG_FIELD_ROWS(id, version, tag, FIELDS)                                          \
    static const struct pawl_msg_field tag##_msg_fields[] = {FIELDS(PAWL_MSG_FIELD, tag)};
#define PAWL_MSG_KIND(id, version, tag, FIELDS)                                                \
    {id,                                                                                       \
     version,                                                                                  \
     #tag,                                                                                     \
     sizeof(struct tag),                                                                       \
     tag##_msg_fields,                                                                         \
     sizeof(tag##_msg_fields) / sizeof(tag##_msg_fields[0])},

#define PAWL_MSG_DECLARE(table, KINDS)                                                         \
    KINDS(PAWL_MSG_STRUCT)                                                                     \
    enum { KINDS(PAWL_MSG_ID) };                                                               \
    union table##_any {                                                                        \
        KINDS(PAWL_MSG_ANY)                                                                    \
    };                                                                                         \
    extern const struct pawl_msg_table table##_messages;

#define PAWL_MSG_DEFINE(table, KINDS)                                                          \
    KINDS(PAWL_MSG_FIELD_ROWS)                                                                 \
    static const struct pawl_msg_kind table##_kinds[] = {KINDS(PAWL_MSG_KIND)};                \
    const struct pawl_msg_table table##_messages = {                                           \
        #table, table##_kinds, sizeof(table##_kinds) / sizeof(table##_kinds[0])};

#endif
