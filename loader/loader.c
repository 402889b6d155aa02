/* loader.c -- the public calls. See core.h for who does what behind them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

/* ---- options ---- */

static int copy_pixels(const void *arg, const struct sluice_image *in, void *out,
                       struct sluice_error *err)
{
    (void)arg;
    (void)err;
    memcpy(out, in->pixels,
           (size_t)in->height * (size_t)in->width * (size_t)in->channels);
    return 0;
}

static void *allocate_default(void *ctx, size_t size)
{
    (void)ctx;
    return aligned_alloc(64, (size + 63) / 64 * 64);
}

static void release_default(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    (void)size;
    free(memory);
}

static int check_options(const struct sluice_loader_options *o, const char *path,
                         struct sluice_error *err)
{
    if (o->batch_size < 0 || o->batches < 0 || o->threads < 0 || o->threads > 1024 ||
        o->queue_depth < 0 || o->queue_depth > 4096 || o->order < SLUICE_RANDOM ||
        o->order > SLUICE_SEQUENTIAL || o->io < SLUICE_IO_AUTO ||
        o->io > SLUICE_IO_PREAD)
        return sluice_fail(err, SLUICE_EINVAL, "%s: an option is out of range", path);
    if (o->world < 0 || o->rank < 0 || o->rank >= (o->world ? o->world : 1))
        return sluice_fail(err, SLUICE_EINVAL, "%s: rank %d of %d", path, o->rank,
                           o->world);
    if (!o->allocator.allocate != !o->allocator.release)
        return sluice_fail(err, SLUICE_EINVAL, "%s: half an allocator", path);
    return 0;
}

static void resolve_options(struct sluice_loader *ld)
{
    struct sluice_loader_options *o = &ld->opt;
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    o->batch_size = o->batch_size ? o->batch_size : 256;
    o->batches = o->batches ? o->batches : 4;
    o->threads = o->threads ? o->threads : online > 0 ? (int)online : 1;
    o->queue_depth = o->queue_depth ? o->queue_depth : 64;
    o->world = o->world ? o->world : 1;
    if (!o->allocator.allocate) {
        o->allocator.allocate = allocate_default;
        o->allocator.release = release_default;
    }
}

/* ---- opening ---- */

static int find_fields(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_dataset *ds = ld->file.dataset;
    const char *name = ld->opt.image_field;
    ld->image_field = name ? sluice_dataset_find(ds, name)
                           : sluice_dataset_find_kind(ds, SLUICE_KIND_IMAGE);
    if (ld->image_field < 0 ||
        sluice_dataset_field(ds, ld->image_field)->kind != SLUICE_KIND_IMAGE)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no image field %s", ld->file.path,
                           name ? name : "in it");
    const struct sluice_field *image = sluice_dataset_field(ds, ld->image_field);
    if (!image->shape[0] || !image->shape[1] || !image->shape[2])
        return sluice_fail(
            err, SLUICE_EUNBUILT,
            "%s: field %s holds images of differing size or encoded ones; "
            "this loader takes raw images of one size",
            ld->file.path, image->name);
    ld->source = (struct sluice_shape){ (int)image->shape[0], (int)image->shape[1],
                                        (int)image->shape[2], SLUICE_U8, SLUICE_NHWC };
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        if (f->kind == SLUICE_KIND_SCALAR && f->dtype <= SLUICE_I64)
            ld->label_fields[ld->label_columns++] = i;
    }
    return 0;
}

static int take_subset(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    const uint64_t total = sluice_dataset_count(ld->file.dataset);
    ld->count = o->subset ? o->subset_count : total;
    if (o->subset) {
        for (uint64_t i = 0; i < o->subset_count; i++)
            if (o->subset[i] >= total)
                return sluice_fail(err, SLUICE_EINVAL,
                                   "%s: subset names sample %" PRIu64 " of %" PRIu64,
                                   ld->file.path, o->subset[i], total);
        ld->subset = malloc((size_t)(ld->count ? ld->count : 1) * sizeof(*ld->subset));
        if (!ld->subset)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ld->file.path);
        memcpy(ld->subset, o->subset, (size_t)ld->count * sizeof(*ld->subset));
    }
    ld->opt.subset = NULL; /* the caller's: copied */
    if (!ld->count)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no samples", ld->file.path);
    ld->share = (struct sluice_share){ .count = ld->count,
                                       .batch_size = (uint64_t)o->batch_size,
                                       .rank = (uint64_t)o->rank,
                                       .world = (uint64_t)o->world,
                                       .drop_last = o->drop_last };
    sluice_permutation_init(&ld->permutation, ld->count, o->seed, 0);
    return 0;
}

