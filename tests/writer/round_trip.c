/* round_trip.c -- every kind of field and type of element, written and read back. */
#include <sluice/crc32c.h>
#include <sluice/writer.h>

#include "support/files.h"

enum { SAMPLES = 23, FIELDS = 14 };

static const struct sluice_field fields[FIELDS] = {
    { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 4, 5, 3, 0 } },
    { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    { "i8", SLUICE_KIND_SCALAR, SLUICE_I8, 0, { 0 } },
    { "i16", SLUICE_KIND_SCALAR, SLUICE_I16, 0, { 0 } },
    { "i32", SLUICE_KIND_SCALAR, SLUICE_I32, 0, { 0 } },
    { "i64", SLUICE_KIND_SCALAR, SLUICE_I64, 0, { 0 } },
    { "f16", SLUICE_KIND_SCALAR, SLUICE_F16, 0, { 0 } },
    { "f32", SLUICE_KIND_SCALAR, SLUICE_F32, 0, { 0 } },
    { "f64", SLUICE_KIND_SCALAR, SLUICE_F64, 0, { 0 } },
    { "bf16", SLUICE_KIND_SCALAR, SLUICE_BF16, 0, { 0 } },
    { "any_size", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } },
    { "blob", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
    { "tensor", SLUICE_KIND_TENSOR, SLUICE_F32, 2, { 2, 3 } },
    { "note", SLUICE_KIND_JSON, SLUICE_U8, 0, { 0 } },
};

/* Byte k of payload `field` of sample `i`. */
static uint8_t pattern(int field, int i, size_t k)
{
    return (uint8_t)(field * 31 + i * 7 + (int)k * 3);
}

static void fill(int i, struct sluice_value v[FIELDS], uint8_t room[FIELDS][512])
{
    static const double reals[] = {
        0, 1, -2, 0.5, 65504, 0x1p-24, 0x1p-14, 1.0 / 1024
    };
    const size_t sizes[FIELDS] = { [0] = 60,
                                   [10] = (size_t)(i % 3 + 1) * (i % 5 + 1) * 3,
                                   [11] = (size_t)(i * 11),
                                   [12] = 24,
                                   [13] = 2 };
    memset(v, 0, FIELDS * sizeof(*v));
    for (int f = 0; f < FIELDS; f++) {
        for (size_t k = 0; k < sizes[f]; k++)
            room[f][k] = pattern(f, i, k);
        v[f].data = room[f];
        v[f].size = sizes[f];
        v[f].integer = i % 2 ? i : f == 1 ? i : -i;
        v[f].real = reals[i % 8];
    }
    v[10].height = (uint32_t)(i % 3 + 1);
    v[10].width = (uint32_t)(i % 5 + 1);
    v[10].channels = 3;
    memcpy(room[13], "{}", 2);
}

