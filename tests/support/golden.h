/* golden.h: the numbers of tests/golden, as the generators there wrote them.
 *
 *     struct golden golden;
 *     golden_open(&golden, PAWL_SOURCE_DIR, "sac/polyak.json");
 *     for (size_t i = 0; i < golden.case_count; i++) {
 *         struct golden_case test = golden_case(&golden, i);
 *         golden_check(&test, "target_seq", values, count);
 *     }
 *     golden_close(&golden);
 */
#ifndef PAWL_TEST_GOLDEN_H
#define PAWL_TEST_GOLDEN_H

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define GOLDEN_FLOATS_MAX 512

struct golden {
    json_t *root;
    size_t case_count;
    double rtol, atol;
};

struct golden_case {
    const char *name;
    const json_t *params, *inputs, *expected;
    double rtol, atol;
};

struct golden_array {
    size_t count;
    uint32_t rank, shape[4];
    float data[GOLDEN_FLOATS_MAX];
};

/* source_dir: PAWL_SOURCE_DIR, which the build defines for tests. */
static inline void golden_open(struct golden *golden, const char *source_dir, const char *file)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/golden/%s", source_dir, file);
    golden->root = json_load_file(path, 0, NULL);
    ck_assert_msg(golden->root != NULL, "%s cannot be read", path);
    golden->case_count = json_array_size(json_object_get(golden->root, "cases"));
    golden->rtol = json_number_value(json_object_get(golden->root, "rtol"));
    golden->atol = json_number_value(json_object_get(golden->root, "atol"));
    ck_assert_uint_gt(golden->case_count, 0);
}

static inline void golden_close(struct golden *golden)
{
    json_decref(golden->root);
}

static inline struct golden_case golden_case(const struct golden *golden, size_t index)
{
    const json_t *at = json_array_get(json_object_get(golden->root, "cases"), index);
    return (struct golden_case){.name = json_string_value(json_object_get(at, "name")),
                                .params = json_object_get(at, "params"),
                                .inputs = json_object_get(at, "inputs"),
                                .expected = json_object_get(at, "expected"),
                                .rtol = golden->rtol,
                                .atol = golden->atol};
}

static inline double golden_param(const struct golden_case *test, const char *key)
{
    const json_t *value = json_object_get(test->params, key);
    ck_assert_msg(value != NULL, "%s has no '%s'", test->name, key);
    return json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
}

static inline struct golden_array golden_array(const json_t *tensor)
{
    struct golden_array array = {0};
    const json_t *shape = json_object_get(tensor, "shape");
    const json_t *data = json_object_get(tensor, "data");

    ck_assert_ptr_nonnull(data);
    array.rank = (uint32_t)json_array_size(shape);
    array.count = json_array_size(data);
    ck_assert_uint_le(array.count, GOLDEN_FLOATS_MAX);
    for (uint32_t i = 0; i < array.rank; i++)
        array.shape[i] = (uint32_t)json_integer_value(json_array_get(shape, i));
    for (size_t i = 0; i < array.count; i++)
        array.data[i] = (float)json_number_value(json_array_get(data, i));
    return array;
}

static inline struct golden_array golden_input(const struct golden_case *test, const char *key)
{
    const json_t *tensor = json_object_get(test->inputs, key);
    ck_assert_msg(tensor != NULL, "%s has no input '%s'", test->name, key);
    return golden_array(tensor);
}

static inline struct golden_array golden_expected(const struct golden_case *test,
                                                  const char *key)
{
    const json_t *tensor = json_object_get(test->expected, key);
    ck_assert_msg(tensor != NULL, "%s expects no '%s'", test->name, key);
    return golden_array(tensor);
}

static inline void golden_close_to(const struct golden_case *test, const char *key,
                                   size_t index, double got, double want)
{
    ck_assert_msg(fabs(got - want) <= test->atol + test->rtol * fabs(want),
                  "%s: %s[%zu] = %.9g, want %.9g", test->name, key, index, got, want);
}

/* As many as were expected, at the tolerance of the file. */
static inline void golden_check(const struct golden_case *test, const char *key,
                                const float *values, size_t count)
{
    struct golden_array want = golden_expected(test, key);
    ck_assert_uint_eq(want.count, count);
    for (size_t i = 0; i < count; i++)
        golden_close_to(test, key, i, (double)values[i], (double)want.data[i]);
}

#endif
