/* machine_load.h -- how much of the machine's time other processes took while
 * something was timed: a figure to put beside every duration. */
#ifndef SLUICE_MACHINE_LOAD_H
#define SLUICE_MACHINE_LOAD_H

/* CPU seconds up to now, of all CPUs together; NaN where the system does not say. */
struct machine_load {
    double all;  /* since the machine started, idle ones too */
    double busy; /* of these, spent by any process, or taken by the host (steal) */
    double own;  /* of these, by this process */
};

/* `stat` is /proc/stat, or what a test puts in its place. */
struct machine_load machine_load_read(const char *stat);
/* Share (0..1) of the machine's CPU time that others took between the two; NaN: not
 * known, or too little time went by to say. */
double machine_load_others(const struct machine_load *from,
                           const struct machine_load *to);

#endif
