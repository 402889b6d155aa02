/* schema.c -- see schema.h. */
#include <string.h>

#include "schema.h"

uint64_t schema_payload(const struct sluice_field *f)
{
    uint64_t size = sluice_dtype_size(f->dtype);
    const int axes = f->kind == SLUICE_KIND_IMAGE ? 3 : f->rank;
    if (f->kind != SLUICE_KIND_IMAGE && f->kind != SLUICE_KIND_TENSOR)
        return 0;
    for (int i = 0; i < axes && size; i++)
        size = size > UINT32_MAX / (f->shape[i] ? f->shape[i] : 1) ? 0
                                                                   : size * f->shape[i];
    return size;
}

int schema_check(const char *path, const struct sluice_schema *s,
                 struct sluice_error *err)
{
    if (s->field_count < 1 || s->field_count > SLUICE_FIELDS_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "%s: %d fields, expected 1 to %d", path,
                           s->field_count, SLUICE_FIELDS_MAX);
    for (int i = 0; i < s->field_count; i++) {
        const struct sluice_field *f = &s->fields[i];
        if (!f->name[0] || memchr(f->name, 0, sizeof(f->name)) == NULL ||
            !sluice_dtype_size(f->dtype) || f->kind < SLUICE_KIND_SCALAR ||
            f->kind > SLUICE_KIND_JSON || f->rank < 0 || f->rank > SLUICE_RANK_MAX ||
            (f->kind == SLUICE_KIND_TENSOR && !schema_payload(f)))
            return sluice_fail(err, SLUICE_EINVAL, "%s: field %d is not well formed",
                               path, i);
        for (int k = 0; k < i; k++)
            if (strcmp(s->fields[k].name, f->name) == 0)
                return sluice_fail(err, SLUICE_EINVAL, "%s: two fields are called %s",
                                   path, f->name);
    }
    return 0;
}
