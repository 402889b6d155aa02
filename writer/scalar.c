/* scalar.c -- see scalar.h. */
#include <math.h>
#include <string.h>

#include "scalar.h"

static uint16_t to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    if (f != f)
        return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* Round to nearest even, through the exponent's own step. */
static uint16_t to_f16(double v)
{
    const uint16_t sign = signbit(v) ? 0x8000 : 0;
    double size = fabs(v);
    int exponent;
    if (v != v)
        return 0x7e00;
    if (size >= 65520)
        return sign | 0x7c00;
    frexp(size, &exponent);
    if (size == 0 || exponent < -13)
        exponent = -13; /* subnormal: the step of the smallest normal number */
    const unsigned steps = (unsigned)nearbyint(ldexp(size, 11 - exponent));
    /* steps carries the hidden bit; a carry out of the fraction raises the exponent. */
    return (uint16_t)(sign | (((unsigned)(exponent + 13) << 10) + steps));
}

int scalar_encode(uint8_t raw[8], enum sluice_dtype dtype, const struct sluice_value *v)
{
    static const struct {
        int64_t low, high;
    } range[] = { [SLUICE_U8] = { 0, UINT8_MAX },
                  [SLUICE_I8] = { INT8_MIN, INT8_MAX },
                  [SLUICE_I16] = { INT16_MIN, INT16_MAX },
                  [SLUICE_I32] = { INT32_MIN, INT32_MAX },
                  [SLUICE_I64] = { INT64_MIN, INT64_MAX } };
    const float single = (float)v->real;
    uint16_t half;
    if (dtype <= SLUICE_I64 &&
        (v->integer < range[dtype].low || v->integer > range[dtype].high))
        return -1;
    switch (dtype) {
    case SLUICE_F64:
        memcpy(raw, &v->real, 8);
        break;
    case SLUICE_F32:
        memcpy(raw, &single, 4);
        break;
    case SLUICE_F16:
    case SLUICE_BF16:
        half = dtype == SLUICE_F16 ? to_f16(v->real) : to_bf16(single);
        memcpy(raw, &half, 2);
        break;
    default: /* little-endian: the low bytes come first */
        memcpy(raw, &v->integer, 8);
    }
    return 0;
}
