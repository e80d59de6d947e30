#include "runtime/msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/door_messages.h"
#include "support/test.h"

PAWL_MSG_DEFINE(door, DOOR_MESSAGES)

#define NAME_AT  (PAWL_MSG_HEADER_BYTES + 4 + 16)
#define LANES_AT PAWL_MSG_HEADER_BYTES

static const struct join a_join = {.lane_count = 4,
                                   .epoch = "0123456789abcde",
                                   .name = "arm \xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\xbe"};

static size_t encode_join(unsigned char data[256])
{
    size_t bytes = 0;
    struct pawl_err err = {0};
    int result = pawl_msg_encode(&door_messages, join_id, join_version, &a_join, data, 256,
                                 &bytes, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    return bytes;
}

/* The sentence with which the decoder refuses `data`. */
static const char *refusal(const unsigned char *data, size_t bytes, int code)
{
    static struct pawl_err err;
    err = (struct pawl_err){0};
    union door_any any;
    union door_any zero;
    memset(&any, 0xff, sizeof(any));
    memset(&zero, 0, sizeof(zero));
    const struct pawl_msg_kind *kind = &door_messages.kinds[0];
    ck_assert_int_eq(
        pawl_msg_decode(&door_messages, data, bytes, &any, sizeof(any), &kind, &err), -code);
    ck_assert_ptr_null(kind);
    ck_assert_mem_eq(&any, &zero, sizeof(any));
    return err.text;
}

START_TEST(what_is_encoded_is_decoded)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    union door_any any;
    const struct pawl_msg_kind *kind;
    struct pawl_err err = {0};
    int result = pawl_msg_decode(&door_messages, data, bytes, &any, sizeof(any), &kind, &err);
    ck_assert_msg(result == 0, "%s", err.text);
    ck_assert_uint_eq(kind->id, join_id);
    ck_assert_str_eq(kind->name, "join");
    ck_assert_uint_eq(any.join.lane_count, 4);
    ck_assert_mem_eq(any.join.epoch, a_join.epoch, sizeof(a_join.epoch));
    ck_assert_str_eq(any.join.name, a_join.name);
}
END_TEST

START_TEST(the_bytes_on_the_wire_are_fixed)
{
    struct knock knock = {.strength = 0x0b, .why = "ha"};
    static const unsigned char expected[] = {7, 0, 3, 0, 22, 0,   0,   0, 0x0b, 0, 0,
                                             0, 0, 0, 0, 0,  'h', 'a', 0, 0,    0, 0};
    knock.why[4] = 'x'; /* behind the end: not ours to send */
    unsigned char data[64];
    size_t bytes = 0;
    ck_assert_int_eq(pawl_msg_encode(&door_messages, knock_id, knock_version, &knock, data,
                                     sizeof(data), &bytes, NULL),
                     0);
    ck_assert_uint_eq(bytes, sizeof(expected));
    ck_assert_mem_eq(data, expected, sizeof(expected));
}
END_TEST

START_TEST(numbers_keep_all_their_bits)
{
    struct leave leave = {.position = 0xfedcba9876543210};
    unsigned char data[64];
    size_t bytes = 0;
    union door_any any;
    const struct pawl_msg_kind *kind;
    pawl_msg_encode(&door_messages, leave_id, leave_version, &leave, data, sizeof(data), &bytes,
                    NULL);
    ck_assert_int_eq(
        pawl_msg_decode(&door_messages, data, bytes, &any, sizeof(any), &kind, NULL), 0);
    ck_assert_uint_eq(any.leave.position, 0xfedcba9876543210);
}
END_TEST

START_TEST(only_the_exact_length_is_taken)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    for (size_t cut = 0; cut < bytes; cut++)
        refusal(data, cut, EPROTO);
    ck_assert_str_eq(refusal(data, 7, EPROTO), "a message of 7 bytes: its header has 8");
    data[bytes] = 0;
    ck_assert_str_eq(refusal(data, bytes + 1, EPROTO),
                     "join of 93 bytes that says 92: expected 92");
    data[4]++;
    ck_assert_str_eq(refusal(data, bytes, EPROTO),
                     "join of 92 bytes that says 93: expected 92");
}
END_TEST

