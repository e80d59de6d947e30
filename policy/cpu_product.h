/* cpu_product.h: the kernel (cpu_kernels.h) of matrix products, in tiles that fit the
 * registers:
 *
 *     for each STEP_COUNT of k
 *         for each GROUP_COLS columns of b, which stay in the second cache
 *             for each TILE_ROWS rows of a, which stay in the first
 *                 for each TILE_COLS of those columns: a tile of y;
 *                     a step of k multiplies two vectors of b with a number of each row of a
 *
 * Numbers are taken from where they are; only where b is turned, or its last columns do not
 * fill a tile, they are copied before. Each sum of a tile goes over k in order, whatever is
 * around it.
 *
 * Where y has few columns most of a vector would be empty: such a product is turned, or its
 * vectors go along k, and a sum is of as many parts as a vector has numbers. A single row of y
 * fills no tile: rows of b, each times its number, are added up (one_row()).
 */
#ifndef PAWL_POLICY_CPU_PRODUCT_H
#define PAWL_POLICY_CPU_PRODUCT_H

#include "policy/cpu.h"
#include "policy/cpu_rows.h"
#include "policy/vec.h"

#include <string.h>

#define TILE_ROWS   (VEC_LANES == 16 ? 8u : 6u) /* of two vectors: all that registers hold */
#define TILE_COLS   (2u * VEC_LANES)
#define GROUP_COLS  256u
#define STEP_COUNT  256u
#define NARROW_COLS 8u

_Static_assert(GROUP_COLS % TILE_COLS == 0, "a group is of whole tiles");
_Static_assert(PAWL_CPU_ROOM_FLOATS >= (STEP_COUNT + TILE_COLS) * GROUP_COLS,
               "copies of a group, and a turned y beside them");

/* A tile, or a row of tiles. */
struct tile {
    float *y;
    const float *start; /* what the sums begin with */
    const float *a, *b;
    size_t y_stride, start_stride, a_row, a_step, b_step;
    uint32_t col_count, step_count;
};

VEC_INLINE void run_tile(const struct tile *t, const uint32_t rows, const uint32_t vecs)
{
    vec sum[TILE_ROWS][2];
    const float *a = t->a, *b = t->b;

    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++)
            sum[r][v] = vec_load_part(t->start + r * t->start_stride + v * VEC_LANES,
                                      t->col_count - v * VEC_LANES);
    for (uint32_t i = 0; i < t->step_count; i++, a += t->a_step, b += t->b_step) {
        vec row[2];
#pragma GCC unroll 2
        for (uint32_t v = 0; v < vecs; v++)
            row[v] = vec_load(b + v * VEC_LANES);
#pragma GCC unroll 8
        for (uint32_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (uint32_t v = 0; v < vecs; v++)
                sum[r][v] += vec_all(a[r * t->a_row]) * row[v];
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t v = 0; v < vecs; v++)
            vec_store_part(t->y + r * t->y_stride + v * VEC_LANES, sum[r][v],
                           t->col_count - v * VEC_LANES);
}

VEC_INLINE void turn_four(float *to, size_t to_stride, const float *from, size_t from_stride)
{
    vec4 row[4], low[2], high[2];
    for (size_t i = 0; i < 4; i++)
        memcpy(&row[i], from + i * from_stride, sizeof(row[i]));
    for (size_t i = 0; i < 2; i++) {
        low[i] = __builtin_shufflevector(row[i], row[i + 2], 0, 4, 1, 5);
        high[i] = __builtin_shufflevector(row[i], row[i + 2], 2, 6, 3, 7);
    }
    row[0] = __builtin_shufflevector(low[0], low[1], 0, 4, 1, 5);
    row[1] = __builtin_shufflevector(low[0], low[1], 2, 6, 3, 7);
    row[2] = __builtin_shufflevector(high[0], high[1], 0, 4, 1, 5);
    row[3] = __builtin_shufflevector(high[0], high[1], 2, 6, 3, 7);
    for (size_t i = 0; i < 4; i++)
        memcpy(to + i * to_stride, &row[i], sizeof(row[i]));
}

