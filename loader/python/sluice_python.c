/* sluice_python.c -- a loader and a pipeline, joined for Python; see sluice_python.h.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <sluice/augment.h>
#include <sluice/format_emit.h>
#include <sluice/loader.h>

#include "python_options.h"
#include "sluice_python.h"

/* A batch in Python's hands. Where the pipeline mixes, the images are the lease's. */
struct lease {
    const struct sluice_batch *batch;
    void *pixels;      /* (batch_size, ...shape) NULL: the batch's own */
    int64_t *partners; /* (batch_size) */
    float *shares;     /* (batch_size) */
    int taken;         /* atomic: release may come at any time, from any thread */
};

struct sluice_python {
    struct sluice_loader *loader;
    struct sluice_augment *augment; /* NULL: u8 as stored */
    struct sluice_shape shape;      /* of an image */
    struct lease *leases;           /* (batches) */
    struct sluice_mix *mixes;       /* (batch_size) NULL: the pipeline does not mix */
    int batches, batch_size;
    bool measured; /* the file's statistics are of these images */
    int label;     /* column that is the class; -1: no columns */
    int stop;      /* a descriptor: readable once Python has closed the loader */
};

static int told(int rc, const struct sluice_error *err, char *message)
{
    if (rc < 0)
        memcpy(message, err->message, sizeof(err->message));
    return rc;
}

/* ---- opening ---- */

/* The file's statistics are of its first image field. */
static bool is_measured(const struct sluice_dataset *ds, const char *image_field)
{
    return !image_field || sluice_dataset_find(ds, image_field) ==
                               sluice_dataset_find_kind(ds, SLUICE_KIND_IMAGE);
}

/* They are NULL or `stored`, if they are of the images that are loaded, and of their
 * channels: those of colours are none of grey. */
static const double *stats_of(const struct sluice_python *p, const double *stored)
{
    const struct sluice_dataset *ds = sluice_loader_dataset(p->loader);
    const int has = sluice_dataset_directory(ds)->stats_channels;
    const int channels = sluice_loader_source(p->loader).channels;
    const bool fits = has == channels || (has == 1 && channels <= SLUICE_STATS_MAX);
    return p->measured && fits ? stored : NULL;
}

/* The pipeline needs the file's shape and statistics: a short look at it. */
static int make_pipeline(struct sluice_augment **out, const char *path,
                         const struct python_options *o, struct sluice_error *err)
{
    struct sluice_loader *ld;
    const struct sluice_loader_options look = { .threads = 1,
                                                .batches = 1,
                                                .batch_size = 1,
                                                .io = SLUICE_IO_PREAD,
                                                .on_error = o->loader.on_error,
                                                .image_field = o->loader.image_field,
                                                .channels = o->loader.channels,
                                                .crop = o->loader.crop };
    int rc = sluice_loader_open(&ld, path, &look, err);
    if (rc < 0)
        return rc;
    const struct sluice_dataset *ds = sluice_loader_dataset(ld);
    const bool measured = is_measured(ds, o->loader.image_field);
    const struct sluice_augment_options options = {
        .source = sluice_loader_source(ld),
        .seed = o->loader.seed,
        .dtype = python_options_dtype(o),
        .layout = python_options_layout(o),
        .mean = measured ? sluice_dataset_mean(ds) : NULL,
        .std = measured ? sluice_dataset_std(ds) : NULL,
        .stats_channels = sluice_dataset_directory(ds)->stats_channels,
        .mixes = 1,
    };
    rc = sluice_augment_create(out, o->augment ? o->augment : "", &options, err);
    sluice_loader_close(ld);
    return rc;
}

/* The i-th label column's field: the integer scalars, in the file's order. */
static int label_field(const struct sluice_dataset *ds, int column)
{
    int field = -1;
    for (int i = 0; field < 0 && i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        if (f->kind == SLUICE_KIND_SCALAR && f->dtype <= SLUICE_I64 && column-- == 0)
            field = i;
    }
    return field;
}

/* The column of the field that was asked for, else of the one with class names. */
static int find_label(const struct sluice_dataset *ds, const char *name)
{
    const int wanted =
        name ? sluice_dataset_find(ds, name) : sluice_dataset_find_label(ds);
    for (int i = 0, field; wanted >= 0 && (field = label_field(ds, i)) >= 0; i++)
        if (field == wanted)
            return i;
    return -1;
}

