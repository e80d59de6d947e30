#include "policy/nn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/philox.h"
#include "support/test.h"

#define WIDTH_MAX 300
#define BATCH_MAX 17

static float weight[WIDTH_MAX * WIDTH_MAX + 1], bias[WIDTH_MAX];
static float norm_weight[WIDTH_MAX], norm_bias[WIDTH_MAX];
static float x[BATCH_MAX * WIDTH_MAX], y[BATCH_MAX * WIDTH_MAX + 1];
static double want[BATCH_MAX * WIDTH_MAX];

static void draw(float *values, size_t count, float scale, uint32_t stream)
{
    struct pawl_philox philox;
    pawl_philox_open(&philox, 1, 99, stream);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * (float)pawl_philox_normal(&philox);
}

static double activated(double v, enum pawl_nn_activation activation)
{
    switch (activation) {
    case PAWL_NN_RELU:
        return v < 0.0 ? 0.0 : v;
    case PAWL_NN_SILU:
        return v / (1.0 + exp(-v));
    case PAWL_NN_TANH:
        return tanh(v);
    case PAWL_NN_LINEAR:
        break;
    }
    return v;
}

/* The formula of nn.h in float64, term by term. */
static void reference(const struct pawl_nn_layer *layer, uint32_t batch)
{
    uint32_t in = layer->in_count, out = layer->out_count;
    for (uint32_t b = 0; b < batch; b++) {
        double *row = want + (size_t)b * out;
        double mean = 0.0, variance = 0.0;
        for (uint32_t o = 0; o < out; o++) {
            row[o] = layer->bias[o];
            for (uint32_t i = 0; i < in; i++)
                row[o] += (double)layer->weight[o * in + i] * x[b * in + i];
            mean += row[o] / out;
        }
        for (uint32_t o = 0; o < out; o++)
            variance += (row[o] - mean) * (row[o] - mean) / out;
        for (uint32_t o = 0; o < out; o++) {
            if (layer->norm_weight)
                row[o] = (row[o] - mean) / sqrt(variance + (double)PAWL_NN_NORM_EPS) *
                             layer->norm_weight[o] +
                         layer->norm_bias[o];
            row[o] = activated(row[o], layer->activation);
        }
    }
}

static void check_layer(const struct pawl_nn *nn, uint32_t in, uint32_t out, uint32_t batch,
                        int has_norm, enum pawl_nn_activation activation)
{
    struct pawl_nn_layer layer = {
        .weight = weight,
        .bias = bias,
        .norm_weight = has_norm ? norm_weight : NULL,
        .norm_bias = has_norm ? norm_bias : NULL,
        .in_count = in,
        .out_count = out,
        .activation = activation,
    };
    size_t count = (size_t)batch * out;
    y[count] = 12345.0f;
    nn->layer(&layer, y, x, batch);
    reference(&layer, batch);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(y[i] - want[i]) <= 1e-5 * (1.0 + fabs(want[i])),
                      "%s %u -> %u, batch %u, norm %d, activation %d: y[%zu] is %.9g, not %.9g",
                      nn->name, in, out, batch, has_norm, (int)activation, i, (double)y[i],
                      want[i]);
    ck_assert_msg(y[count] == 12345.0f, "%s wrote behind the last output", nn->name);
}

static void check_all(const struct pawl_nn *nn)
{
    static const uint32_t widths[] = {1, 2, 3, 7, 8, 9, 15, 17, 31, 64, 256};
    static const uint32_t batches[] = {1, 2, 3, 4, 5, 16, 17};
    const size_t width_count = sizeof(widths) / sizeof(widths[0]);
    uint32_t turn = 0;

    for (size_t i = 0; i < width_count; i++)
        for (size_t o = 0; o < width_count; o++, turn++)
            for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++)
                check_layer(nn, widths[i], widths[o], batches[b], widths[o] > 1 && turn % 2,
                            (enum pawl_nn_activation)((turn + b) % 4));
}

static void draw_parameters(void)
{
    draw(weight, WIDTH_MAX * WIDTH_MAX, 0.1f, 0);
    draw(bias, WIDTH_MAX, 0.5f, 1);
    draw(norm_weight, WIDTH_MAX, 1.0f, 2);
    draw(norm_bias, WIDTH_MAX, 1.0f, 3);
    draw(x, BATCH_MAX * WIDTH_MAX, 1.0f, 4);
}

START_TEST(the_baseline_equals_float64_for_all_sizes)
{
    draw_parameters();
    check_all(&pawl_nn_baseline);
}
END_TEST

START_TEST(avx2_equals_float64_for_all_sizes)
{
    draw_parameters();
    if (pawl_nn_avx2())
        check_all(pawl_nn_avx2());
}
END_TEST

