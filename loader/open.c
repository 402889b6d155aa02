/* open.c -- from a path and options to threads at work, and back. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core.h"
#include "view.h"

/* ---- options ---- */

enum { DEPTH_MAX = 4096 };

/* Large slabs on large pages: what a batch touches is all of it, again and again. */
static void *allocate_default(void *ctx, size_t size)
{
    enum { LARGE_PAGE = 2 << 20 };
    const size_t align = size < 2 * LARGE_PAGE ? 64 : LARGE_PAGE;
    (void)ctx;
    void *p = aligned_alloc(align, (size + align - 1) / align * align);
    if (p && align == LARGE_PAGE)
        madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static void release_default(void *ctx, void *memory, size_t size)
{
    (void)ctx;
    (void)size;
    free(memory);
}

/* What is given for nothing was meant for something. */
static int check_effect(const struct sluice_loader_options *o, const char *path,
                        struct sluice_error *err)
{
    const struct sluice_crop *c = &o->crop;
    const bool random = c->kind == SLUICE_CROP_RANDOM;
    const bool blocks = o->order == SLUICE_QUASI_RANDOM;
    const struct {
        const char *name;
        bool given, counts;
        const char *with;
    } options[] = {
        { "scale", c->scale[0] != 0 || c->scale[1] != 0, random, "the crop random" },
        { "ratio", c->ratio[0] != 0 || c->ratio[1] != 0, random, "the crop random" },
        { "share", c->share != 0, c->kind == SLUICE_CROP_CENTER, "the crop center" },
        { "block", o->block != 0, blocks, "the order quasi_random" },
        { "open_blocks", o->open_blocks != 0, blocks, "the order quasi_random" },
        { "stratified", o->stratified, o->folds != 0, "folds" },
        { "fold_seed", o->fold_seed != 0, o->folds != 0, "folds" },
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        if (options[i].given && !options[i].counts)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: %s: expected %s, without which it has no effect",
                               path, options[i].name, options[i].with);
    return 0;
}

static int check_options(const struct sluice_loader_options *o, const char *path,
                         struct sluice_error *err)
{
    const struct {
        const char *name;
        int value, most;
    } numbers[] = {
        { "batch_size", o->batch_size, INT_MAX },
        { "batches", o->batches, INT_MAX },
        { "threads", o->threads, SLUICE_THREADS_MAX },
        { "queue_depth", o->queue_depth, DEPTH_MAX },
        { "order", (int)o->order, SLUICE_QUASI_RANDOM },
        { "io", (int)o->io, SLUICE_IO_PREAD },
        { "on_error", (int)o->on_error, SLUICE_SUBSTITUTE },
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (numbers[i].value < 0 || numbers[i].value > numbers[i].most)
            return sluice_fail(err, SLUICE_EINVAL, "%s: %s: expected 0 to %d, found %d",
                               path, numbers[i].name, numbers[i].most,
                               numbers[i].value);
    if (o->world < 0 || o->rank < 0 || o->rank >= (o->world ? o->world : 1))
        return sluice_fail(
            err, SLUICE_EINVAL, "%s: rank %d of a world of %d: expected 0 to %d", path,
            o->rank, o->world ? o->world : 1, o->world > 1 ? o->world - 1 : 0);
    if (o->folds < 0 || o->folds == 1 || (!o->folds && (o->fold || o->fold_test)))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: folds: expected 2 or more, found %d", path, o->folds);
    if (o->fold < 0 || (o->folds && o->fold >= o->folds))
        return sluice_fail(err, SLUICE_EINVAL, "%s: fold %d of %d: expected 0 to %d",
                           path, o->fold, o->folds, o->folds - 1);
    const struct sluice_crop *c = &o->crop;
    if (o->channels != 0 && o->channels != 1 && o->channels != 3)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: channels: expected 1 or 3, found %d", path,
                           o->channels);
    if (c->kind < SLUICE_CROP_NONE || c->kind > SLUICE_CROP_CENTER ||
        (c->kind && (c->size < 1 || c->size > 16384)))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: crop of kind %d to %d pixels: expected 1 to 16384",
                           path, (int)c->kind, c->size);
    if (!c->kind && c->size)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: size %d: expected a crop (random or center), which is "
                           "brought to it, found none",
                           path, c->size);
    if (!(c->scale[0] >= 0 && c->scale[0] <= c->scale[1] && c->scale[1] <= 1))
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s: scale: expected a rising pair from 0 to 1, found %g, %g", path,
            c->scale[0], c->scale[1]);
    if (!(c->ratio[0] <= c->ratio[1] && c->ratio[1] <= 1000 &&
          (c->ratio[0] > 0 || (c->ratio[0] == 0 && c->ratio[1] == 0))))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: ratio: expected a rising pair above 0, up to 1000, "
                           "found %g, %g",
                           path, c->ratio[0], c->ratio[1]);
    if (!(c->share >= 0 && c->share <= 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: share: expected above 0, up to 1, found %g", path,
                           c->share);
    if (!o->allocator.allocate != !o->allocator.release)
        return sluice_fail(err, SLUICE_EINVAL, "%s: half an allocator", path);
    return check_effect(o, path, err);
}