/* to (rows, cols) from (cols, rows). */
static void turn(float *to, size_t to_stride, const float *from, size_t from_stride,
                 uint32_t rows, uint32_t cols)
{
    uint32_t fours = rows / 4 * 4, col = 0;
    for (; col + 4 <= cols; col += 4)
        for (uint32_t row = 0; row < fours; row += 4)
            turn_four(to + row * to_stride + col, to_stride, from + col * from_stride + row,
                      from_stride);
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t c = row < fours ? col : 0; c < cols; c++)
            to[row * to_stride + c] = from[c * from_stride + row];
}

/* Some columns of b. Those that are copied lie tile by tile. */
struct group {
    const float *b;
    size_t b_stride;
    float *copies;
    uint32_t col_count, step_count;
    bool is_turned;
};

static bool is_copied(const struct group *group, uint32_t col)
{
    return group->is_turned || group->col_count - col < TILE_COLS;
}

static float *copy_at(const struct group *group, uint32_t col)
{
    return group->copies + (size_t)col * group->step_count;
}

static void copy_group(const struct group *group)
{
    for (uint32_t col = 0; col < group->col_count; col += TILE_COLS) {
        uint32_t rest = group->col_count - col, cols = rest < TILE_COLS ? rest : TILE_COLS;
        float *to = copy_at(group, col);
        if (cols < TILE_COLS)
            memset(to, 0, (size_t)group->step_count * TILE_COLS * sizeof(*to));
        if (group->is_turned)
            turn(to, TILE_COLS, group->b + col * group->b_stride, group->b_stride,
                 group->step_count, cols);
        else if (cols < TILE_COLS)
            for (uint32_t i = 0; i < group->step_count; i++, to += TILE_COLS)
                memcpy(to, group->b + i * group->b_stride + col, cols * sizeof(*to));
    }
}

VEC_INLINE void run_row(struct tile *t, const struct group *group, const uint32_t rows)
{
    for (uint32_t col = 0; col < group->col_count; col += TILE_COLS) {
        struct tile at = *t;
        at.y += col;
        at.start += col;
        at.col_count = group->col_count - col;
        at.b = is_copied(group, col) ? copy_at(group, col) : group->b + col;
        at.b_step = is_copied(group, col) ? TILE_COLS : group->b_stride;
        if (at.col_count > VEC_LANES)
            run_tile(&at, rows, 2);
        else
            run_tile(&at, rows, 1);
    }
    t->y += rows * t->y_stride;
    t->start += rows * t->start_stride;
    t->a += rows * t->a_row;
}

static void run_group(struct tile t, const struct group *group, uint32_t row_count)
{
    copy_group(group);
    for (; row_count >= TILE_ROWS; row_count -= TILE_ROWS)
        run_row(&t, group, TILE_ROWS);
    if (row_count & 4)
        run_row(&t, group, 4);
    if (row_count & 2)
        run_row(&t, group, 2);
    if (row_count & 1)
        run_row(&t, group, 1);
}

static void tiles(const struct pawl_cpu_product *p, float *room)
{
    static const float zeros[GROUP_COLS];
    size_t b_step = p->b_is_turned ? 1 : p->b_stride, b_col = p->b_is_turned ? p->b_stride : 1;
    struct group group = {.b_stride = p->b_stride, .is_turned = p->b_is_turned, .copies = room};
    struct tile t = {.y_stride = p->y_stride,
                     .a_row = p->a_is_turned ? 1 : p->a_stride,
                     .a_step = p->a_is_turned ? p->a_stride : 1};

    for (uint32_t k = 0; k < p->k; k += STEP_COUNT) {
        bool is_sum = p->accumulate || k > 0;
        group.step_count = t.step_count = p->k - k < STEP_COUNT ? p->k - k : STEP_COUNT;
        t.a = p->a + k * t.a_step;
        t.start_stride = is_sum ? p->y_stride : 0;
        for (uint32_t col = 0; col < p->n; col += GROUP_COLS) {
            t.y = p->y + col;
            t.start = is_sum ? t.y : p->bias ? p->bias + col : zeros;
            group.b = p->b + k * b_step + col * b_col;
            group.col_count = p->n - col < GROUP_COLS ? p->n - col : GROUP_COLS;
            run_group(t, &group, p->m);
        }
    }
}

