/* stage.c -- see stage.h. */
#include <string.h>

#include "../workers.h"
#include "stage.h"

enum {
    READERS = 16,    /* threads at most that read the set */
    PIECE = 4 << 20, /* bytes that they read, */
    PIECES = 2,      /* while those before are copied */
};

/* Between the lanes: the stage is full; the step has taken what was on it. */
enum { STAGED, TAKEN };
_Static_assert((int)TAKEN < (int)GPU_SIGNALS, "a signal each way");

/* A piece of the set, read by several threads. */
struct reading {
    const struct stage *s;
    unsigned char *to;
    uint64_t first, count;
    int failed[READERS]; /* 0, or the code of what is in error */
    struct sluice_error error[READERS];
};

static void read_part(void *arg, size_t part)
{
    struct reading *r = arg;
    const size_t each = sluice_shape_bytes(&r->s->source);
    const uint64_t end = r->count * (part + 1) / READERS;
    for (uint64_t i = r->count * part / READERS; i < end && !r->failed[part]; i++)
        r->failed[part] =
            sluice_loader_read(r->s->feed->loader, r->first + i, r->to + i * each, each,
                               NULL, &r->error[part]);
}

/* The first error is that of the first image. */
static int read_piece(struct workers *pool, struct reading *r, struct sluice_error *err)
{
    memset(r->failed, 0, sizeof r->failed);
    workers_run(pool, READERS, read_part, r);
    for (int i = 0; i < READERS; i++)
        if (r->failed[i] < 0)
            return sluice_fail(err, r->error[i].code, "%s", r->error[i].message);
    return 0;
}

/* Every image of the set, in the order of their numbers; `most` in a piece. A mark of
 * its number says when a piece has been copied. */
static int send_pieces(struct stage *s, struct workers *pool, unsigned char *pinned,
                       uint64_t most, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    const size_t each = sluice_shape_bytes(&s->source);
    const uint64_t count = s->info->count;
    struct reading r = { .s = s };
    int rc = 0;
    for (uint64_t at = 0; at < count && rc >= 0; at += r.count) {
        const uint64_t piece = at / most % PIECES;
        r.first = s->info->first + at;
        r.count = count - at < most ? count - at : most;
        r.to = pinned + piece * most * each;
        if (at >= PIECES * most)
            rc = run->passed(s->gpu, (int)piece, true, err);
        if (rc >= 0)
            rc = read_piece(pool, &r, err);
        if (rc == 0)
            rc = run->copy(s->gpu, (unsigned char *)s->pixels + at * each, r.to,
                           r.count * each, COPY_TO_GPU, err);
        if (rc == 0)
            rc = run->mark(s->gpu, (int)piece, err);
    }
    return rc;
}

static int send_set(struct stage *s, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    const size_t each = sluice_shape_bytes(&s->source);
    const uint64_t count = s->info->count;
    const uint64_t fit = each < PIECE ? PIECE / each : 1;
    const uint64_t most = fit < count ? fit : count;
    const int cpus = sluice_cpus();
    struct workers *pool;
    void *pinned = NULL;
    int rc = workers_open(&pool, cpus < READERS ? cpus : READERS, err);
    if (rc < 0)
        return rc;
    rc = run->pin(s->gpu, &pinned, PIECES * most * each, err);
    if (rc == 0)
        rc = send_pieces(s, pool, pinned, most, err);
    const int waited = run->wait(s->gpu, rc < 0 ? NULL : err);
    run->unpin(s->gpu, pinned);
    workers_close(pool);
    return rc < 0 ? rc : waited;
}

/* Images and labels as the network wants them. */
static int open_results(struct stage *s, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    const size_t n = (size_t)s->batch_size;
    const struct sluice_shape shape = sluice_augment_shape(s->feed->augment);
    void *labels = NULL, *mixes = NULL;
    s->bytes = sluice_shape_bytes(&shape);
    int rc = run->allocate(s->gpu, &s->images, n * s->bytes, err);
    if (rc == 0)
        rc = run->allocate(s->gpu, &labels, n * sizeof *s->labels, err);
    if (rc == 0 && sluice_augment_mixes(s->feed->augment))
        rc = run->allocate(s->gpu, &mixes, n * sizeof *s->mixes, err);
    s->labels = labels;
    s->mixes = mixes;
    return rc;
}

