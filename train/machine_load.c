/* machine_load.c -- /proc/stat beside one's own times.
 *
 * The first line of /proc/stat counts ticks since the start, summed over the CPUs:
 * user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); guests are part of
 * user. */
#include "machine_load.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, KINDS };

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static double own_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return (double)NAN;
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct machine_load machine_load_read(const char *stat)
{
    struct machine_load l = { .all = (double)NAN, .busy = (double)NAN };
    double ticks[KINDS], all = 0;
    FILE *f = fopen(stat, "re");
    int n = 0;
    l.own = own_seconds();
    if (!f)
        return l;
    if (fscanf(f, "cpu") == 0)
        while (n < KINDS && fscanf(f, " %lf", &ticks[n]) == 1)
            all += ticks[n++];
    fclose(f);
    if (n == KINDS) {
        const double second = (double)sysconf(_SC_CLK_TCK);
        l.all = all / second;
        l.busy = (all - ticks[IDLE] - ticks[IOWAIT]) / second;
    }
    return l;
}

double machine_load_others(const struct machine_load *from,
                           const struct machine_load *to)
{
    const double all = to->all - from->all;
    const double others = (to->busy - from->busy) - (to->own - from->own);
    if (!(all >= 0.1)) /* ten ticks */
        return (double)NAN;
    return isnan(others) ? others : fmin(fmax(others / all, 0), 1);
}
