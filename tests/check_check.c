/* check_check.c -- the framework itself: NaN is near nothing, failures are counted, and
 * only what is required ends a test. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Status of a process in which an earlier check has failed: 9 if it came to its end. */
static int status_after(int required)
{
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
        check_failures = 1;
        REQUIRE(required, "required, on purpose");
        _exit(9);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

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
    CHECK(status_after(1) == 9, "an earlier failure ends what is required");
    CHECK(status_after(0) == 1, "what is required and fails does not end the test");
    return check_done();
}
