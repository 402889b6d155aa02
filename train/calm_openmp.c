/* calm_openmp.c -- threads that wait asleep; see calm_openmp.h. */
#include <stdlib.h>
#include <unistd.h>

#include "calm_openmp.h"

void calm_openmp(char **argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return;
    if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0)
        execv("/proc/self/exe", argv); /* returns only if it failed: then spin */
}