/* y by way of y^T = b^T a^T, whose rows are short of nothing. */
static void turned_tiles(const struct pawl_cpu_product *p, float *room)
{
    float *turned = room + STEP_COUNT * GROUP_COLS;
    for (uint32_t row = 0; row < p->m; row += GROUP_COLS) {
        struct pawl_cpu_product part = {.y = turned,
                                        .a = p->b,
                                        .b = p->a + row,
                                        .y_stride = GROUP_COLS,
                                        .a_stride = p->b_stride,
                                        .b_stride = p->a_stride,
                                        .m = p->n,
                                        .n = p->m - row < GROUP_COLS ? p->m - row : GROUP_COLS,
                                        .k = p->k,
                                        .a_is_turned = true};
        tiles(&part, room);
        turn(p->y + row * p->y_stride, p->y_stride, turned, GROUP_COLS, part.n, p->n);
    }
}

/* Products of rows of a with rows of b, vectors going along k. */
VEC_INLINE void dots(const struct pawl_cpu_product *p, const float *b, size_t b_stride,
                     uint32_t row, uint32_t col, const uint32_t rows, const uint32_t cols)
{
    const float *a = p->a + row * p->a_stride;
    vec total[4][4] = {{{0}}};
    uint32_t i = 0;

    b += col * b_stride;
    for (; i + VEC_LANES <= p->k; i += VEC_LANES) {
        vec v[4];
#pragma GCC unroll 4
        for (uint32_t c = 0; c < cols; c++)
            v[c] = vec_load(b + c * b_stride + i);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < rows; r++) {
            vec u = vec_load(a + r * p->a_stride + i);
#pragma GCC unroll 4
            for (uint32_t c = 0; c < cols; c++)
                total[r][c] += u * v[c];
        }
    }
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < cols; c++) {
            float *y = p->y + (row + r) * p->y_stride + col + c, sum = vec_sum(total[r][c]);
            for (uint32_t k = i; k < p->k; k++)
                sum += a[r * p->a_stride + k] * b[c * b_stride + k];
            *y = sum + (p->accumulate ? *y : p->bias ? p->bias[col + c] : 0.0f);
        }
}

VEC_INLINE void dots_of_cols(const struct pawl_cpu_product *p, const float *b, size_t b_stride,
                             uint32_t col, const uint32_t cols)
{
    uint32_t row = 0;
    for (; row + 4 <= p->m; row += 4)
        dots(p, b, b_stride, row, col, 4, cols);
    for (; row < p->m; row++)
        dots(p, b, b_stride, row, col, 1, cols);
}

static void narrow(const struct pawl_cpu_product *p, float *room)
{
    const float *b = p->b_is_turned ? p->b : room;
    size_t b_stride = p->b_is_turned ? p->b_stride : p->k;
    uint32_t col = 0;

    if (!p->b_is_turned)
        turn(room, p->k, p->b, p->b_stride, p->n, p->k);
    for (; col + 4 <= p->n; col += 4)
        dots_of_cols(p, b, b_stride, col, 4);
    for (; col < p->n; col++)
        dots_of_cols(p, b, b_stride, col, 1);
}

/* One row: rows of b, times numbers, added up. */
static void one_row(const struct pawl_cpu_product *p)
{
    if (!p->accumulate && p->bias)
        memcpy(p->y, p->bias, p->n * sizeof(*p->y));
    else if (!p->accumulate)
        memset(p->y, 0, p->n * sizeof(*p->y));
    add_all_rows(p->y, p->b, p->b_stride, p->n, p->k, p->a, p->a_is_turned ? p->a_stride : 1);
}

static void product(const struct pawl_cpu_product *p, float *room)
{
    bool fits = p->b_is_turned || (uint64_t)p->n * p->k <= PAWL_CPU_ROOM_FLOATS;
    if (p->m == 1 && !p->b_is_turned)
        one_row(p);
    else if (p->n <= NARROW_COLS && !p->a_is_turned && fits)
        narrow(p, room);
    else if (p->n < TILE_COLS && p->a_is_turned && !p->b_is_turned && !p->bias &&
             !p->accumulate)
        turned_tiles(p, room);
    else
        tiles(p, room);
}

#endif