static void resolve_options(struct sluice_loader *ld)
{
    struct sluice_loader_options *o = &ld->opt;
    o->batch_size = o->batch_size ? o->batch_size : 256;
    o->batches = o->batches ? o->batches : 4;
    o->threads = o->threads ? o->threads : sluice_cpus();
    o->queue_depth = o->queue_depth ? o->queue_depth : 64;
    o->world = o->world ? o->world : 1;
    if (o->crop.scale[1] == 0) {
        o->crop.scale[0] = 0.08;
        o->crop.scale[1] = 1;
    }
    if (o->crop.ratio[1] == 0) {
        o->crop.ratio[0] = 3.0 / 4;
        o->crop.ratio[1] = 4.0 / 3;
    }
    if (o->crop.share == 0)
        o->crop.share = 224.0 / 256;
    if (!o->allocator.allocate) {
        o->allocator.allocate = allocate_default;
        o->allocator.release = release_default;
    }
}

/* ---- opening ---- */

/* A block of about 1 MiB is worth a seek of any disk. */
static void settle_blocks(struct sluice_loader *ld)
{
    assert(ld->count > 0);
    enum { BLOCK = 1 << 20, OPEN = 256 };
    struct sluice_loader_options *o = &ld->opt;
    const uint64_t each = ld->file.size / sluice_dataset_count(ld->file.dataset);
    if (!o->block)
        o->block = each < BLOCK ? BLOCK / (each + 1) + 1 : 1;
    o->open_blocks = o->open_blocks ? o->open_blocks : OPEN;
    /* All blocks open are a full shuffle; products stay small. */
    o->block = o->block > ld->count ? ld->count : o->block;
    const uint64_t blocks = (ld->count - 1) / o->block + 1;
    o->open_blocks = o->open_blocks > blocks ? blocks : o->open_blocks;
}

static int settle_view(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    int rc = sluice_view_create(ld, err);
    if (rc < 0)
        return rc;
    ld->share = (struct sluice_share){ .count = ld->count,
                                       .batch_size = (uint64_t)o->batch_size,
                                       .rank = (uint64_t)o->rank,
                                       .world = (uint64_t)o->world,
                                       .drop_last = o->drop_last };
    ld->epoch_batches = sluice_share_batches(&ld->share);
    settle_blocks(ld);
    ld->view = sluice_view_checksum(ld);
    sluice_order_begin(ld, 0);
    return 0;
}

