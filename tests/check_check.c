/* check_check.c -- the framework itself: NaN is near nothing, failures are counted. */
#include "check.h"

int main(void)
{
    const double nan_value = nan("");
    int good = near(1, 1, 0, 0) && near(1.01, 1, 0.02, 0) && near(101, 100, 0, 0.02) &&
               !near(1.1, 1, 0.02, 0) && !near(nan_value, 1, 1e9, 1e9) &&
               !near(1, nan_value, 1e9, 1e9) && !near((double)INFINITY, 1, 1e9, 0);
    if (check_done() != 1)
        return 1; /* nothing checked is a failure */
    CHECK(0, "a failure, on purpose");
    if (check_failures != 1 || check_done() != 1)
        return 1;
    check_failures = 0;
    CHECK(good, "near() is wrong");
    return check_done();
}