static int allocate_slots(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    const size_t images = (size_t)o->batch_size;
    size_t each, total;
    if (!ld->transform.apply) {
        ld->transform.apply = copy_pixels;
        ld->transform.out = ld->source;
    }
    ld->out_bytes = sluice_shape_bytes(&ld->transform.out);
    if (!ld->out_bytes || __builtin_mul_overflow(ld->out_bytes, images, &each) ||
        each > SIZE_MAX - 63 ||
        __builtin_mul_overflow((each + 63) / 64 * 64, (size_t)o->batches, &total))
        return sluice_fail(err, SLUICE_EINVAL, "%s: batches of impossible size",
                           ld->file.path);
    each = (each + 63) / 64 * 64;
    ld->slots = calloc((size_t)o->batches, sizeof(*ld->slots));
    ld->slab = o->allocator.allocate(o->allocator.ctx, total);
    ld->slab_size = total;
    if (!ld->slots || !ld->slab)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "%s: no memory for %d batches of %zu bytes", ld->file.path,
                           o->batches, each);
    for (int i = 0; i < o->batches; i++) {
        struct slot *s = &ld->slots[i];
        s->ids = malloc(images * sizeof(*s->ids));
        s->labels =
            malloc((images * (size_t)ld->label_columns + 1) * sizeof(*s->labels));
        if (!s->ids || !s->labels)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ld->file.path);
        s->batch =
            (struct sluice_batch){ .shape = ld->transform.out,
                                   .pixels = (uint8_t *)ld->slab + (size_t)i * each,
                                   .labels = s->labels,
                                   .label_columns = ld->label_columns,
                                   .ids = s->ids,
                                   .owner = s };
    }
    return 0;
}

static int start_workers(struct sluice_loader *ld, struct sluice_error *err)
{
    const int wanted = ld->opt.threads;
    ld->workers = calloc((size_t)wanted, sizeof(*ld->workers));
    if (!ld->workers)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ld->file.path);
    for (int i = 0; i < wanted; i++)
        ld->workers[i].ld = ld;
    /* The lock keeps the first worker from seeing worker_count before it is final. */
    pthread_mutex_lock(&ld->lock);
    int rc = 0;
    while (ld->worker_count < wanted && rc == 0) {
        struct worker *w = &ld->workers[ld->worker_count];
        rc = ld->file.sys->thread(&w->thread, sluice_worker_run, w);
        if (rc == 0)
            ld->worker_count++;
    }
    ld->stop = rc < 0;
    pthread_mutex_unlock(&ld->lock);
    return rc < 0
               ? sluice_fail(err, SLUICE_ENOMEM, "%s: thread %d of %d: %s",
                             ld->file.path, ld->worker_count + 1, wanted, strerror(-rc))
               : 0;
}

static int open_all(struct sluice_loader *ld, const char *path,
                    struct sluice_error *err)
{
    int rc;
    if ((rc = sluice_file_open(&ld->file, path, ld->file.sys, err)) < 0 ||
        (rc = find_fields(ld, err)) < 0 || (rc = take_subset(ld, err)) < 0 ||
        (rc = sluice_choose_io(ld, err)) < 0 || (rc = allocate_slots(ld, err)) < 0)
        return rc;
    return start_workers(ld, err);
}

