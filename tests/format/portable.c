/* portable.c -- logarithm, exponential and sine of draws: right to 1e-15 and a little,
 * and the same bits under every compiler and on every machine. */
#include <math.h>

#include <sluice/crc32c.h>
#include <sluice/portable.h>

#include "check.h"

enum {
    POINTS = 20000,
    SAME_BITS = 0x5e3476c1, /* the checksum of all results */
};

static uint32_t sum;

static void close_to(double got, double want, double tolerance, const char *what,
                     double x)
{
    sum = sluice_crc32c(sum, &got, sizeof got);
    CHECK(fabs(got - want) <= tolerance, "%s(%.17g): %.17g, expected %.17g", what, x,
          got, want);
}

int main(void)
{
    for (int i = 0; i < POINTS; i++) {
        const double share = (i + 0.5) / POINTS;
        const double x = 1400 * (share - 0.5),
                     positive = ldexp(1 + share, i % 400 - 200);
        const double degrees = 800 * (share - 0.5), angle = degrees * acos(-1) / 180;
        double s, c;
        close_to(sluice_exp(x), exp(x), 4e-15 * fabs(x) * exp(x) + 4e-15 * exp(x),
                 "exp", x);
        close_to(sluice_log(positive), log(positive),
                 4e-16 * fabs(log(positive)) + 4e-16, "log", positive);
        sluice_sin_cos_degrees(degrees, &s, &c);
        close_to(s, sin(angle), 3e-15, "sine", degrees);
        close_to(c, cos(angle), 3e-15, "cosine", degrees);
    }
    CHECK(sluice_log(1) == 0 && sluice_exp(0) == 1 && sluice_exp(-1e6) == 0, "corners");
    CHECK(sum == SAME_BITS, "bits of the results: %08x, expected %08x", sum, SAME_BITS);
    return check_done();
}
