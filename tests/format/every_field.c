/* every_field.c FILE -- write a file with a field of every kind and element type, in
 * two commits, and print what a reader must find, a line of JSON for each sample. */
#include <inttypes.h>

#include <sluice/writer.h>

#include "support/files.h"

enum {
    SAMPLES = 12,
    FIRST = 7,
    SCALARS = 9,
    PAYLOADS = 4,
    FIELDS = 2 * SCALARS + PAYLOADS
};
enum { IMAGE = 2 * SCALARS, ANY_SIZE, BLOB, NOTE };

static const int tensor_shapes[SCALARS + 1][4] = { { 0 },         { 3 },       { 2, 3 },
                                                   { 1 },         { 2, 1, 2 }, { 5 },
                                                   { 2, 2 },      { 3, 2 },    { 4 },
                                                   { 1, 2, 1, 3 } };

/* Small whole numbers, which every type holds exactly; unsigned ones for u8. */
static int value_of(int dtype, int sample, int k)
{
    const int v = (sample * 17 + dtype * 5 + k * 3) % 100;
    return dtype == SLUICE_U8 ? v : v - 50;
}

/* A small whole number as IEEE binary16. */
static uint16_t half_of(int v)
{
    const unsigned size = (unsigned)(v < 0 ? -v : v);
    if (!size)
        return 0;
    const int exponent = 31 - __builtin_clz(size);
    return (uint16_t)((v < 0) << 15 | (exponent + 15) << 10 |
                      (int)(size << (10 - exponent) & 1023));
}

static size_t encode(uint8_t *out, int dtype, int v)
{
    const float f = (float)v;
    const double d = v;
    const uint16_t h = half_of(v);
    const int64_t i = v;
    switch (dtype) {
    case SLUICE_F16:
        memcpy(out, &h, 2);
        break;
    case SLUICE_F32:
        memcpy(out, &f, 4);
        break;
    case SLUICE_F64:
        memcpy(out, &d, 8);
        break;
    case SLUICE_BF16:
        memcpy(out, (const uint8_t *)&f + 2, 2);
        break;
    default:
        memcpy(out, &i, sluice_dtype_size(dtype));
    }
    return sluice_dtype_size(dtype);
}

static int elements(const int *shape)
{
    int n = 1;
    for (int k = 0; k < 4 && shape[k]; k++)
        n *= shape[k];
    return n;
}

static void make_fields(struct sluice_field fields[FIELDS])
{
    memset(fields, 0, FIELDS * sizeof(*fields));
    for (int t = 1; t <= SCALARS; t++) {
        struct sluice_field *scalar = &fields[t - 1],
                            *tensor = &fields[SCALARS + t - 1];
        snprintf(scalar->name, sizeof(scalar->name), "%s", sluice_dtype_name(t));
        snprintf(tensor->name, sizeof(tensor->name), "t_%s", sluice_dtype_name(t));
        *scalar = (struct sluice_field){ .kind = SLUICE_KIND_SCALAR, .dtype = t };
        *tensor = (struct sluice_field){ .kind = SLUICE_KIND_TENSOR, .dtype = t };
        snprintf(scalar->name, sizeof(scalar->name), "%s", sluice_dtype_name(t));
        snprintf(tensor->name, sizeof(tensor->name), "t_%s", sluice_dtype_name(t));
        for (int k = 0; k < 4 && tensor_shapes[t][k]; k++) {
            tensor->rank = k + 1;
            tensor->shape[k] = (uint32_t)tensor_shapes[t][k];
        }
    }
    fields[IMAGE] =
        (struct sluice_field){ "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 2, 3, 4 } };
    fields[ANY_SIZE] =
        (struct sluice_field){ "any_size", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } };
    fields[BLOB] =
        (struct sluice_field){ "blob", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } };
    fields[NOTE] =
        (struct sluice_field){ "note", SLUICE_KIND_JSON, SLUICE_U8, 0, { 0 } };
}

/* The elements of a tensor as nested lists. */
static void print_nested(const int *shape, int depth, int dtype, int sample, int *k)
{
    if (depth == 4 || !shape[depth]) {
        printf("%d", value_of(dtype, sample, (*k)++));
        return;
    }
    putchar('[');
    for (int i = 0; i < shape[depth]; i++) {
        printf("%s", i ? ", " : "");
        print_nested(shape, depth + 1, dtype, sample, k);
    }
    putchar(']');
}

