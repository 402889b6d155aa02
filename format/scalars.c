/* scalars.c -- values of columns, from whatever type they are stored in. */
#include <assert.h>
#include <string.h>

#include "bytes.h"
#include "dataset_internal.h"

int sluice_dataset_find_label(const struct sluice_dataset *ds)
{
    int first = -1;
    for (int i = 0; i < ds->dir.field_count; i++) {
        const struct sluice_field *f = &ds->dir.fields[i];
        if (f->kind != SLUICE_KIND_SCALAR || f->dtype > SLUICE_I64)
            continue;
        if (sluice_dataset_classes(ds, i))
            return i;
        first = first < 0 ? i : first;
    }
    return first;
}

int64_t sluice_dataset_integer(const struct sluice_dataset *ds, int field,
                               uint64_t sample)
{
    const uint8_t *p = sluice_scalar_at(ds, field, sample);
    switch (ds->dir.fields[field].dtype) {
    case SLUICE_U8:
        return p[0];
    case SLUICE_I8:
        return (int8_t)p[0];
    case SLUICE_I16:
        return (int16_t)get_u16(p);
    case SLUICE_I32:
        return (int32_t)get_u32(p);
    case SLUICE_I64:
        return (int64_t)get_u64(p);
    default:
        assert(!"an integer field");
        return 0;
    }
}

static double from_f16(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double size = exponent == 31
                            ? (fraction ? __builtin_nan("") : __builtin_inf())
                        : exponent ? __builtin_ldexp(1024 + fraction, exponent - 25)
                                   : __builtin_ldexp(fraction, -24);
    return h >> 15 ? -size : size;
}

double sluice_dataset_real(const struct sluice_dataset *ds, int field, uint64_t sample)
{
    const uint8_t *p = sluice_scalar_at(ds, field, sample);
    uint32_t word;
    float f;
    switch (ds->dir.fields[field].dtype) {
    case SLUICE_F64:
        return get_f64(p);
    case SLUICE_F32:
        memcpy(&f, p, sizeof(f));
        return (double)f;
    case SLUICE_BF16:
        word = (uint32_t)get_u16(p) << 16;
        memcpy(&f, &word, sizeof(f));
        return (double)f;
    case SLUICE_F16:
        return from_f16(get_u16(p));
    default:
        return (double)sluice_dataset_integer(ds, field, sample);
    }
}