START_TEST(avx512_equals_float64_for_all_sizes)
{
    draw_parameters();
    if (pawl_nn_avx512())
        check_all(pawl_nn_avx512());
}
END_TEST

START_TEST(the_best_is_what_this_processor_can_do)
{
    const struct pawl_nn *best = pawl_nn_avx512();
    if (!best)
        best = pawl_nn_avx2();
    if (!best) /* an older processor */
        best = &pawl_nn_baseline;
    ck_assert_ptr_eq(pawl_nn_best(), best);
    ck_assert(!pawl_nn_avx512() || pawl_nn_avx2());
}
END_TEST

/* A page that nobody may read lies behind the arrays. */
START_TEST(nothing_is_read_behind_the_parameters)
{
    static const uint32_t widths[] = {1, 2, 3, 5, 7, 9, 13, 17, 31, 33};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 2 * page;
    unsigned char *memory = mmap(NULL, 2 * (room + page), PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + room, page, PROT_NONE), 0);
    ck_assert_int_eq(mprotect(memory + 2 * room + page, page, PROT_NONE), 0);
    float *weight_end = (float *)(void *)(memory + room);
    float *x_end = (float *)(void *)(memory + 2 * room + page);
    const struct pawl_nn *all[] = {&pawl_nn_baseline, pawl_nn_avx2(), pawl_nn_avx512()};

    for (size_t n = 0; n < 3 && all[n]; n++)
        for (size_t i = 0; i < 10; i++)
            for (size_t o = 0; o < 10; o++)
                for (uint32_t batch = 1; batch < 6; batch++) {
                    struct pawl_nn_layer layer = {.weight = weight_end - widths[i] * widths[o],
                                                  .bias = bias,
                                                  .in_count = widths[i],
                                                  .out_count = widths[o]};
                    all[n]->layer(&layer, y, x_end - batch * widths[i], batch);
                }
    munmap(memory, 2 * (room + page));
}
END_TEST

START_TEST(activations_hold_at_the_ends_of_their_range)
{
    static const float ends[] = {-1e30f, -100.0f, -87.5f, -20.0f, -1e-3f, 0.0f,
                                 1e-3f,  20.0f,   87.5f,  100.0f, 1e30f};
    float one = 1.0f, none = 0.0f;
    const struct pawl_nn *all[] = {&pawl_nn_baseline, pawl_nn_avx2(), pawl_nn_avx512()};

    for (size_t n = 0; n < 3 && all[n]; n++)
        for (int a = PAWL_NN_LINEAR; a <= PAWL_NN_TANH; a++)
            for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
                struct pawl_nn_layer layer = {.weight = &one,
                                              .bias = &none,
                                              .in_count = 1,
                                              .out_count = 1,
                                              .activation = (enum pawl_nn_activation)a};
                float out;
                all[n]->layer(&layer, &out, &ends[i], 1);
                double right = activated(ends[i], layer.activation);
                ck_assert_msg(fabs(out - right) <= 1e-6 * (1.0 + fabs(right)),
                              "%s, activation %d at %g: %g, not %g", all[n]->name, a,
                              (double)ends[i], (double)out, right);
            }
}
END_TEST

START_TEST(not_a_number_comes_out_as_one)
{
    float one = 1.0f, none = 0.0f, nan = NAN, out = 0.0f;
    struct pawl_nn_layer layer = {.weight = &one,
                                  .bias = &none,
                                  .in_count = 1,
                                  .out_count = 1,
                                  .activation = PAWL_NN_RELU};
    pawl_nn_best()->layer(&layer, &out, &nan, 1);
    ck_assert(isnan(out));
}
END_TEST

START_TEST(parameters_need_the_alignment_of_a_float_only)
{
    draw_parameters();
    memmove(weight + 1, weight, sizeof(float) * 64 * 64);
    struct pawl_nn_layer layer = {
        .weight = weight + 1, .bias = bias + 1, .in_count = 64, .out_count = 64};
    pawl_nn_best()->layer(&layer, y, x + 1, 3);
    double right = bias[1];
    for (int i = 0; i < 64; i++)
        right += (double)weight[1 + i] * x[1 + i];
    ck_assert_double_eq_tol(y[0], right, 1e-5);
}
END_TEST

PAWL_TEST_MAIN("nn", the_baseline_equals_float64_for_all_sizes,
               avx2_equals_float64_for_all_sizes, avx512_equals_float64_for_all_sizes,
               the_best_is_what_this_processor_can_do, nothing_is_read_behind_the_parameters,
               activations_hold_at_the_ends_of_their_range, not_a_number_comes_out_as_one,
               parameters_need_the_alignment_of_a_float_only)