static bool is_mixing(const struct sluice_python *p)
{
    return p->augment && sluice_augment_mixes(p->augment);
}

/* What mixed batches take, beside those that they are mixed of. */
static size_t lease_bytes(const struct sluice_python *p)
{
    const size_t image = sluice_shape_bytes(&p->shape) + sizeof(*p->leases->partners) +
                         sizeof(*p->leases->shares);
    return is_mixing(p) ? (size_t)p->batches * (size_t)p->batch_size * image : 0;
}

/* The loader's part of the limit is what they leave. */
static int share_limit(const struct sluice_python *p, size_t *limit, const char *path,
                       struct sluice_error *err)
{
    const size_t own = lease_bytes(p);
    if (*limit && *limit <= own)
        return sluice_fail(
            err, SLUICE_ENOMEM,
            "%s: expected at most %zu bytes (memory_limit), found a need "
            "of %zu for mixed batches alone",
            path, *limit, own);
    *limit -= *limit ? own : 0;
    return 0;
}

static int make_leases(struct sluice_python *p, struct sluice_error *err)
{
    const size_t images = (size_t)p->batch_size;
    const bool mixes = is_mixing(p);
    p->leases = calloc((size_t)p->batches, sizeof(*p->leases));
    p->mixes = mixes ? calloc(images, sizeof(*p->mixes)) : NULL;
    bool good = p->leases && (!mixes || p->mixes);
    for (int i = 0; good && mixes && i < p->batches; i++) {
        struct lease *l = &p->leases[i];
        const size_t bytes = images * sluice_shape_bytes(&p->shape);
        l->pixels = aligned_alloc(64, (bytes + 63) / 64 * 64);
        l->partners = calloc(images, sizeof(*l->partners));
        l->shares = calloc(images, sizeof(*l->shares));
        good = l->pixels && l->partners && l->shares;
    }
    return good ? 0
                : sluice_fail(err, SLUICE_ENOMEM, "no memory for %d batches of %d",
                              p->batches, p->batch_size);
}

static int open_parsed(struct sluice_python *p, const char *path,
                       struct python_options *o, struct sluice_error *err)
{
    int rc = 0;
    if (python_options_augmented(o))
        rc = make_pipeline(&p->augment, path, o, err);
    p->batches = o->loader.batches;
    p->batch_size = o->loader.batch_size ? o->loader.batch_size : 256;
    if (rc == 0 && p->augment) {
        o->loader.transform = sluice_augment_transform(p->augment);
        p->shape = sluice_augment_shape(p->augment);
        rc = share_limit(p, &o->loader.memory_limit, path, err);
    }
    if (rc == 0)
        rc = sluice_loader_open(&p->loader, path, &o->loader, err);
    if (rc < 0)
        return rc;
    if (!p->augment)
        p->shape = sluice_loader_source(p->loader);
    p->measured = is_measured(sluice_loader_dataset(p->loader), o->loader.image_field);
    p->label = find_label(sluice_loader_dataset(p->loader), o->loader.class_field);
    if (o->loader.class_field && p->label < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no integer field %.40s", path,
                           o->loader.class_field);
    p->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->stop < 0)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no descriptor is left", path);
    return make_leases(p, err);
}

void sluice_python_close(struct sluice_python *p)
{
    if (!p)
        return;
    sluice_loader_close(p->loader);
    for (int i = 0; p->leases && i < p->batches; i++) {
        free(p->leases[i].pixels);
        free(p->leases[i].partners);
        free(p->leases[i].shares);
    }
    free(p->leases);
    free(p->mixes);
    sluice_augment_free(p->augment);
    if (p->stop >= 0)
        close(p->stop);
    free(p);
}

/* Numbers have a point here, whatever the program's locale says. */
int sluice_python_open(struct sluice_python **out, const char *path,
                       const char *const *names, const char *const *values, int count,
                       char *message)
{
    struct sluice_error err = { 0 };
    struct python_options o = { 0 };
    struct sluice_python *p = calloc(1, sizeof(*p));
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    *out = NULL;
    if (!p || !plain) {
        free(p);
        return told(sluice_fail(&err, SLUICE_ENOMEM, "%s: no memory", path), &err,
                    message);
    }
    const locale_t before = uselocale(plain);
    p->stop = -1;
    int rc = python_options_parse(&o, names, values, count, &err);
    if (rc == 0)
        rc = open_parsed(p, path, &o, &err);
    python_options_free(&o);
    uselocale(before);
    freelocale(plain);
    if (rc == 0)
        *out = p;
    else
        sluice_python_close(p);
    return told(rc, &err, message);
}

