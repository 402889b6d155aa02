/* calm_openmp.h -- threads that wait asleep. */
#ifndef SLUICE_CALM_OPENMP_H
#define SLUICE_CALM_OPENMP_H

/* First thing in main: unless the environment says how OpenMP's threads wait, start the
 * program again with an environment that says: asleep. The runtime reads it before
 * main, so setting it here alone would be too late.
 *
 * By default they spin for milliseconds at the end of every parallel region. With one
 * foreign process on two CPUs each region then waits for a thread that is not running
 * while the other burns its share: measured with a load of ten, MNIST trained at 200
 * images/s spinning, at 7,200 asleep. */
void calm_openmp(char **argv);

#endif
