/* cpu_has.h -- instructions that this CPU says it has. From any thread. */
#ifndef SLUICE_CPU_HAS_H
#define SLUICE_CPU_HAS_H

#include <stdbool.h>

bool cpu_has_avx2(void); /* and FMA */
/* F, BW, VL and DQ; the second one with BF16 */
bool cpu_has_avx512(void);
bool cpu_has_avx512_bf16(void);
/* Tiles may be used where amx_usable() (ops/conv_amx.h). */
bool cpu_has_amx_bf16(void);

#endif