/* ---- batches ---- */

static struct lease *free_lease(struct sluice_python *p)
{
    for (int i = 0; i < p->batches; i++)
        if (!__atomic_load_n(&p->leases[i].taken, __ATOMIC_ACQUIRE))
            return &p->leases[i];
    return NULL;
}

static void give_back(struct sluice_python *p, struct lease *l)
{
    const struct sluice_batch *batch = l->batch;
    /* First: the loader may hand out another batch as soon as it has this one. */
    __atomic_store_n(&l->taken, 0, __ATOMIC_RELEASE);
    sluice_loader_release(p->loader, batch);
}

void sluice_python_release(struct sluice_python *p, const uint64_t out[8],
                           void *reference)
{
    (void)reference;
    if (out[0])
        give_back(p, (struct lease *)(uintptr_t)out[0]);
}

static int mix(struct sluice_python *p, struct lease *l, struct sluice_error *err)
{
    const int rc = sluice_augment_mix(p->augment, l->batch, l->pixels, p->mixes, err);
    for (int i = 0; rc == 0 && i < l->batch->count; i++) {
        l->partners[i] = p->mixes[i].partner;
        l->shares[i] = p->mixes[i].share;
    }
    return rc;
}

int sluice_python_next(struct sluice_python *p, uint64_t out[8], char *message)
{
    struct sluice_error err = { 0 };
    const struct sluice_batch *b;
    int n = sluice_loader_try_next(p->loader, &b, &err);
    if (n <= 0)
        return told(n, &err, message);
    struct lease *l = free_lease(p); /* there are as many as batches */
    l->batch = b;
    l->taken = 1;
    const int rc = p->mixes ? mix(p, l, &err) : 0;
    if (rc < 0) {
        give_back(p, l);
        return told(rc, &err, message);
    }
    const void *at[] = { l->pixels ? l->pixels : b->pixels, b->labels, b->ids,
                         l->partners, l->shares };
    out[0] = (uintptr_t)l;
    out[1] = b->epoch;
    out[2] = b->number;
    for (int i = 0; i < 5; i++)
        out[3 + i] = (uintptr_t)at[i];
    return n;
}

int sluice_python_fds(struct sluice_python *p, int out[2], char *message)
{
    struct sluice_error err = { 0 };
    out[0] = sluice_loader_fd(p->loader, &err);
    out[1] = p->stop;
    return told(out[0], &err, message);
}

void sluice_python_stop(struct sluice_python *p)
{
    eventfd_write(p->stop, 1);
}

/* ---- where it stands ---- */

int sluice_python_seek(struct sluice_python *p, uint32_t epoch, uint64_t batch,
                       char *message)
{
    struct sluice_error err = { 0 };
    return told(sluice_loader_seek(p->loader, epoch, batch, &err), &err, message);
}

int sluice_python_state(struct sluice_python *p, char *text, char *message)
{
    struct sluice_loader_state s;
    struct sluice_error err = { 0 };
    const int rc = sluice_loader_get_state(p->loader, &s, &err);
    if (rc == 0)
        sluice_loader_state_print(&s, text, SLUICE_LOADER_STATE_TEXT);
    return told(rc, &err, message);
}

int sluice_python_restore(struct sluice_python *p, const char *text, char *message)
{
    struct sluice_loader_state s;
    struct sluice_error err = { 0 };
    int rc = sluice_loader_state_parse(&s, text, &err);
    if (rc == 0)
        rc = sluice_loader_set_state(p->loader, &s, &err);
    if (rc == 0 && s.position == s.samples)
        rc = sluice_loader_seek(p->loader, s.epoch + 1, 0, &err);
    return told(rc, &err, message);
}

/* ---- what it is ---- */

struct fact {
    const char *name;
    double value;
};

/* Into the caller's arrays. */
static int give(const struct fact *facts, int count, const char **names, double *values)
{
    for (int i = 0; i < count; i++) {
        names[i] = facts[i].name;
        values[i] = facts[i].value;
    }
    return count;
}