static int allocate_slots(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    const size_t images = (size_t)o->batch_size;
    size_t each, total;
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

static void stop_workers(struct sluice_loader *ld)
{
    pthread_mutex_lock(&ld->lock);
    ld->stop = true;
    __atomic_store_n(&ld->cancel, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&ld->work);
    pthread_mutex_unlock(&ld->lock);
    for (int i = 0; i < ld->worker_count; i++)
        pthread_join(ld->workers[i].thread, NULL);
    ld->worker_count = 0;
}

/* Start the threads and wait until each has settled its engine: what a backend refuses
 * is known when open returns. *refused: that a worker got no engine. None takes a chunk
 * before all have one: if they are stopped again to go on with another backend, what
 * they had dropped would pass for filled. */
static int start_workers(struct sluice_loader *ld, int *refused,
                         struct sluice_error *err)
{
    const int wanted = ld->opt.threads;
    int rc = 0, count = 0;
    pthread_mutex_lock(&ld->lock); /* the workers wait for what is set below */
    ld->stop = false;
    __atomic_store_n(&ld->cancel, true, __ATOMIC_RELAXED);
    ld->started = ld->start_error = ld->busy = 0;
    for (; count < wanted && rc == 0; count += rc == 0) {
        ld->workers[count] = (struct worker){ .ld = ld };
        rc = ld->file.sys->thread(&ld->workers[count].thread, sluice_worker_run,
                                  &ld->workers[count]);
    }
    ld->worker_count = count;
    while (ld->started < count)
        pthread_cond_wait(&ld->ready, &ld->lock);
    *refused = ld->start_error;
    if (rc == 0 && *refused == 0) {
        __atomic_store_n(&ld->cancel, false, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&ld->work);
    }
    pthread_mutex_unlock(&ld->lock);
    return rc < 0 ? sluice_fail(err, SLUICE_ENOMEM, "%s: thread %d of %d: %s",
                                ld->file.path, count + 1, wanted, strerror(-rc))
                  : 0;
}

static int start(struct sluice_loader *ld, bool forced, struct sluice_error *err)
{
    int refused = 0, rc;
    ld->workers = calloc((size_t)ld->opt.threads, sizeof(*ld->workers));
    if (!ld->workers)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ld->file.path);
    rc = start_workers(ld, &refused, err);
    if (rc == 0 && refused < 0) {
        stop_workers(ld);
        rc = sluice_choose_again(ld, forced, refused, err);
        if (rc == 0)
            rc = start_workers(ld, &refused, err);
        if (rc == 0 && refused < 0)
            rc = sluice_fail(err, SLUICE_ENOMEM, "%s: worker threads: %s",
                             ld->file.path, strerror(-refused));
    }
    sluice_budget_update(ld);
    if (rc == 0 && ld->resident.base)
        sluice_resident_fill(ld);
    return rc;
}

static int open_all(struct sluice_loader *ld, const char *path,
                    struct sluice_error *err)
{
    const bool forced = ld->opt.io != SLUICE_IO_AUTO;
    int rc;
    if ((rc = sluice_file_open(&ld->file, path, ld->file.sys, err)) < 0 ||
        (rc = sluice_decoder_check(ld, err)) < 0 ||
        (rc = sluice_shape_settle(ld, err)) < 0 || (rc = settle_view(ld, err)) < 0 ||
        (rc = sluice_choose_io(ld, err)) < 0 || (rc = allocate_slots(ld, err)) < 0)
        return rc;
    return start(ld, forced, err);
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
    ld->event_fd = -1;
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
    stop_workers(ld);
    sluice_resident_stop(ld);
    sluice_pool_free(ld->pool);
    for (int i = 0; ld->slots && i < ld->opt.batches; i++) {
        sluice_damage_drop(&ld->slots[i]);
        free(ld->slots[i].ids);
        free(ld->slots[i].labels);
    }
    if (ld->slab)
        ld->opt.allocator.release(ld->opt.allocator.ctx, ld->slab, ld->slab_size);
    sluice_resident_free(ld);
    free(ld->slots);
    free(ld->workers);
    sluice_view_free(ld);
    free(ld->damaged);
    sluice_file_close(&ld->file);
    if (ld->event_fd >= 0)
        close(ld->event_fd);
    pthread_cond_destroy(&ld->ready);
    pthread_cond_destroy(&ld->work);
    pthread_mutex_destroy(&ld->lock);
    free(ld);
}
