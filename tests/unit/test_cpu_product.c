#include "policy/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define MATRIX_FLOATS (1u << 18)
#define GAP           3u /* between the rows of every matrix */
#define BEFORE        5.0f

/* Matrices end where nothing may be read or written any more. */
static float *end_of_memory(void)
{
    size_t bytes = MATRIX_FLOATS * sizeof(float), page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mprotect(memory + bytes, page, PROT_NONE), 0);
    return (float *)(void *)(memory + bytes);
}

static struct {
    float *a_end, *b_end, *y_end, *bias_end, *room, *want;
} at;

static void begin(void)
{
    at.a_end = end_of_memory();
    at.b_end = end_of_memory();
    at.y_end = end_of_memory();
    at.bias_end = end_of_memory();
    at.room = aligned_alloc(64, PAWL_CPU_ROOM_FLOATS * sizeof(float));
    at.want = malloc(MATRIX_FLOATS * sizeof(float));
    ck_assert(at.room && at.want);
    memset(at.room, 0xff, PAWL_CPU_ROOM_FLOATS * sizeof(float)); /* NaN */
}

/* Small whole numbers: whatever the order of a sum, it is exact. */
static float a_of(uint32_t row, uint32_t k)
{
    return (float)((row * 7 + k * 3) % 9) - 4.0f;
}

static float b_of(uint32_t k, uint32_t col)
{
    return (float)((k * 5 + col * 11) % 7) - 3.0f;
}

/* (rows, cols) of number(row, col), or turned; NaN between the rows. */
static float *lay(float *end, size_t *stride, uint32_t rows, uint32_t cols, bool is_turned,
                  float (*number)(uint32_t row, uint32_t col))
{
    uint32_t lines = is_turned ? cols : rows, width = is_turned ? rows : cols;
    *stride = width + GAP;
    float *first = end - ((lines - 1) * *stride + width);
    for (float *each = first; each < end; each++)
        *each = NAN;
    for (uint32_t line = 0; line < lines; line++)
        for (uint32_t i = 0; i < width; i++)
            first[line * *stride + i] = is_turned ? number(i, line) : number(line, i);
    return first;
}

static float before(uint32_t row, uint32_t col)
{
    (void)row;
    (void)col;
    return BEFORE;
}

static float bias_of(uint32_t row, uint32_t col)
{
    (void)row;
    return (float)(col % 13);
}

static void check(const struct pawl_cpu_kernels *kernels, struct pawl_cpu_product p)
{
    for (uint32_t row = 0; row < p.m; row++)
        for (uint32_t col = 0; col < p.n; col++) {
            float start = p.accumulate ? BEFORE : p.bias ? bias_of(0, col) : 0.0f;
            float got = p.y[row * p.y_stride + col], want = start + at.want[row * p.n + col];
            if (got != want)
                ck_abort_msg("%s: m %u n %u k %u%s%s%s%s: y[%u][%u] is %g, not %g",
                             kernels->name, p.m, p.n, p.k, p.a_is_turned ? " a turned" : "",
                             p.b_is_turned ? " b turned" : "", p.accumulate ? " added" : "",
                             p.bias ? " bias" : "", row, col, (double)got, (double)want);
        }
    for (uint32_t row = 0; row + 1 < p.m; row++)
        for (uint32_t i = 0; i < GAP; i++)
            ck_assert(isnan(p.y[row * p.y_stride + p.n + i]));
}

