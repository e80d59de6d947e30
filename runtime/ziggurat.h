/* ziggurat.h: standard normals from 64 random bits, bit for bit as NumPy's Generator makes
 * them.
 *
 *     double z = pawl_ziggurat_normal(next64, generator);
 *
 * Marsaglia and Tsang's method with 256 layers (J. Stat. Softw. 5(8), 2000); one word of the
 * generator in 98.8 % of the draws. The tables are computed from the formula at the first draw
 * of the process (well under a millisecond), with roundings that do not depend on the C
 * library. A draw beyond 3.654 (one in 3900) takes log1p() from it, so the last bit of such a
 * draw is as good as its log1p(); NumPy's is too.
 *
 * Thread safety: any thread.
 */
#ifndef PAWL_RUNTIME_ZIGGURAT_H
#define PAWL_RUNTIME_ZIGGURAT_H

#include <stdint.h>

/* next64 gives the next 64 bits of `generator`. */
double pawl_ziggurat_normal(uint64_t (*next64)(void *generator), void *generator);

#endif
