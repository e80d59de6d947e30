/* The share of Student's distribution within -t .. t has a closed form for whole degrees of
 * freedom v (Abramowitz and Stegun 26.7.3, 26.7.4), with th = atan(t / sqrt(v)):
 *
 *     odd    2/pi (th + sin th (cos th + 2/3 cos^3 th + ... + 2 4 .. (v-3) / 3 5 .. (v-2)
 * cos^(v-2) th)) even   sin th (1 + 1/2 cos^2 th + 1 3 / 2 4 cos^4 th + ... cos^(v-2) th)
 */
#include "runtime/interval.h"

#include <math.h>

#define Z_975 1.959963984540054 /* of the normal distribution, which t becomes */

/* Beyond, t differs from the normal's by less than 3e-5. */
#define FREEDOM_MAX 100000u

static double share_within(double t, uint64_t freedom)
{
    double th = atan(t / sqrt((double)freedom));
    double cos_th = cos(th), term = freedom % 2 ? cos_th : 1.0, sum = 0.0;

    for (uint64_t k = freedom % 2; k + 2 <= freedom && term > 0.0; k += 2) {
        sum += term;
        term *= cos_th * cos_th * (double)(k + 1) / (double)(k + 2);
    }
    return freedom % 2 ? M_2_PI * (th + sin(th) * sum) : sin(th) * sum;
}

double pawl_interval_t(uint64_t freedom)
{
    double low = 1.9, high = 12.8; /* t is 12.706 at 1 and only falls */
    if (freedom > FREEDOM_MAX)
        return Z_975;
    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (share_within(middle, freedom) < 0.95)
            low = middle;
        else
            high = middle;
    }
    return 0.5 * (low + high);
}

struct pawl_interval pawl_interval_mean(double mean, double sd, uint64_t n)
{
    if (n < 2)
        return (struct pawl_interval){-INFINITY, INFINITY};
    double half = pawl_interval_t(n - 1) * sd / sqrt((double)n);
    return (struct pawl_interval){mean - half, mean + half};
}

struct pawl_interval pawl_interval_share(uint64_t hits, uint64_t n)
{
    if (n == 0)
        return (struct pawl_interval){0.0, 1.0};
    double count = (double)n, share = (double)hits / count, z2 = Z_975 * Z_975;
    double middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count);
    double half = Z_975 / (1.0 + z2 / count) *
                  sqrt(share * (1.0 - share) / count + z2 / (4.0 * count * count));
    return (struct pawl_interval){hits == 0 ? 0.0 : middle - half,
                                  hits == n ? 1.0 : middle + half};
}