int sluice_python_facts(struct sluice_python *p, const char **names, double *values)
{
    const struct sluice_dataset *ds = sluice_loader_dataset(p->loader);
    int columns = 0;
    while (label_field(ds, columns) >= 0)
        columns++;
    const struct fact facts[] = {
        { "length", (double)sluice_loader_batches(p->loader) },
        { "samples", (double)sluice_loader_samples(p->loader) },
        { "height", p->shape.height },
        { "width", p->shape.width },
        { "channels", p->shape.channels },
        { "nchw", p->shape.layout == SLUICE_NCHW },
        { "source_channels", sluice_loader_source(p->loader).channels },
        { "columns", columns },
        { "label", p->label },
        { "classes",
          p->label < 0 ? 0 : sluice_dataset_classes(ds, label_field(ds, p->label)) },
        { "batches", p->batches },
        { "batch_size", p->batch_size },
        { "mixes", p->mixes != NULL },
        { "damaged_slot", sluice_dataset_damaged_slot(ds) },
    };
    return give(facts, sizeof(facts) / sizeof(*facts), names, values);
}

int sluice_python_stats(struct sluice_python *p, const char **names, double *values)
{
    struct sluice_loader_stats s;
    sluice_loader_stats(p->loader, &s);
    const double own = (double)lease_bytes(p);
    const struct fact facts[] = {
        { "threads", s.threads },
        { "memory", (double)s.memory + own },
        { "memory_bound", (double)s.memory_bound + own },
        { "batches", (double)s.batches },
        { "samples", (double)s.samples },
        { "bytes_read", (double)s.bytes_read },
        { "read_seconds", s.read_seconds },
        { "decode_seconds", s.decode_seconds },
        { "entropy_seconds", s.entropy_seconds },
        { "pixels_seconds", s.pixels_seconds },
        { "resize_seconds", s.resize_seconds },
        { "transform_seconds", s.transform_seconds },
        { "idle_seconds", s.idle_seconds },
        { "reads", (double)s.reads },
        { "reads_in_flight", s.reads_in_flight },
        { "damaged", (double)s.damaged },
        { "damaged_samples", s.damaged_samples },
    };
    return give(facts, sizeof(facts) / sizeof(*facts), names, values);
}

void sluice_python_io(struct sluice_python *p, char *name, char *reason)
{
    struct sluice_loader_stats s;
    sluice_loader_stats(p->loader, &s);
    snprintf(name, sizeof(s.io_reason), "%s", sluice_io_name(s.io));
    memcpy(reason, s.io_reason, sizeof(s.io_reason));
}

int64_t sluice_python_damage(struct sluice_python *p, int i, char *message)
{
    struct sluice_damage d;
    if (sluice_loader_damage(p->loader, i, &d) < 0)
        return -1;
    memcpy(message, d.message, sizeof(d.message));
    return (int64_t)d.sample;
}

const char *sluice_python_dtype(struct sluice_python *p)
{
    return sluice_dtype_name(p->shape.dtype);
}

const char *sluice_python_pipeline(struct sluice_python *p)
{
    return p->augment ? sluice_augment_describe(p->augment) : NULL;
}

const char *sluice_python_column(struct sluice_python *p, int column)
{
    const struct sluice_dataset *ds = sluice_loader_dataset(p->loader);
    return sluice_dataset_field(ds, label_field(ds, column))->name;
}

const char *sluice_python_class_name(struct sluice_python *p, int i)
{
    const struct sluice_dataset *ds = sluice_loader_dataset(p->loader);
    return sluice_dataset_class_name(ds, label_field(ds, p->label), i);
}

const double *sluice_python_mean(struct sluice_python *p)
{
    const double *stored = sluice_dataset_mean(sluice_loader_dataset(p->loader));
    return stats_of(p, stored);
}

const double *sluice_python_std(struct sluice_python *p)
{
    const double *stored = sluice_dataset_std(sluice_loader_dataset(p->loader));
    return stats_of(p, stored);
}

const char *sluice_python_option(int i, const char **help)
{
    return python_options_name(i, help);
}

const char *sluice_python_code(int rc)
{
    return sluice_code_name(rc);
}

const char *sluice_python_version(void)
{
    return SLUICE_VERSION;
}