int stage_open(struct stage *s, bool resident, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    s->source = sluice_loader_source(s->feed->loader);
    const size_t n = (size_t)s->batch_size, each = sluice_shape_bytes(&s->source);
    const size_t set = (size_t)s->info->count * each;
    s->resident = resident;
    const size_t scratch = sluice_augment_cuda_scratch(s->feed->augment, s->batch_size);
    void *ids = NULL;
    int rc = run->allocate(s->gpu, &s->pixels, s->resident ? set : n * each, err);
    if (rc == 0)
        rc = run->allocate(s->gpu, &ids, 2 * n * sizeof *s->ids, err);
    s->ids = ids;
    if (rc == 0 && scratch)
        rc = run->allocate(s->gpu, &s->scratch, scratch, err);
    if (rc == 0)
        rc = open_results(s, err);
    return rc == 0 && s->resident ? send_set(s, err) : rc;
}

void stage_close(struct stage *s)
{
    void *const memory[] = { s->pixels, s->ids,    s->scratch,
                             s->images, s->labels, s->mixes };
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        s->gpu->run->release(s->gpu, memory[i]);
}

int stage_list(const struct stage *s, struct stage_batch *b, struct sluice_error *err)
{
    const struct data_info *info = s->info;
    const struct sluice_batch *from = b->streamed;
    int n = from ? from->count : 0;
    if (from)
        memcpy(b->ids, from->ids, (size_t)n * sizeof *b->ids);
    else
        n = sluice_loader_ids(s->feed->loader, b->epoch, b->number, b->ids,
                              s->batch_size, err);
    for (int i = 0; i < n; i++) {
        const int64_t label =
            from ? from->labels[(size_t)i * (size_t)from->label_columns +
                                (size_t)info->label_column]
                 : sluice_dataset_integer(info->dataset, info->label_field, b->ids[i]);
        /* What is out of range stays so. */
        b->labels[i] = label < 0 || label > INT32_MAX ? -1 : (int32_t)label;
        b->ids[s->batch_size + i] = s->resident ? b->ids[i] - info->first : (uint64_t)i;
    }
    b->count = n;
    return n < 0 ? n : 0;
}

/* The batch, augmented and mixed: on the data's lane. */
static int fill(struct stage *s, const struct stage_batch *b, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    const size_t n = (size_t)b->count, each = sluice_shape_bytes(&s->source);
    const struct sluice_augment_gpu_batch batch = {
        .images = s->pixels,
        .at = s->ids + s->batch_size,
        .ids = s->ids,
        .count = b->count,
        .epoch = b->epoch,
        .number = b->number,
        .mixes = s->mixes,
        .out = s->images,
        .scratch = s->scratch,
    };
    int rc = run->copy(s->gpu, s->ids, b->ids,
                       2 * (size_t)s->batch_size * sizeof *s->ids, COPY_TO_GPU, err);
    if (rc == 0)
        rc = run->copy(s->gpu, s->labels, b->labels, n * sizeof *s->labels, COPY_TO_GPU,
                       err);
    if (rc == 0 && b->streamed)
        rc = run->copy(s->gpu, s->pixels, b->streamed->pixels, n * each, COPY_TO_GPU,
                       err);
    return rc < 0 ? rc
                  : run->augment(s->gpu, s->feed->augment, &s->source, &batch, err);
}

/* From the stage to where the network reads, after which the stage is free: copied, as
 * that is a thousandth of a step, so that a graph always finds it in one place. */
static int take(struct stage *s, size_t n, void *input, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    int rc = run->copy(s->gpu, input, s->images, n * s->bytes, COPY_ON_GPU, err);
    if (rc == 0)
        rc = run->copy(s->gpu, s->gpu->labels, s->labels, n * sizeof *s->labels,
                       COPY_ON_GPU, err);
    if (rc == 0 && s->mixes)
        rc = run->copy(s->gpu, s->gpu->mixes, s->mixes, n * sizeof *s->mixes,
                       COPY_ON_GPU, err);
    return rc;
}

/* The data's lane fills the stage while the step before is computed, and waits until
 * that has taken what is there. */
int stage_show(struct stage *s, const struct stage_batch *b, void *input,
               struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    s->gpu->lane = LANE_DATA;
    int rc = run->follow(s->gpu, TAKEN, err);
    if (rc == 0)
        rc = fill(s, b, err);
    if (rc == 0)
        rc = run->signal(s->gpu, STAGED, err);
    s->gpu->lane = LANE_STEP;
    if (rc == 0)
        rc = run->follow(s->gpu, STAGED, err);
    if (rc == 0)
        rc = take(s, (size_t)b->count, input, err);
    return rc < 0 ? rc : run->signal(s->gpu, TAKEN, err);
}
