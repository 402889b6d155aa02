/* vq_file.c -- a refiner to and from a file; see vq_file.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../whole_file.h"
#include "vq_file.h"

enum {
    SETS = 3, /* the numbers and two moments */
};

static const char *const prefixes[SETS] = { "", CHECKPOINT_MOMENTS "adam.exp_avg.",
                                            CHECKPOINT_MOMENTS "adam.exp_avg_sq." };

int vq_file_open(struct vq_file *f, const char *path, struct sluice_error *err)
{
    *f = (struct vq_file){ 0 };
    int rc = whole_file_read(path, &f->bytes, &f->size, UINT64_MAX, err);
    if (rc == 0)
        rc = checkpoint_parse(path, f->bytes, f->size, &f->meta, err);
    if (rc == 0)
        rc = safetensors_parse(&f->st, path, f->bytes, f->size, err);
    if (rc == 0 && strcmp(f->meta.model, VQ_MODEL) != 0)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "%.300s: expected a checkpoint of sluice vq train, found one "
                         "of model '%s'",
                         path, f->meta.model);
    if (rc < 0)
        vq_file_close(f);
    return rc;
}

void vq_file_close(struct vq_file *f)
{
    safetensors_free(&f->st);
    free(f->bytes);
    *f = (struct vq_file){ 0 };
}

const char *vq_file_record(const struct vq_file *f)
{
    const struct safetensors_text *text = safetensors_text(&f->st, "recipe");
    return text ? text->value : "";
}

static float *set_of(struct refiner *r, int set)
{
    return set ? refiner_moment(r, set - 1) : refiner_values(r);
}

/* A tensor of the file, or NULL with the reason in *err. */
static const char *entry(const struct vq_file *f, const char *path, const char *name,
                         const struct refine_param *p, struct sluice_error *err)
{
    const struct safetensors_entry *e = safetensors_find(&f->st, name);
    if (!e) {
        sluice_fail(err, SLUICE_EINVAL, "%.300s: has no tensor '%s'", path, name);
        return NULL;
    }
    bool same = e->rank == p->rank && strcmp(e->dtype, "F32") == 0;
    for (int i = 0; same && i < p->rank; i++)
        same = e->shape[i] == (uint64_t)p->shape[i];
    if (!same) {
        sluice_fail(err, SLUICE_EINVAL,
                    "%.300s: tensor '%s' has another shape than its record says", path,
                    name);
        return NULL;
    }
    return (const char *)f->bytes + f->st.data_at + e->begin;
}

int vq_file_load(const struct vq_file *f, const char *path, struct refiner *r,
                 struct sluice_error *err)
{
    const int sets = refiner_moment(r, 0) ? SETS : 1;
    for (int copy = 0; copy < 2; copy++)
        for (int set = 0; set < sets; set++)
            for (int i = 0; i < refiner_param_count(r); i++) {
                const struct refine_param *p = refiner_param(r, i);
                char name[SAFETENSORS_NAME];
                snprintf(name, sizeof name, "%s%s", prefixes[set], p->name);
                const char *from = entry(f, path, name, p, err);
                if (!from)
                    return SLUICE_EINVAL;
                if (copy)
                    memcpy(set_of(r, set) + p->at, from, p->count * sizeof(float));
            }
    return 0;
}

int vq_file_save(const char *path, struct refiner *r,
                 const struct checkpoint_meta *meta, struct sluice_error *err)
{
    const int params = refiner_param_count(r), count = SETS * params;
    struct checkpoint_item *items = calloc((size_t)count, sizeof *items);
    struct tensor *tensors = calloc((size_t)count, sizeof *tensors);
    struct file_part *bytes = calloc((size_t)count, sizeof *bytes);
    int rc = SLUICE_ENOMEM;
    for (int i = 0; items && tensors && bytes && i < count; i++) {
        const struct refine_param *p = refiner_param(r, i % params);
        struct tensor *t = &tensors[i];
        *t = (struct tensor){ .rank = p->rank, .dtype = SLUICE_F32 };
        memcpy(t->shape, p->shape, sizeof p->shape);
        items[i].tensor = t;
        snprintf(items[i].name, sizeof items[i].name, "%s%s", prefixes[i / params],
                 p->name);
        bytes[i] = (struct file_part){ set_of(r, i / params) + p->at,
                                       p->count * sizeof(float) };
    }
    if (items && tensors && bytes)
        rc = checkpoint_write(path, items, count, bytes, meta->step, meta, err);
    else
        sluice_fail(err, SLUICE_ENOMEM, "%.300s: no memory", path);
    free(items);
    free(tensors);
    free(bytes);
    return rc;
}