static void print_payload(const char *name, const struct sluice_value *v,
                          const int size[3])
{
    printf(", \"%s\": {\"bytes\": \"", name);
    for (size_t k = 0; k < v->size; k++)
        printf("%02x", ((const uint8_t *)v->data)[k]);
    printf("\", \"codec\": %d, \"height\": %d, \"width\": %d, \"channels\": %d}",
           (int)v->codec, size[0], size[1], size[2]);
}

static int add(struct sluice_writer *w, int i, struct sluice_error *err)
{
    static uint8_t room[FIELDS][256];
    struct sluice_value v[FIELDS] = { 0 };
    for (int t = 1; t <= SCALARS; t++) {
        size_t size = 0;
        v[t - 1].integer = value_of(t, i, 0);
        v[t - 1].real = value_of(t, i, 0);
        for (int k = 0; k < elements(tensor_shapes[t]); k++)
            size += encode(room[SCALARS + t - 1] + size, t, value_of(t, i, k));
        v[SCALARS + t - 1] =
            (struct sluice_value){ .data = room[SCALARS + t - 1], .size = size };
    }
    for (int f = IMAGE; f < NOTE; f++)
        for (size_t k = 0; k < sizeof(room[f]); k++)
            room[f][k] = (uint8_t)(f + i * 13 + (int)k * 7);
    /* One in three is said to be a JPEG: the format does not look into it. */
    const int size[3] = { i % 3 + 1, i % 4 + 1, i % 2 ? 3 : 1 }, none[3] = { 0 },
              fixed[3] = { 2, 3, 4 };
    v[IMAGE] = (struct sluice_value){ .data = room[IMAGE], .size = 24 };
    v[ANY_SIZE] =
        (struct sluice_value){ .data = room[ANY_SIZE],
                               .size =
                                   i % 3 ? (size_t)(size[0] * size[1] * size[2]) : 100,
                               .codec = i % 3 ? SLUICE_CODEC_RAW : SLUICE_CODEC_JPEG,
                               .height = (uint32_t)size[0],
                               .width = (uint32_t)size[1],
                               .channels = (uint32_t)size[2] };
    v[BLOB] = (struct sluice_value){ .data = room[BLOB], .size = (size_t)i * 11 };
    v[NOTE].data = room[NOTE];
    v[NOTE].size =
        (size_t)snprintf((char *)room[NOTE], sizeof(room[NOTE]),
                         "{\"n\": [%d, null], \"\xc3\xa9\": \"\\u00e9\"}", i);
    printf("{");
    for (int t = 1; t <= SCALARS; t++)
        printf("%s\"%s\": %d", t > 1 ? ", " : "", sluice_dtype_name(t),
               value_of(t, i, 0));
    for (int t = 1; t <= SCALARS; t++) {
        int k = 0;
        printf(", \"t_%s\": ", sluice_dtype_name(t));
        print_nested(tensor_shapes[t], 0, t, i, &k);
    }
    print_payload("image", &v[IMAGE], fixed);
    print_payload("any_size", &v[ANY_SIZE], size);
    print_payload("blob", &v[BLOB], none);
    printf(", \"note\": %s}\n", (const char *)room[NOTE]);
    return sluice_writer_append(w, v, err);
}

int main(int argc, char **argv)
{
    static const char *const classes[] = { "cat", "\xc3\xa9t\xc3\xa9" };
    struct sluice_field fields[FIELDS];
    struct sluice_writer *w;
    struct sluice_error err;
    REQUIRE(argc == 2, "which file?");
    make_fields(fields);
    const struct sluice_schema schema = { .fields = fields,
                                          .field_count = FIELDS,
                                          .classes = classes,
                                          .class_count = 2,
                                          .provenance = "{\"from\": \"a test\"}" };
    int rc = sluice_writer_begin(&w, argv[1], &schema, &err);
    for (int i = 0; i < SAMPLES && rc == 0; i++) {
        if (i == FIRST) { /* the rest is appended */
            rc = sluice_writer_finish(w, &err);
            sluice_writer_abandon(w);
            REQUIRE(rc == 0 && sluice_writer_reopen(&w, argv[1], &err) == 0, "%s",
                    err.message);
        }
        rc = add(w, i, &err);
    }
    rc = rc < 0 ? rc : sluice_writer_finish(w, &err);
    REQUIRE(rc == 0, "%s", err.message);
    sluice_writer_abandon(w);
    return fflush(stdout) ? 1 : 0;
}
