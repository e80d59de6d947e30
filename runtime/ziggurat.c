/* The area under f(x) = exp(-x^2 / 2), x >= 0, is covered by 256 layers of the same area v.
 * Layer i = 1..255 is a rectangle from 0 to x_i, the bottom layer 0 a rectangle to r = x_255
 * and the tail beyond it:
 *
 *     x_255 = r,   x_i = sqrt(-2 ln(v / x_{i+1} + f(x_{i+1}))),   f_i = f(x_i),   f_0 = 1
 *     w_i = x_i / 2^52,               w_0 = v / f(r) / 2^52
 *     k_i = 2^52 x_{i-1} / x_i,       k_0 = 2^52 r f(r) / v,   k_1 = 0
 *
 * With 8 bits for i, one for the sign and 52 bits u: x = u w_i is inside layer i - 1 when u <
 * k_i.
 *
 * NumPy's tables are this recurrence in doubles, each operation correctly rounded, k_i rounded
 * to the nearest, with one exception (see make_tables()). The test compares every entry with
 * NumPy through draws at the edges of the layers (tests/golden/rng/).
 */
#include "runtime/ziggurat.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#ifdef __clang__ /* gcc does not contract in ISO mode, and does not know the pragma */
#pragma STDC FP_CONTRACT OFF
#endif

#define LAYER_COUNT 256

static const double r = 3.6541528853610088;
static const double r_inverse = 0.27366123732975828;
static const double v = 0.004928673233974652;

static double w[LAYER_COUNT], f[LAYER_COUNT];
static uint64_t k[LAYER_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool is_made;

/* A number as an unevaluated sum, |lo| <= ulp(hi) / 2: 106 bits, so that rounding the result to
 * 53 is right for every argument that occurs here, which no C library promises. */
struct pair {
    double hi, lo;
};

static struct pair normalized(double hi, double lo) /* |hi| >= |lo| or hi == 0 */
{
    double sum = hi + lo;
    return (struct pair){sum, lo - (sum - hi)};
}

static struct pair add(struct pair a, double b)
{
    double sum = a.hi + b;
    double b_part = sum - a.hi;
    double lost = (a.hi - (sum - b_part)) + (b - b_part);
    return normalized(sum, lost + a.lo);
}

static struct pair multiply(struct pair a, struct pair b)
{
    double product = a.hi * b.hi;
    double lost = fma(a.hi, b.hi, -product);
    return normalized(product, lost + (a.hi * b.lo + a.lo * b.hi));
}

/* exp(y) for |y| < 8: the series at y / 2^10, squared 10 times. */
static struct pair exp_pair(double y)
{
    struct pair result = {1.0, 0.0};
    double z = y / 1024;

    for (int n = 14; n > 0; n--) { /* 1 + z/n * result; (8/1024)^15 / 15! < 2^-140 */
        double q = z / n;
        struct pair quotient = {q, fma(-q, n, z) / n};
        result = add(multiply(quotient, result), 1.0);
    }
    for (int i = 0; i < 10; i++)
        result = multiply(result, result);
    return result;
}

static double exp_rounded(double y)
{
    return exp_pair(y).hi;
}

/* ln(y) by a Newton step from the C library's: with z = ln(y) + d, y exp(-z) - 1 = -d + O(d^2).
 */
static double log_rounded(double y)
{
    double z = log(y);
    struct pair one_and_error = multiply(exp_pair(-z), (struct pair){y, 0.0});
    return z + add(one_and_error, -1.0).hi;
}

static void make_tables(void)
{
    const double scale = 4503599627370496.0; /* 2^52 */
    double x = r;

    w[255] = r / scale;
    f[255] = exp_rounded(-0.5 * r * r);
    for (int i = 254; i > 0; i--) {
        double x_outer = x;
        x = sqrt(-2.0 * log_rounded(v / x_outer + f[i + 1]));
        w[i] = x / scale;
        f[i] = exp_rounded(-0.5 * x * x);
        if (i == 38) /* NumPy's is one unit in the last place more than the rounded exp */
            f[i] = nextafter(f[i], 1.0);
        k[i + 1] = (uint64_t)llrint(x / x_outer * scale);
    }
    w[0] = v / f[255] / scale;
    f[0] = 1.0;
    k[0] = (uint64_t)llrint(r * f[255] / v * scale);
    k[1] = 0;
    /* Release pairs with the acquire load in pawl_ziggurat_normal(): who sees true sees the
     * tables. */
    atomic_store_explicit(&is_made, true, memory_order_release);
}

static double uniform(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* r + x with x from the tail beyond r (Marsaglia, 1964). */
static double tail(uint64_t (*next64)(void *generator), void *generator)
{
    for (;;) {
        double x = -r_inverse * log1p(-uniform(next64(generator)));
        double y = -log1p(-uniform(next64(generator)));
        if (y + y > x * x)
            return r + x;
    }
}

double pawl_ziggurat_normal(uint64_t (*next64)(void *generator), void *generator)
{
    if (__builtin_expect(!atomic_load_explicit(&is_made, memory_order_acquire), 0))
        pthread_once(&once, make_tables);

    for (;;) {
        uint64_t bits = next64(generator);
        unsigned i = bits & 0xff;
        uint64_t u = bits >> 9 & 0xfffffffffffff;
        double x = (double)u * w[i];

        if (bits & 0x100)
            x = -x;
        if (u < k[i])
            return x;
        if (i == 0) /* NumPy takes the sign of a tail from a bit of u */
            return u & 0x100 ? -tail(next64, generator) : tail(next64, generator);
        if ((f[i - 1] - f[i]) * uniform(next64(generator)) + f[i] < exp(-0.5 * x * x))
            return x;
    }
}
