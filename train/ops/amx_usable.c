/* amx_usable.c -- by itself, so that tests can say yes where tiles are played. */
#include <sys/syscall.h>
#include <unistd.h>

#include "../cpu_has.h"
#include "conv_amx.h"

/* Linux lends tiles on request: ARCH_REQ_XCOMP_PERM for XTILEDATA. */
bool amx_usable(void)
{
    return cpu_has_amx_bf16() && cpu_has_avx512_bf16() &&
           syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}