START_TEST(an_unknown_kind_is_refused)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    data[0] = 9;
    ck_assert_str_eq(refusal(data, bytes, EPROTONOSUPPORT),
                     "door has no message kind 9 version 1");
}
END_TEST

START_TEST(another_version_is_refused_with_the_way_out)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    data[2] = 2;
    ck_assert_str_eq(
        refusal(data, bytes, EPROTONOSUPPORT),
        "join version 2: this program has version 1; both sides need the same build");
}
END_TEST

START_TEST(a_number_outside_its_bounds_is_refused_on_both_sides)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    data[LANES_AT] = 65;
    ck_assert_str_eq(refusal(data, bytes, EPROTO), "join.lane_count = 65: expected 1 to 64");
    data[LANES_AT] = 0;
    refusal(data, bytes, EPROTO);
    data[LANES_AT] = 1;
    data[LANES_AT + 3] = 1;
    refusal(data, bytes, EPROTO);

    static const uint64_t wrong[] = {0, 9, 21, UINT64_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct knock knock = {.strength = wrong[i]};
        struct pawl_err err = {0};
        ck_assert_int_eq(pawl_msg_encode(&door_messages, knock_id, knock_version, &knock, data,
                                         sizeof(data), &bytes, &err),
                         -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "expected 10 to 20"));
    }
}
END_TEST

START_TEST(a_text_must_end_and_be_clean_behind_its_end)
{
    unsigned char data[256];
    size_t bytes = encode_join(data);
    data[bytes - 1] = 'x';
    ck_assert_str_eq(refusal(data, bytes, EPROTO),
                     "join.name: the text has bytes behind its end; expected 1 to 63 bytes");
    memset(data + NAME_AT, 'x', 64);
    ck_assert_str_eq(refusal(data, bytes, EPROTO),
                     "join.name: the text has no end; expected 1 to 63 bytes");
    memset(data + NAME_AT, 0, 64);
    ck_assert_str_eq(refusal(data, bytes, EPROTO),
                     "join.name: the text is too short; expected 1 to 63 bytes");
}
END_TEST

START_TEST(a_text_must_be_printable_utf8)
{
    static const char *const bad[] = {
        "\n",           "a\x1b[2J",         "\x7f",
        "\xc2\x9b", /* control */
        "\xc3",         "\xe2\x82",         "\xf0\x9f\xa6",
        "\x80", /* cut, or no start */
        "\xe0\x83\xa9", "\xf0\x82\x82\xac", "\xc0\xaf",
        "\xe0\x80\xaf", "\xf0\x80\x80\xaf", /* too long a form */
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xff", /* no character */
        "\xc3(",        "\xe2\x82x",
    };
    unsigned char data[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t bytes = encode_join(data);
        memset(data + NAME_AT, 0, 64);
        strcpy((char *)data + NAME_AT, bad[i]);
        ck_assert_str_eq(refusal(data, bytes, EPROTO),
                         "join.name: the text is not printable UTF-8; expected 1 to 63 bytes");
        struct join join = a_join;
        snprintf(join.name, sizeof(join.name), "%s", bad[i]);
        ck_assert_int_eq(pawl_msg_encode(&door_messages, join_id, join_version, &join, data,
                                         sizeof(data), &bytes, NULL),
                         -EINVAL);
    }
}
END_TEST

START_TEST(the_longest_text_fits)
{
    struct knock knock = {.strength = 10, .why = "12345"};
    unsigned char data[64];
    size_t bytes = 0;
    union door_any any;
    const struct pawl_msg_kind *kind;
    pawl_msg_encode(&door_messages, knock_id, knock_version, &knock, data, sizeof(data), &bytes,
                    NULL);
    ck_assert_int_eq(
        pawl_msg_decode(&door_messages, data, bytes, &any, sizeof(any), &kind, NULL), 0);
    ck_assert_str_eq(any.knock.why, "12345");
}
END_TEST

