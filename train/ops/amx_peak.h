/* amx_peak.h -- what the CPU's matrix tiles do at their best: the ceiling above every
 * convolution. */
#ifndef SLUICE_AMX_PEAK_H
#define SLUICE_AMX_PEAK_H

#include "../device.h"

/* FLOP/s of bf16 products whose operands stay in tile registers, by all threads of the
 * device; 0 if it does not compute with tiles. Takes a tenth of a second. */
double amx_peak(const struct device *dev);

#endif
