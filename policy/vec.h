/* vec.h: vectors of floats as wide as the instruction set a file is compiled for, and exp, tanh
 * and log1p of them. A vector is one of the compiler's, which splits it where the processor's
 * are shorter; so code on it is the same for all instruction sets. Included by kernel files
 * only.
 */
#ifndef PAWL_POLICY_VEC_H
#define PAWL_POLICY_VEC_H

#ifdef __AVX__
#include <immintrin.h>
#endif
#include <stdint.h>
#include <string.h>

#ifdef __AVX512F__
#define VEC_LANES 16
#else
#define VEC_LANES 8
#endif

#define VEC_INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * VEC_LANES)));
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec4 __attribute__((vector_size(16)));
typedef int32_t veci __attribute__((vector_size(4 * VEC_LANES)));

VEC_INLINE vec vec_load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof(v)); /* a float's alignment is enough */
    return v;
}

VEC_INLINE void vec_store(float *p, vec v)
{
    memcpy(p, &v, sizeof(v));
}

/* A product as it is, rounded: what follows is not fused with it. For sums that have to be the
 * same bits whatever a compiler fuses. */
VEC_INLINE vec vec_rounded(vec x)
{
#ifdef __FMA__ /* without it nothing is fused */
    __asm__("" : "+x"(x));
#endif
    return x;
}

/* The first `count` lanes, the rest being 0. */
VEC_INLINE vec vec_load_part(const float *p, uint32_t count)
{
    vec v = {0};
    if (count >= VEC_LANES)
        return vec_load(p);
#if VEC_LANES == 16
    v = _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#else
    memcpy(&v, p, count * sizeof(float));
#endif
    return v;
}

VEC_INLINE void vec_store_part(float *p, vec v, uint32_t count)
{
    if (count >= VEC_LANES)
        vec_store(p, v);
    else
#if VEC_LANES == 16
        _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), v);
#else
        memcpy(p, &v, count * sizeof(float));
#endif
}

VEC_INLINE vec vec_all(float x)
{
    return x - (vec){0};
}

/* yes where the mask is set, else no. */
VEC_INLINE vec vec_choose(veci mask, vec yes, vec no)
{
    return (vec)(((veci)yes & mask) | ((veci)no & ~mask));
}

VEC_INLINE vec vec_abs(vec x)
{
    return (vec)((veci)x & 0x7fffffff);
}

/* Where x is not a number it stays one. */
VEC_INLINE vec vec_at_least(vec x, float low)
{
#if VEC_LANES == 16
    return _mm512_max_ps(vec_all(low), x);
#elif defined(__AVX__)
    return _mm256_max_ps(vec_all(low), x);
#else
    return vec_choose(x < vec_all(low), vec_all(low), x);
#endif
}

/* x held within low..high, likewise. */
VEC_INLINE vec vec_clamp(vec x, float low, float high)
{
    return -vec_at_least(-vec_at_least(x, low), -high);
}

VEC_INLINE vec vec_sqrt(vec x)
{
#if VEC_LANES == 16
    return _mm512_sqrt_ps(x);
#elif defined(__AVX__)
    return _mm256_sqrt_ps(x);
#else
    for (int i = 0; i < VEC_LANES; i++)
        x[i] = __builtin_sqrtf(x[i]);
    return x;
#endif
}

/* Four sums of every fourth lane. */
VEC_INLINE vec4 vec_fold(vec v)
{
#if VEC_LANES == 16
    vec8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    vec8 half = v;
#endif
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
           __builtin_shufflevector(half, half, 4, 5, 6, 7);
}

VEC_INLINE float vec_sum(vec v)
{
    vec4 s = vec_fold(v);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* e^x for |x| up to 87, beyond that as at 87: 2^n e^r with |r| <= ln 2 / 2, the polynomial and
 * the two halves of ln 2 as in Cephes (Moshier). */
VEC_INLINE vec vec_exp(vec x)
{
    const vec magic = vec_all(0x1.8p23f); /* adding and taking it away rounds to an integer */
    x = vec_clamp(x, -87.0f, 87.0f);
    vec n = (x * vec_all(1.44269504f) + magic) - magic;
    vec r = x - n * vec_all(0.693359375f);
    r = r - n * vec_all(-2.12194440e-4f);

    vec p = vec_all(1.9875691500e-4f);
    p = p * r + vec_all(1.3981999507e-3f);
    p = p * r + vec_all(8.3334519073e-3f);
    p = p * r + vec_all(4.1665795894e-2f);
    p = p * r + vec_all(1.6666665459e-1f);
    p = p * r + vec_all(5.0000001201e-1f);
    p = p * (r * r) + r + vec_all(1.0f);

    veci exponent = (__builtin_convertvector(n, veci) + 127) << 23;
    return p * (vec)exponent;
}

/* By the exponential where that loses nothing, near 0 by Cephes' polynomial. */
VEC_INLINE vec vec_tanh(vec x)
{
    vec far = vec_all(1.0f) - vec_all(2.0f) / (vec_exp(x + x) + vec_all(1.0f));
    vec z = x * x;
    vec p = vec_all(-5.70498872745e-3f);
    p = p * z + vec_all(2.06390887954e-2f);
    p = p * z + vec_all(-5.37397155531e-2f);
    p = p * z + vec_all(1.33314422036e-1f);
    p = p * z + vec_all(-3.33332819422e-1f);
    return vec_choose(vec_abs(x) < vec_all(0.625f), p * z * x + x, far);
}

/* log(1 + e) for e within 0..1: 1 + e or its half is within sqrt(1/2)..sqrt(2), where Cephes'
 * polynomial holds; its distance z from 1 is formed without the rounding of 1 + e. */
VEC_INLINE vec vec_log1p(vec e)
{
    veci is_high = e > vec_all(0.41421356f);
    vec z = vec_choose(is_high, vec_all(0.5f) * e - vec_all(0.5f), e);
    vec k = vec_choose(is_high, vec_all(1.0f), vec_all(0.0f));
    vec p = vec_all(7.0376836292e-2f);
    p = p * z + vec_all(-1.1514610310e-1f);
    p = p * z + vec_all(1.1676998740e-1f);
    p = p * z + vec_all(-1.2420140846e-1f);
    p = p * z + vec_all(1.4249322787e-1f);
    p = p * z + vec_all(-1.6668057665e-1f);
    p = p * z + vec_all(2.0000714765e-1f);
    p = p * z + vec_all(-2.4999993993e-1f);
    p = p * z + vec_all(3.3333331174e-1f);
    p = p * z * (z * z) - vec_all(0.5f) * (z * z) + k * vec_all(-2.12194440e-4f);
    return z + p + k * vec_all(0.693359375f);
}

#endif
