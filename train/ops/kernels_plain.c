/* kernels_plain.c -- the passes over memory, without instructions beyond the baseline.
 */
#include "kernels_table.h"

const struct kernels kernels_plain = KERNELS_TABLE("plain C");
