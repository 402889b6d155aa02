/* lookup.c -- what an open file says of itself, and where its samples are. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "bytes.h"
#include "dataset_internal.h"
#include "layout.h"

const char *sluice_dataset_name(const struct sluice_dataset *ds)
{
    return ds->name;
}

uint64_t sluice_dataset_count(const struct sluice_dataset *ds)
{
    return ds->commit.samples;
}

int sluice_dataset_segments(const struct sluice_dataset *ds)
{
    return ds->dir.segment_count;
}

int sluice_dataset_field_count(const struct sluice_dataset *ds)
{
    return ds->dir.field_count;
}

const struct sluice_field *sluice_dataset_field(const struct sluice_dataset *ds,
                                                int field)
{
    assert(field >= 0 && field < ds->dir.field_count);
    return &ds->dir.fields[field];
}

int sluice_dataset_damaged_slot(const struct sluice_dataset *ds)
{
    return ds->damaged_slot;
}

int sluice_dataset_find(const struct sluice_dataset *ds, const char *name)
{
    for (int i = 0; i < ds->dir.field_count; i++)
        if (strcmp(ds->dir.fields[i].name, name) == 0)
            return i;
    return -1;
}

int sluice_dataset_find_kind(const struct sluice_dataset *ds, enum sluice_kind kind)
{
    for (int i = 0; i < ds->dir.field_count; i++)
        if (ds->dir.fields[i].kind == kind)
            return i;
    return -1;
}

/* The segment of a sample: the last one whose first sample is not above it. */
static int segment_of(const struct sluice_dataset *ds, uint64_t sample)
{
    int low = 0, high = ds->dir.segment_count - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (ds->first[middle] <= sample)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static const struct table *table_of(const struct sluice_dataset *ds, int field,
                                    uint64_t *sample)
{
    const int g = segment_of(ds, *sample);
    *sample -= ds->first[g];
    return &ds->tables[(size_t)g * (size_t)ds->dir.field_count + (size_t)field];
}

int sluice_dataset_locate(const struct sluice_dataset *ds, int field, uint64_t sample,
                          struct sluice_extent *out, struct sluice_error *err)
{
    if (field < 0 || field >= ds->dir.field_count ||
        ds->dir.fields[field].kind == SLUICE_KIND_SCALAR)
        return sluice_fail(err, SLUICE_EINVAL, "%s: field %d has no payload", ds->name,
                           field);
    if (sample >= ds->commit.samples)
        return sluice_fail(err, SLUICE_EINVAL, "%s: sample %" PRIu64 " of %" PRIu64,
                           ds->name, sample, ds->commit.samples);
    const struct sluice_field *f = &ds->dir.fields[field];
    const struct table *t = table_of(ds, field, &sample);
    if (t->store->type == SLUICE_STORE_FIXED) {
        const bool image = f->kind == SLUICE_KIND_IMAGE;
        *out = (struct sluice_extent){
            .offset = t->store->data_offset + sample * t->store->stride,
            .size = (uint32_t)t->store->stride,
            .crc = get_u32(t->bytes + sample * 4),
            .codec = t->store->codec,
            .height = image ? f->shape[0] : 0,
            .width = image ? f->shape[1] : 0,
            .channels = image ? f->shape[2] : 0,
        };
        return 0;
    }
    const uint8_t *e = t->bytes + sample * SLUICE_INDEX_ENTRY;
    *out = (struct sluice_extent){
        .offset = get_u64(e + ENTRY_OFFSET),
        .size = get_u32(e + ENTRY_SIZE),
        .crc = get_u32(e + ENTRY_CRC),
        .codec = get_u16(e + ENTRY_CODEC),
        .height = get_u32(e + ENTRY_HEIGHT),
        .width = get_u32(e + ENTRY_WIDTH),
        .channels = get_u16(e + ENTRY_CHANNELS),
        .plain = get_u32(e + ENTRY_PLAIN),
    };
    return 0;
}

bool sluice_dataset_in_order(const struct sluice_dataset *ds, int field)
{
    assert(field >= 0 && field < ds->dir.field_count);
    uint64_t behind = 0;
    for (int g = 0; g < ds->dir.segment_count; g++) {
        const struct table *t =
            &ds->tables[(size_t)g * (size_t)ds->dir.field_count + (size_t)field];
        if (!t->in_order || t->store->data_offset < behind)
            return false;
        behind = t->store->data_offset + t->store->data_size;
    }
    return true;
}

const uint8_t *sluice_scalar_at(const struct sluice_dataset *ds, int field,
                                uint64_t sample)
{
    assert(field >= 0 && field < ds->dir.field_count && sample < ds->commit.samples);
    assert(ds->dir.fields[field].kind == SLUICE_KIND_SCALAR);
    const struct table *t = table_of(ds, field, &sample);
    return t->bytes + sample * t->store->stride;
}

int sluice_dataset_classes(const struct sluice_dataset *ds, int field)
{
    return field == ds->dir.class_field ? ds->dir.class_count : 0;
}

const char *sluice_dataset_class_name(const struct sluice_dataset *ds, int field,
                                      int label)
{
    const bool known = label >= 0 && label < sluice_dataset_classes(ds, field);
    return known ? ds->dir.classes[label] : NULL;
}

const double *sluice_dataset_mean(const struct sluice_dataset *ds)
{
    return ds->dir.stats_channels ? ds->dir.mean : NULL;
}

const double *sluice_dataset_std(const struct sluice_dataset *ds)
{
    return ds->dir.stats_channels ? ds->dir.std : NULL;
}

const char *sluice_dataset_provenance(const struct sluice_dataset *ds)
{
    return ds->dir.provenance ? ds->dir.provenance : "{}";
}

int sluice_dataset_zstd(const struct sluice_dataset *ds, const void **dictionary,
                        size_t *dictionary_size)
{
    *dictionary = ds->dir.dictionary;
    *dictionary_size = ds->dir.dictionary_size;
    return ds->dir.zstd_level;
}

size_t sluice_dataset_memory(const struct sluice_dataset *ds)
{
    return ds->memory;
}

const struct sluice_directory *sluice_dataset_directory(const struct sluice_dataset *ds)
{
    return &ds->dir;
}

const struct sluice_commit *sluice_dataset_commit(const struct sluice_dataset *ds)
{
    return &ds->commit;
}
