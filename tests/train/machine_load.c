/* machine_load.c -- the share that others took, from lines written by hand; own time is
 * what getrusage says of this test, some milliseconds. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "machine_load.h"

static char path[] = "/tmp/sluice-load-XXXXXX";

static struct machine_load of(const char *text)
{
    FILE *f = fopen(path, "w");
    REQUIRE(f, "cannot write %s", path);
    fputs(text, f);
    fclose(f);
    return machine_load_read(path);
}

static double others(const char *from, const char *to)
{
    struct machine_load a = of(from), b = of(to);
    a.own = 5, b.own = 6;
    return machine_load_others(&a, &b);
}

int main(void)
{
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0, "cannot make a file");
    close(fd);
    REQUIRE(sysconf(_SC_CLK_TCK) == 100, "ticks of another length");
    /* 10 s of CPU time pass: 3 user, 1 nice, 1 system, 2 idle, 1 waiting, 0.5, 0.5 and
     * 1 stolen. 7 are busy, and 1 of these is our own. */
    const char *from =
        "cpu  1000 100 200 5000 300 10 20 30 7 7\ncpu0 1 1 1 1 1 1 1 1\n";
    const char *to =
        "cpu  1300 200 300 5200 400 60 70 130 900 900\ncpu0 1 1 1 1 1 1 1 1\n";
    const double share = others(from, to);
    CHECK(fabs(share - 0.6) <= 1e-9, "%g of the machine", share);
    CHECK(isnan(others(to, to)), "a share of no time");
    CHECK(isnan(others(from, "cpu  1300 200\n")), "a share from half a line");
    CHECK(isnan(others(from, "intr 1 2 3 4 5 6 7 8 9\n")), "a share from another line");
    unlink(path);
    const struct machine_load none = machine_load_read(path);
    CHECK(isnan(none.busy) && isnan(machine_load_others(&none, &none)),
          "a share from no file");
    const struct machine_load now = machine_load_read("/proc/stat");
    CHECK(now.all > now.busy && now.busy > now.own && now.own >= 0,
          "%g s, %g busy, %g our own", now.all, now.busy, now.own);
    return check_done();
}
