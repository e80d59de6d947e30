#include "learner/finite.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

static struct pawl_spec spec;
static struct pawl_finite checks;
static struct pawl_err err;
static _Alignas(8) unsigned char data[256];

static void make(void)
{
    pawl_spec_add(&spec, "obs.state", PAWL_F32, 1, (uint32_t[]){3}, &err);
    pawl_spec_add(&spec, "obs.image", PAWL_U8, 1, (uint32_t[]){5}, &err);
    pawl_spec_add(&spec, "action", PAWL_F32, 1, (uint32_t[]){2}, &err);
    pawl_spec_add(&spec, "reward", PAWL_F32, 0, NULL, &err);
    pawl_spec_add(&spec, "terminated", PAWL_BOOL, 0, NULL, &err);
    pawl_spec_add(&spec, "extra.a", PAWL_F64, 0, NULL, &err);
    pawl_spec_add(&spec, "extra.b", PAWL_F16, 0, NULL, &err);
    pawl_spec_add(&spec, "extra.c", PAWL_BF16, 0, NULL, &err);
    pawl_spec_add(&spec, "extra.d", PAWL_I64, 0, NULL, &err);
    pawl_spec_add(&spec, "extra.e", PAWL_BOOL, 1, (uint32_t[]){3}, &err);
    ck_assert_msg(err.code == 0, "%s", err.text);
    pawl_finite_make(&checks, &spec);
}

/* Puts the bytes into a field and expects the sentence. */
static void expect(const char *name, uint32_t index, const void *value, size_t value_bytes,
                   const char *sentence)
{
    unsigned char *at = data + pawl_spec_find(&spec, name)->offset_bytes + index * value_bytes;
    err = (struct pawl_err){0};
    memcpy(at, value, value_bytes);
    ck_assert(pawl_finite_is(&checks, data) == (sentence == NULL));
    ck_assert_int_eq(pawl_finite_explain(&checks, data, &err), sentence ? -EINVAL : 0);
    ck_assert_str_eq(err.text, sentence ? sentence : "");
    memset(at, 0, value_bytes);
    ck_assert(pawl_finite_is(&checks, data));
}

START_TEST(what_is_no_number_is_named_by_its_field)
{
    make();
    expect("obs.state", 2, &(float){NAN}, 4, "obs.state[2] is nan");
    expect("obs.state", 0, &(float){-INFINITY}, 4, "obs.state[0] is infinite");
    expect("action", 1, &(float){INFINITY}, 4, "action[1] is infinite");
    expect("reward", 0, &(float){NAN}, 4, "reward is nan");
    expect("terminated", 0, &(uint8_t){2}, 1, "terminated is neither 0 nor 1");
    expect("extra.a", 0, &(double){NAN}, 8, "extra.a is nan");
    expect("extra.a", 0, &(double){INFINITY}, 8, "extra.a is infinite");
    expect("extra.b", 0, &(uint16_t){0xfc00}, 2, "extra.b is infinite");
    expect("extra.b", 0, &(uint16_t){0x7c01}, 2, "extra.b is nan");
    expect("extra.c", 0, &(uint16_t){0x7f80}, 2, "extra.c is infinite");
    expect("extra.c", 0, &(uint16_t){0xffc0}, 2, "extra.c is nan");
    for (uint32_t i = 0; i < 3; i++) {
        char sentence[64];
        snprintf(sentence, sizeof(sentence), "extra.e[%u] is neither 0 nor 1", i);
        expect("extra.e", i, &(uint8_t){4}, 1, sentence);
    }
}
END_TEST

START_TEST(every_number_and_every_byte_of_other_types_passes)
{
    make();
    expect("obs.state", 1, &(float){3.4e38f}, 4, NULL);
    expect("reward", 0, &(float){1e-45f}, 4, NULL);
    expect("obs.image", 4, &(uint8_t){255}, 1, NULL);
    expect("terminated", 0, &(uint8_t){1}, 1, NULL);
    expect("extra.a", 0, &(double){-1.7e308}, 8, NULL);
    expect("extra.b", 0, &(uint16_t){0x7bff}, 2, NULL);
    expect("extra.d", 0, &(int64_t){-1}, 8, NULL);
}
END_TEST

START_TEST(fields_side_by_side_are_one_span)
{
    make();
    /* obs.state; action and reward; terminated; a; b; c; e */
    ck_assert_uint_eq(checks.span_count, 7);
    ck_assert_uint_eq(checks.spans[1].count, 3);
}
END_TEST

PAWL_TEST_MAIN("finite", what_is_no_number_is_named_by_its_field,
               every_number_and_every_byte_of_other_types_passes,
               fields_side_by_side_are_one_span)