START_TEST(room_that_is_too_small_is_an_error)
{
    unsigned char data[256];
    size_t bytes = 0;
    struct pawl_err err = {0};
    ck_assert_int_eq(
        pawl_msg_encode(&door_messages, join_id, join_version, &a_join, data, 91, &bytes, &err),
        -ENOBUFS);
    ck_assert_str_eq(err.text, "join is 92 bytes, there is room for 91");
    bytes = encode_join(data);
    struct leave leave;
    const struct pawl_msg_kind *kind;
    ck_assert_int_eq(
        pawl_msg_decode(&door_messages, data, bytes, &leave, sizeof(leave), &kind, NULL),
        -EINVAL);
}
END_TEST

START_TEST(a_kind_that_is_not_in_the_table_cannot_be_encoded)
{
    unsigned char data[256];
    size_t bytes = 0;
    struct pawl_err err = {0};
    ck_assert_int_eq(
        pawl_msg_encode(&door_messages, join_id, 2, &a_join, data, sizeof(data), &bytes, &err),
        -EINVAL);
    ck_assert_str_eq(err.text, "message table door has no kind 1 version 2");
}
END_TEST

START_TEST(a_good_table_passes_its_check)
{
    struct pawl_err err = {0};
    ck_assert_msg(pawl_msg_table_check(&door_messages, &err) == 0, "%s", err.text);
}
END_TEST

/* Checks a table of `kind` twice or once. */
static int check_table(const struct pawl_msg_kind *kind, size_t kind_count,
                       struct pawl_err *err)
{
    struct pawl_msg_kind kinds[2] = {*kind, *kind};
    struct pawl_msg_table table = {"bad", kinds, kind_count};
    return pawl_msg_table_check(&table, err);
}

START_TEST(a_table_with_a_mistake_does_not_pass)
{
    struct pawl_err err = {0};
    ck_assert_int_eq(check_table(&door_messages.kinds[0], 2, &err), -EINVAL);
    ck_assert_str_eq(err.text, "message table bad: join: kind 1 version 1 is taken, or the "
                               "version is 0");

    struct pawl_msg_kind kind = door_messages.kinds[0];
    kind.version = 0;
    ck_assert_int_eq(check_table(&kind, 1, NULL), -EINVAL);

    static const struct pawl_msg_field bad[] = {{"a", PAWL_MSG_U32, 0, 2, 1},
                                                {"a", PAWL_MSG_U32, 0, 0, 1ull << 32},
                                                {"a", PAWL_MSG_BYTES, 0, 1, 2},
                                                {"a", PAWL_MSG_BYTES, 0, 0, 0},
                                                {"a", PAWL_MSG_STRING, 0, 0, 65536}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        kind = (struct pawl_msg_kind){1, 1, "k", 8, &bad[i], 1};
        err = (struct pawl_err){0};
        ck_assert_int_eq(check_table(&kind, 1, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "bad: k.a: impossible bounds"));
    }

    static const struct pawl_msg_field big[] = {{"a", PAWL_MSG_STRING, 0, 0, 40000},
                                                {"b", PAWL_MSG_STRING, 0, 0, 40000}};
    kind = (struct pawl_msg_kind){1, 1, "k", 80002, big, 2};
    err = (struct pawl_err){0};
    ck_assert_int_eq(check_table(&kind, 1, &err), -EINVAL);
    ck_assert_str_eq(err.text, "message table bad: k: 80010 bytes, at most 65536");
}
END_TEST

PAWL_TEST_MAIN("msg", what_is_encoded_is_decoded, the_bytes_on_the_wire_are_fixed,
               numbers_keep_all_their_bits, only_the_exact_length_is_taken,
               an_unknown_kind_is_refused, another_version_is_refused_with_the_way_out,
               a_number_outside_its_bounds_is_refused_on_both_sides,
               a_text_must_end_and_be_clean_behind_its_end, a_text_must_be_printable_utf8,
               the_longest_text_fits, room_that_is_too_small_is_an_error,
               a_kind_that_is_not_in_the_table_cannot_be_encoded, a_good_table_passes_its_check,
               a_table_with_a_mistake_does_not_pass)
