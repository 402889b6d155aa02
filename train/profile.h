/* profile.h -- where the time of a run goes: each operator's seconds in both
 * directions, the arithmetic and the memory traffic that they stand for, and what share
 * of the device's best that is. */
#ifndef SLUICE_PROFILE_H
#define SLUICE_PROFILE_H

#include "net.h"
#include "run_dir.h"

struct profile {
    struct net *net;
    struct op_time *times;         /* one an operator; NULL: nothing is measured */
    double wait, optimizer, total; /* seconds: for data, of updates, of everything */
    uint64_t steps, images;
    bool warm; /* the first step is forgotten */
};

/* Measure from now on; the profile stays where it is until it is closed. */
int profile_open(struct profile *p, struct net *net, struct sluice_error *err);
/* Forget the first step, once: it touches memory, and wakes what sleeps. */
void profile_forget_first(struct profile *p);
void profile_close(struct profile *p); /* a zeroed one is fine */

/* The device's best; takes about a second. */
struct profile_peaks {
    double flops;      /* FLOP/s: of the better of a convolution and a matrix product */
    bool in_registers; /* or, of device cpu, of multiply-adds in registers alone, which
                          only convolutions filtered by Winograd's algorithm pass */
    double bytes;      /* bytes/s, of a pass over memory */
};
int profile_measure_peaks(struct profile_peaks *out, struct device *dev,
                          struct sluice_error *err);

/* A direction of an operator, per step. Multiply-adds count as two, of operators with a
 * weight; bytes are those of every tensor that is read or written, once. */
struct profile_rate {
    double seconds, flops, bytes;
};
struct profile_rate profile_forward(const struct profile *p, int op);
struct profile_rate profile_backward(const struct profile *p, int op);

/* The table, line by line. */
void profile_print(const struct profile *p, const struct profile_peaks *peaks,
                   void (*line)(void *ctx, const char *text), void *ctx);
/* The same as JSON. */
int profile_write(const struct profile *p, const struct profile_peaks *peaks,
                  const char *path, struct sluice_error *err);

#endif
