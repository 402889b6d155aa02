/* cpu_peak.h -- what a CPU's arithmetic does at its best: the ceiling above every
 * convolution and product. */
#ifndef SLUICE_CPU_PEAK_H
#define SLUICE_CPU_PEAK_H

#include "../device.h"

/* FLOP/s of multiply-adds whose operands stay in registers, by all threads of device
 * cpu: of f32, or of pairs of bf16 where that is what it computes in, in matrix tiles
 * where there are some. Takes a tenth of a second. */
double cpu_peak(const struct device *dev);

#endif
