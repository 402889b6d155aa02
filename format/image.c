/* image.c -- sizes and names of element types. */
#include <sluice/image.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [SLUICE_U8] = { "u8", 1 },     [SLUICE_I8] = { "i8", 1 },
    [SLUICE_I16] = { "i16", 2 },   [SLUICE_I32] = { "i32", 4 },
    [SLUICE_I64] = { "i64", 8 },   [SLUICE_F16] = { "f16", 2 },
    [SLUICE_F32] = { "f32", 4 },   [SLUICE_F64] = { "f64", 8 },
    [SLUICE_BF16] = { "bf16", 2 },
};

static int known(int dtype)
{
    return dtype >= SLUICE_U8 && dtype <= SLUICE_BF16;
}

size_t sluice_dtype_size(int dtype)
{
    return known(dtype) ? dtypes[dtype].size : 0;
}

const char *sluice_dtype_name(int dtype)
{
    return known(dtype) ? dtypes[dtype].name : "?";
}
