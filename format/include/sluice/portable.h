/* sluice/portable.h -- the few functions that draws need, from operations that round
 * the same everywhere: mathematical libraries differ in the last bit, and a draw must
 * not. Accurate to about 1e-15, far below what the draws can tell apart. Compilers must
 * not contract a product and a sum into one (-ffp-contract=off, nvcc's --fmad=false).
 */
#ifndef SLUICE_PORTABLE_H
#define SLUICE_PORTABLE_H

#include <math.h>
#include <string.h>

#include <sluice/rng.h>

/* Sine and cosine of an angle in degrees. */
SLUICE_HD static inline void sluice_sin_cos_degrees(double degrees, double *s,
                                                    double *c)
{
    const double quarter = floor(degrees / 90.0 + 0.5);
    const double x = (degrees - 90.0 * quarter) * (3.14159265358979323846 / 180.0);
    const double q = x * x;
    double sum_s = 1, sum_c = 1; /* Horner's scheme of the two series, |x| <= pi/4 */
    for (int n = 17; n > 1; n -= 2) {
        sum_s = 1 - q / (n * (n - 1)) * sum_s;
        sum_c = 1 - q / ((n - 1) * (n - 2)) * sum_c;
    }
    sum_s = sum_s * x;
    const int turn = (int)quarter & 3;
    *s = turn == 0 ? sum_s : turn == 1 ? sum_c : turn == 2 ? -sum_s : -sum_c;
    *c = turn == 0 ? sum_c : turn == 1 ? -sum_s : turn == 2 ? -sum_c : sum_s;
}

/* The natural logarithm of x > 0, no denormal. */
SLUICE_HD static inline double sluice_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double m; /* 1 .. 2, then sqrt(1/2) .. sqrt(2) */
    memcpy(&m, &bits, sizeof(m));
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        n++;
    }
    const double z = (m - 1) / (m + 1), q = z * z;
    double sum = 0; /* 2 (z + z^3 / 3 + ...), |z| < 0.172 */
    for (int k = 23; k > 0; k -= 2)
        sum = 1.0 / k + q * sum;
    return n * 0.693147180559945309417 + 2 * z * sum;
}

/* e to the power of x, which is up to some hundreds; 0 far below. */
SLUICE_HD static inline double sluice_exp(double x)
{
    if (x < -700)
        return 0;
    const double n = floor(x * 1.4426950408889634 + 0.5);
    const double rest =
        (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    double sum = 1;
    for (int k = 16; k > 0; k--)
        sum = 1 + rest / k * sum;
    for (int k = 0; k < (int)n; k++)
        sum = sum * 2;
    for (int k = 0; k > (int)n; k--)
        sum = sum * 0.5;
    return sum;
}

#endif