int sluice_loader_open_with(struct sluice_loader **out, const char *path,
                            const struct sluice_loader_options *options,
                            const struct sluice_sys *sys, struct sluice_error *err)
{
    static const struct sluice_loader_options defaults;
    int rc = check_options(options ? options : &defaults, path, err);
    *out = NULL;
    if (rc < 0)
        return rc;
    struct sluice_loader *ld = calloc(1, sizeof(*ld));
    if (!ld)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    ld->opt = options ? *options : defaults;
    ld->transform = ld->opt.transform;
    ld->pid = getpid();
    ld->file = (struct sluice_file){ .sys = sys, .fd = -1, .direct_fd = -1 };
    pthread_mutex_init(&ld->lock, NULL);
    pthread_cond_init(&ld->work, NULL);
    pthread_cond_init(&ld->ready, NULL);
    resolve_options(ld);
    rc = open_all(ld, path, err);
    if (rc < 0) {
        sluice_loader_close(ld);
        return rc;
    }
    *out = ld;
    return 0;
}

int sluice_loader_open(struct sluice_loader **out, const char *path,
                       const struct sluice_loader_options *options,
                       struct sluice_error *err)
{
    return sluice_loader_open_with(out, path, options, &sluice_sys_real, err);
}

void sluice_loader_close(struct sluice_loader *ld)
{
    /* In a forked child the threads do not exist, and the rest is the parent's. */
    if (!ld || ld->pid != getpid())
        return;
    pthread_mutex_lock(&ld->lock);
    ld->stop = true;
    __atomic_store_n(&ld->cancel, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&ld->work);
    pthread_mutex_unlock(&ld->lock);
    for (int i = 0; i < ld->worker_count; i++)
        pthread_join(ld->workers[i].thread, NULL);
    sluice_pool_free(ld->pool);
    for (int i = 0; ld->slots && i < ld->opt.batches; i++) {
        free(ld->slots[i].ids);
        free(ld->slots[i].labels);
    }
    if (ld->slab)
        ld->opt.allocator.release(ld->opt.allocator.ctx, ld->slab, ld->slab_size);
    sluice_resident_free(ld);
    free(ld->slots);
    free(ld->workers);
    free(ld->subset);
    sluice_file_close(&ld->file);
    pthread_cond_destroy(&ld->ready);
    pthread_cond_destroy(&ld->work);
    pthread_mutex_destroy(&ld->lock);
    free(ld);
}

/* ---- consuming ---- */

static struct slot *slot_of(struct sluice_loader *ld, uint64_t number)
{
    for (int i = 0; i < ld->opt.batches; i++) {
        struct slot *s = &ld->slots[i];
        if ((s->state == SLOT_FILLING || s->state == SLOT_READY) &&
            s->batch.number == number)
            return s;
    }
    return NULL;
}

static int lent(const struct sluice_loader *ld)
{
    int n = 0;
    for (int i = 0; i < ld->opt.batches; i++)
        n += ld->slots[i].state == SLOT_LENT;
    return n;
}

/* With the lock held. */
static int next_locked(struct sluice_loader *ld, const struct sluice_batch **out,
                       struct sluice_error *err)
{
    struct slot *s;
    if (ld->failed)
        return sluice_fail(err, SLUICE_EINVAL, "%s: the loader has failed; close it",
                           ld->file.path);
    if (ld->next_delivered == sluice_share_batches(&ld->share))
        return 0;
    const double before = sluice_seconds();
    while (!(s = slot_of(ld, ld->next_delivered)) || s->state != SLOT_READY) {
        if (!s && lent(ld) == ld->opt.batches)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: all %d batches are held; release one first",
                               ld->file.path, ld->opt.batches);
        pthread_cond_wait(&ld->ready, &ld->lock);
        /* Another consumer may have taken the batch we waited for. */
        if (ld->failed || ld->next_delivered == sluice_share_batches(&ld->share))
            return next_locked(ld, out, err);
    }
    ld->stats.wait_seconds += sluice_seconds() - before;
    if (s->failed_at < s->count) {
        ld->failed = true;
        pthread_cond_broadcast(&ld->ready);
        if (err)
            *err = s->error;
        return s->error.code;
    }
    ld->next_delivered++;
    ld->stats.batches++;
    s->state = SLOT_LENT;
    *out = &s->batch;
    return s->count;
}

int sluice_loader_next(struct sluice_loader *ld, const struct sluice_batch **out,
                       struct sluice_error *err)
{
    *out = NULL;
    if (ld->pid != getpid())
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s: this process was forked after the loader was opened; open "
            "it again here",
            ld->file.path);
    pthread_mutex_lock(&ld->lock);
    int rc = next_locked(ld, out, err);
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