static void multiply(uint32_t m, uint32_t n, uint32_t k, bool a_is_turned, bool b_is_turned)
{
    struct pawl_cpu_product p = {
        .m = m, .n = n, .k = k, .a_is_turned = a_is_turned, .b_is_turned = b_is_turned};
    size_t unused;
    p.a = lay(at.a_end, &p.a_stride, m, k, a_is_turned, a_of);
    p.b = lay(at.b_end, &p.b_stride, k, n, b_is_turned, b_of);
    for (size_t i = 0; pawl_cpu_kernels(i); i++)
        for (int kind = 0; kind < 3; kind++) {
            p.accumulate = kind == 1;
            p.bias = kind == 2 ? lay(at.bias_end, &unused, 1, n, false, bias_of) : NULL;
            p.y = lay(at.y_end, &p.y_stride, m, n, false, before);
            pawl_cpu_kernels(i)->product(&p, at.room);
            check(pawl_cpu_kernels(i), p);
        }
}

static void multiply_all(uint32_t m, uint32_t n, uint32_t k)
{
    for (uint32_t row = 0; row < m; row++)
        for (uint32_t col = 0; col < n; col++) {
            float sum = 0.0f;
            for (uint32_t i = 0; i < k; i++)
                sum += a_of(row, i) * b_of(i, col);
            at.want[row * n + col] = sum;
        }
    for (int turned = 0; turned < 4; turned++)
        multiply(m, n, k, turned & 1, turned & 2);
}

START_TEST(every_small_shape_is_exact_turned_added_or_with_a_bias)
{
    static const uint32_t cols[] = {1,  2,  3,  4,  5,  7,  8,  9,  12, 15,
                                    16, 17, 22, 31, 32, 33, 40, 47, 48, 65};
    static const uint32_t steps[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 22, 33};
    begin();
    for (uint32_t m = 1; m <= 17; m++)
        for (size_t n = 0; n < COUNT(cols); n++)
            multiply_all(m, cols[n], steps[(m + n) % COUNT(steps)]);
}
END_TEST

START_TEST(shapes_beyond_a_group_of_columns_or_of_steps_are_exact)
{
    static const uint32_t shapes[][3] = {
        {9, 256, 256}, {5, 257, 257},  {3, 300, 259}, {2, 545, 259},
        {2, 300, 513}, {19, 8, 300},   {1, 300, 300}, {6, 3, 1025},
        {13, 40, 256}, {7, 22, 515},   {270, 4, 9},   {300, 22, 259},
        {515, 31, 5},  {256, 33, 258}, {64, 256, 22}, {2, 2, 50000},
    };
    begin();
    for (size_t i = 0; i < COUNT(shapes); i++)
        multiply_all(shapes[i][0], shapes[i][1], shapes[i][2]);
}
END_TEST

/* An update that is done again by another process gives the same bits, wherever its memory
 * lies. */
START_TEST(the_bits_depend_on_the_numbers_alone)
{
    begin();
    for (size_t i = 0; pawl_cpu_kernels(i); i++)
        for (uint32_t n = 4; n <= 40; n += 36) {
            float first[16 * 40];
            for (uint32_t shift = 0; shift < 16; shift++) {
                float a[16 * 70 + 16], b[40 * 70 + 16], y[16 * 40 + 16];
                for (uint32_t j = 0; j < 40 * 70; j++) {
                    a[(j % (16 * 70)) + shift] = sinf((float)(j % (16 * 70)));
                    b[j + shift] = cosf((float)j);
                }
                struct pawl_cpu_product p = {.y = y + shift,
                                             .a = a + shift,
                                             .b = b + shift,
                                             .y_stride = n,
                                             .a_stride = 70,
                                             .b_stride = 70,
                                             .m = 16,
                                             .n = n,
                                             .k = 70,
                                             .b_is_turned = true};
                pawl_cpu_kernels(i)->product(&p, at.room);
                if (shift == 0)
                    memcpy(first, y, 16 * n * sizeof(float));
                ck_assert_mem_eq(first, y + shift, 16 * n * sizeof(float));
            }
        }
}
END_TEST

PAWL_TEST_MAIN("cpu_product", every_small_shape_is_exact_turned_added_or_with_a_bias,
               shapes_beyond_a_group_of_columns_or_of_steps_are_exact,
               the_bits_depend_on_the_numbers_alone)