static void write_file(const char *path)
{
    static const char *const classes[] = { "first", "second" };
    const struct sluice_schema schema = { .fields = fields,
                                          .field_count = FIELDS,
                                          .classes = classes,
                                          .class_count = 2,
                                          .provenance = "{\"from\": \"a test\"}" };
    struct sluice_writer *w;
    struct sluice_error err = { 0 };
    struct sluice_value v[FIELDS];
    uint8_t room[FIELDS][512];
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        fill(i, v, room);
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

static void check_payload(const struct sluice_dataset *ds, const struct memory_file *f,
                          int field, uint64_t i, const struct sluice_value *v)
{
    struct sluice_extent x;
    REQUIRE(sluice_dataset_locate(ds, field, i, &x, NULL) == 0, "locate");
    CHECK(x.size == v->size && x.offset + x.size <= f->size, "field %d: %u bytes",
          field, x.size);
    CHECK(memcmp(f->bytes + x.offset, v->data, v->size) == 0, "field %d sample %d",
          field, (int)i);
    CHECK(x.crc == sluice_crc32c(0, v->data, v->size), "field %d: checksum", field);
    CHECK(field != 10 ||
              (x.height == v->height && x.width == v->width && x.channels == 3),
          "size of image %d", (int)i);
    CHECK(field != 0 || (x.height == 4 && x.width == 5 && x.channels == 3),
          "fixed size");
}

static void check_file(const char *path)
{
    struct memory_file f;
    struct sluice_dataset *ds;
    struct sluice_error err = { 0 };
    struct sluice_value v[FIELDS];
    uint8_t room[FIELDS][512];
    double sum = 0;
    f.bytes = file_read(path, &f.size);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    CHECK(sluice_dataset_count(ds) == SAMPLES, "count");
    CHECK(sluice_dataset_field_count(ds) == FIELDS, "fields");
    CHECK(sluice_dataset_find(ds, "tensor") == 12 &&
              sluice_dataset_find(ds, "no") == -1,
          "find");
    CHECK(sluice_dataset_classes(ds, 1) == 2 && sluice_dataset_classes(ds, 2) == 0,
          "classes");
    CHECK(strcmp(sluice_dataset_class_name(ds, 1, 1), "second") == 0, "class name");
    CHECK(!sluice_dataset_class_name(ds, 1, 2), "class past the end");
    CHECK(strcmp(sluice_dataset_provenance(ds), "{\"from\": \"a test\"}") == 0,
          "provenance");
    for (int i = 0; i < SAMPLES; i++) {
        fill(i, v, room);
        for (int k = 0; k < FIELDS; k++) {
            const struct sluice_field *field = sluice_dataset_field(ds, k);
            CHECK(memcmp(field, &fields[k], sizeof(*field)) == 0, "field %d", k);
            if (field->kind != SLUICE_KIND_SCALAR)
                check_payload(ds, &f, k, (uint64_t)i, &v[k]);
            else if (field->dtype <= SLUICE_I64)
                CHECK(sluice_dataset_integer(ds, k, (uint64_t)i) == v[k].integer,
                      "field %d", k);
            else
                CHECK(near(sluice_dataset_real(ds, k, (uint64_t)i), v[k].real, 0,
                           field->dtype == SLUICE_BF16 ? 0x1p-9 : 0),
                      "field %d: %g, not %g", k,
                      sluice_dataset_real(ds, k, (uint64_t)i), v[k].real);
        }
        for (size_t k = 0; k < 60; k += 3)
            sum += room[0][k];
    }
    CHECK(near(sluice_dataset_mean(ds)[0], sum / (SAMPLES * 20), 1e-9, 0), "mean");
    struct sluice_extent x;
    CHECK(sluice_dataset_locate(ds, 0, SAMPLES, &x, &err) == SLUICE_EINVAL,
          "past the end");
    CHECK(sluice_dataset_locate(ds, 1, 0, &x, &err) == SLUICE_EINVAL, "a scalar");
    sluice_dataset_free(ds);
    free((void *)f.bytes);
}

/* What no reader would take is not written. */
static void refused(const char *path)
{
    static const struct sluice_field faults[] = {
        { "", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "x", (enum sluice_kind)6, SLUICE_U8, 0, { 0 } },
        { "x", SLUICE_KIND_SCALAR, (enum sluice_dtype)10, 0, { 0 } },
        { "x", SLUICE_KIND_TENSOR, SLUICE_F32, 5, { 1, 1, 1, 1 } },
        { "x", SLUICE_KIND_TENSOR, SLUICE_F64, 2, { 1 << 16, 1 << 15 } },
        { "x", SLUICE_KIND_IMAGE, SLUICE_F32, 0, { 4, 4, 3 } },
        { "x", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { (1 << 20) + 1, 4, 3 } },
    };
    static const struct sluice_field colour = {
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0, 0, 3 }
    };
    struct sluice_schema schema = { .field_count = 1 };
    struct sluice_writer *w;
    struct sluice_error err;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        schema.fields = &faults[i];
        CHECK(sluice_writer_begin(&w, path, &schema, &err) == SLUICE_EINVAL &&
                  strstr(err.message, "field 0"),
              "field %zu: %s", i, err.message);
        sluice_writer_abandon(w);
    }
    schema.fields = &colour;
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0, "%s", err.message);
    const struct sluice_value grey = {
        .data = "pixels", .size = 6, .height = 2, .width = 3, .channels = 1
    };
    CHECK(sluice_writer_append(w, &grey, &err) == SLUICE_EINVAL &&
              strstr(err.message, "2x3x1"),
          "grey among colour images: %s", err.message);
    sluice_writer_abandon(w);
}

int main(void)
{
    char path[128];
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    refused(path);
    CHECK(folder_entries(folder) == 0, "a file that was refused");
    write_file(path);
    CHECK(folder_entries(folder) == 1, "only the file remains");
    check_file(path);
    folder_remove(folder);
    return check_done();
}