void sluice_loader_release(struct sluice_loader *ld, const struct sluice_batch *batch)
{
    struct slot *s = batch->owner;
    if (ld->pid != getpid())
        return;
    pthread_mutex_lock(&ld->lock);
    if (s->state == SLOT_LENT) {
        s->state = SLOT_FREE;
        pthread_cond_signal(&ld->work);
    }
    pthread_mutex_unlock(&ld->lock);
}

int sluice_loader_seek(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                       struct sluice_error *err)
{
    int rc = 0;
    pthread_mutex_lock(&ld->lock);
    if (ld->failed)
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: the loader has failed; close it",
                         ld->file.path);
    else if (batch > sluice_share_batches(&ld->share))
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: batch %" PRIu64 " of %" PRIu64,
                         ld->file.path, batch, sluice_share_batches(&ld->share));
    else if (lent(ld))
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: %d batches are not released",
                         ld->file.path, lent(ld));
    if (rc == 0) {
        /* Workers drop what they are at; then every slot is ours. */
        __atomic_store_n(&ld->cancel, true, __ATOMIC_RELAXED);
        while (ld->busy)
            pthread_cond_wait(&ld->ready, &ld->lock);
        for (int i = 0; i < ld->opt.batches; i++)
            ld->slots[i].state = SLOT_FREE;
        ld->epoch = epoch;
        ld->next_assigned = ld->next_delivered = batch;
        sluice_permutation_init(&ld->permutation, ld->count, ld->opt.seed, epoch);
        __atomic_store_n(&ld->cancel, false, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&ld->work);
    }
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

int sluice_loader_read(struct sluice_loader *ld, uint64_t sample, void *pixels,
                       size_t capacity, struct sluice_image *out,
                       struct sluice_error *err)
{
    struct sluice_extent x;
    const uint8_t *resident;
    uint64_t ignored = 0;
    int rc = sluice_dataset_locate(ld->file.dataset, ld->image_field, sample, &x, err);
    if (rc < 0)
        return rc;
    if (x.size > capacity)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64 " has %" PRIu32 " bytes, room for %zu",
                           ld->file.path, sample, x.size, capacity);
    if (ld->resident.base) {
        rc = sluice_resident_get(ld, sample, &x, &resident, &ignored, err);
        if (rc == 0)
            memcpy(pixels, resident, x.size);
    } else {
        size_t done;
        rc = sluice_file_pread(&ld->file, pixels, x.size, x.offset, &done);
        rc = rc < 0 || done < x.size
                 ? sluice_file_fail(&ld->file, sample, &x, rc, err)
                 : sluice_file_check(&ld->file, sample, &x, pixels, err);
    }
    if (rc == 0 && out)
        *out = (struct sluice_image){ pixels,           ld->source.height,
                                      ld->source.width, ld->source.channels,
                                      sample,           0 };
    return rc;
}

/* ---- what it is ---- */

uint64_t sluice_loader_batches(const struct sluice_loader *ld)
{
    return sluice_share_batches(&ld->share);
}

uint64_t sluice_loader_samples(const struct sluice_loader *ld)
{
    return sluice_share_samples(&ld->share);
}

const struct sluice_dataset *sluice_loader_dataset(const struct sluice_loader *ld)
{
    return ld->file.dataset;
}

struct sluice_shape sluice_loader_source(const struct sluice_loader *ld)
{
    return ld->source;
}

void sluice_loader_stats(struct sluice_loader *ld, struct sluice_loader_stats *out)
{
    pthread_mutex_lock(&ld->lock);
    *out = ld->stats;
    out->io = ld->opt.io;
    memcpy(out->io_reason, ld->io_reason, sizeof(out->io_reason));
    out->threads = ld->worker_count;
    out->memory = sizeof(*ld) + ld->slab_size +
                  sluice_dataset_memory(ld->file.dataset) +
                  (ld->resident.base ? ld->resident.size : 0) +
                  (size_t)ld->opt.batches * (size_t)ld->opt.batch_size *
                      ((size_t)ld->label_columns + 1) * 8;
    pthread_mutex_unlock(&ld->lock);
}
