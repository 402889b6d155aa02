/* ahead.c -- see ahead.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../optim_parts.h"
#include "ahead.h"
#include "gpu.h"

enum {
    SLOTS = GPU_MARKS < GPU_RESULTS ? GPU_MARKS : GPU_RESULTS,
    STREAMED = 3, /* steps ahead that hold a batch of the loader's */
    GRAPHS = 2,   /* of the full batch and the last one of an epoch */
};

/* Between the lanes: the stage is full; the step has taken what was on it. */
enum { STAGED, TAKEN };
_Static_assert((int)TAKEN < (int)GPU_SIGNALS, "a signal each way");

/* The next batch on the GPU, while the network trains on the one before. */
struct stage {
    void *images; /* augmented, as the network's input */
    int32_t *labels;
    struct sluice_mix *mixes; /* NULL: nothing mixes */
};

/* What of a step is in the host's pinned memory until the GPU has passed it. */
struct slot {
    const struct sluice_batch *batch;
    struct ahead_done done;
    struct gpu_result *result;
    uint64_t *ids; /* (2, batch_size): sample numbers, and places in the resident set */
    int32_t *labels;
};

struct recorded {
    uint64_t plan;           /* of the network; 0: unused */
    int trainable;           /* parameters: what is frozen changes the launches */
    struct gpu_graph *graph; /* NULL: ran once, to be recorded next */
};

struct ahead {
    struct ahead_options o;
    struct gpu *gpu;
    struct sluice_shape source;
    struct slot slot[SLOTS];
    int slots;    /* in use: steps ahead */
    void *pinned; /* what the slots point to */
    uint64_t pushed, pulled;
    struct recorded recorded[GRAPHS];
    int oldest; /* of recorded */
    /* Device memory. */
    void *pixels;  /* a batch, or the whole set */
    void *ids;     /* as a slot's */
    void *scratch; /* of augmentation */
    struct stage stage;
    size_t input_bytes; /* of an image on the stage */
    bool resident, mixes;
};

/* An epoch's steps of a resident set; what streams is bound by the loader's batches. */
static int count_slots(const struct ahead *a)
{
    const uint64_t n = (uint64_t)a->o.batch_size;
    const uint64_t steps = (a->o.info->count + n - 1) / n;
    if (!a->resident)
        return STREAMED;
    return steps < SLOTS ? (int)steps : SLOTS;
}

/* Pinning takes the system long: all slots are one piece. */
static int open_slots(struct ahead *a, struct sluice_error *err)
{
    const size_t n = (size_t)a->o.batch_size;
    const size_t ids = 2 * n * sizeof(uint64_t), labels = n * sizeof(int32_t);
    a->slots = count_slots(a);
    const size_t slots = (size_t)a->slots;
    const int rc = a->gpu->run->pin(
        a->gpu, &a->pinned, slots * (ids + sizeof(struct gpu_result) + labels), err);
    if (rc < 0)
        return rc;
    uint64_t *id = a->pinned;
    struct gpu_result *result = (void *)(id + slots * 2 * n);
    int32_t *label = (void *)(result + slots);
    for (size_t i = 0; i < slots; i++)
        a->slot[i] = (struct slot){ .result = result + i,
                                    .ids = id + i * 2 * n,
                                    .labels = label + i * n };
    return 0;
}

/* Every image of the set, in the order of their numbers. */
static int send_set(struct ahead *a, struct sluice_error *err)
{
    const size_t each = sluice_shape_bytes(&a->source);
    const uint64_t first = a->o.info->first, count = a->o.info->count;
    const uint64_t most = 4096;
    unsigned char *part = malloc(most * each);
    int rc = part ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory for images");
    for (uint64_t at = 0; at < count && rc == 0;) {
        const uint64_t n = count - at < most ? count - at : most;
        for (uint64_t i = 0; i < n && rc == 0; i++)
            rc = sluice_loader_read(a->o.feed->loader, first + at + i, part + i * each,
                                    each, NULL, err);
        if (rc >= 0)
            rc = gpu_write(a->gpu, (unsigned char *)a->pixels + at * each, part,
                           n * each, err);
        at += n;
    }
    free(part);
    return rc < 0 ? rc : 0;
}

static int open_stage(struct ahead *a, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    const size_t n = (size_t)a->o.batch_size;
    const struct sluice_shape shape = sluice_augment_shape(a->o.feed->augment);
    void *labels = NULL, *mixes = NULL;
    a->input_bytes = sluice_shape_bytes(&shape);
    int rc = run->allocate(a->gpu, &a->stage.images, n * a->input_bytes, err);
    if (rc == 0)
        rc = run->allocate(a->gpu, &labels, n * sizeof *a->stage.labels, err);
    if (rc == 0 && a->mixes)
        rc = run->allocate(a->gpu, &mixes, n * sizeof *a->stage.mixes, err);
    a->stage.labels = labels;
    a->stage.mixes = mixes;
    return rc;
}

static int open_memory(struct ahead *a, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    const size_t n = (size_t)a->o.batch_size, each = sluice_shape_bytes(&a->source);
    const size_t set = (size_t)a->o.info->count * each;
    a->resident = a->o.resident && set <= run->memory_free(a->gpu) / 4;
    const size_t scratch =
        sluice_augment_cuda_scratch(a->o.feed->augment, a->o.batch_size);
    int rc = run->allocate(a->gpu, &a->pixels, a->resident ? set : n * each, err);
    if (rc == 0)
        rc = run->allocate(a->gpu, &a->ids, 2 * n * sizeof(uint64_t), err);
    if (rc == 0 && scratch)
        rc = run->allocate(a->gpu, &a->scratch, scratch, err);
    if (rc == 0)
        rc = open_stage(a, err);
    return rc == 0 && a->resident ? send_set(a, err) : rc;
}

int ahead_open(struct ahead **out, const struct ahead_options *options,
               struct sluice_error *err)
{
    struct ahead *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for training");
    a->o = *options;
    a->gpu = gpu_of(net_device(options->net));
    a->source = sluice_loader_source(options->feed->loader);
    a->mixes = sluice_augment_mixes(options->feed->augment);
    int rc = open_memory(a, err);
    if (rc == 0)
        rc = open_slots(a, err);
    if (rc < 0) {
        ahead_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

static struct slot *oldest(struct ahead *a)
{
    return &a->slot[a->pulled % (uint64_t)a->slots];
}

void ahead_close(struct ahead *a)
{
    if (!a)
        return;
    const struct gpu_runtime *run = a->gpu->run;
    (void)run->wait(a->gpu, NULL);
    for (; a->pulled < a->pushed; a->pulled++)
        if (oldest(a)->batch)
            sluice_loader_release(a->o.feed->loader, oldest(a)->batch);
    run->unpin(a->gpu, a->pinned);
    for (int i = 0; i < GRAPHS; i++)
        run->graph_free(a->gpu, a->recorded[i].graph);
    run->release(a->gpu, a->pixels);
    run->release(a->gpu, a->ids);
    run->release(a->gpu, a->scratch);
    run->release(a->gpu, a->stage.images);
    run->release(a->gpu, a->stage.labels);
    run->release(a->gpu, a->stage.mixes);
    free(a);
}

bool ahead_is_resident(const struct ahead *a)
{
    return a->resident;
}

int ahead_own_directions(const struct ahead *a)
{
    return a->gpu->own_directions;
}

int ahead_count(const struct ahead *a)
{
    return (int)(a->pushed - a->pulled);
}

bool ahead_full(const struct ahead *a)
{
    return ahead_count(a) == a->slots;
}

/* Sample numbers and labels of the step's images; how many. */
static int list_images(struct ahead *a, struct slot *slot,
                       const struct ahead_step *step, struct sluice_error *err)
{
    const struct data_info *info = a->o.info;
    const struct sluice_batch *b = step->batch;
    int n = b ? b->count : 0;
    if (b)
        memcpy(slot->ids, b->ids, (size_t)n * sizeof *slot->ids);
    else
        n = sluice_loader_ids(a->o.feed->loader, step->epoch, step->number, slot->ids,
                              a->o.batch_size, err);
    for (int i = 0; i < n; i++) {
        const int64_t label =
            b ? b->labels[(size_t)i * (size_t)b->label_columns +
                          (size_t)info->label_column]
              : sluice_dataset_integer(info->dataset, info->label_field, slot->ids[i]);
        /* What is out of range stays so. */
        slot->labels[i] = label < 0 || label > INT32_MAX ? -1 : (int32_t)label;
        slot->ids[a->o.batch_size + i] =
            a->resident ? slot->ids[i] - info->first : (uint64_t)i;
    }
    return n;
}

/* The batch, augmented and mixed, on the stage: on the data's lane. */
static int fill_stage(struct ahead *a, const struct slot *slot,
                      const struct ahead_step *step, int n, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    const size_t each = sluice_shape_bytes(&a->source);
    uint64_t *ids = a->ids;
    const struct sluice_augment_gpu_batch batch = {
        .images = a->pixels,
        .at = ids + a->o.batch_size,
        .ids = ids,
        .count = n,
        .epoch = step->epoch,
        .number = step->number,
        .mixes = a->stage.mixes,
        .out = a->stage.images,
        .scratch = a->scratch,
    };
    int rc = run->copy(a->gpu, ids, slot->ids,
                       2 * (size_t)a->o.batch_size * sizeof *ids, COPY_TO_GPU, err);
    if (rc == 0)
        rc = run->copy(a->gpu, a->stage.labels, slot->labels,
                       (size_t)n * sizeof *slot->labels, COPY_TO_GPU, err);
    if (rc == 0 && step->batch)
        rc = run->copy(a->gpu, a->pixels, step->batch->pixels, (size_t)n * each,
                       COPY_TO_GPU, err);
    return rc < 0 ? rc
                  : run->augment(a->gpu, a->o.feed->augment, &a->source, &batch, err);
}

/* From the stage to where the network reads, after which the stage is free: copied, as
 * that is a thousandth of a step, so that a graph always finds it in one place. */
static int take_stage(struct ahead *a, int n, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    const size_t count = (size_t)n;
    int rc = run->copy(a->gpu, net_input(a->o.net)->data, a->stage.images,
                       count * a->input_bytes, COPY_ON_GPU, err);
    if (rc == 0)
        rc = run->copy(a->gpu, a->gpu->labels, a->stage.labels,
                       count * sizeof *a->stage.labels, COPY_ON_GPU, err);
    if (rc == 0 && a->mixes)
        rc = run->copy(a->gpu, a->gpu->mixes, a->stage.mixes,
                       count * sizeof *a->stage.mixes, COPY_ON_GPU, err);
    return rc;
}

/* The data's lane fills the stage while the step before is computed, and waits until
 * that has taken what is there. */
static int show_images(struct ahead *a, const struct slot *slot,
                       const struct ahead_step *step, int n, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    a->gpu->lane = LANE_DATA;
    int rc = run->follow(a->gpu, TAKEN, err);
    if (rc == 0)
        rc = fill_stage(a, slot, step, n, err);
    if (rc == 0)
        rc = run->signal(a->gpu, STAGED, err);
    a->gpu->lane = LANE_STEP;
    if (rc == 0)
        rc = run->follow(a->gpu, STAGED, err);
    if (rc == 0)
        rc = take_stage(a, n, err);
    return rc < 0 ? rc : run->signal(a->gpu, TAKEN, err);
}

static int forward_backward(struct ahead *a, struct sluice_error *err)
{
    static const int64_t some; /* labels, mixes and draws are on the GPU already */
    struct pass pass = { .training = true,
                         .labels = &some,
                         .mixes = a->mixes ? a->gpu->mixes : NULL };
    const int rc = net_forward(a->o.net, &pass, err);
    return rc < 0 ? rc : net_backward(a->o.net, &pass, err);
}

/* What a graph holds. */
static int compute(struct ahead *a, struct sluice_error *err)
{
    const int rc = forward_backward(a, err);
    return rc < 0 ? rc : optim_cuda_update(a->o.opt, err);
}

/* The same, and how long the update takes; operators are timed by the net. */
static int compute_timed(struct ahead *a, double *seconds, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    int rc = forward_backward(a, err);
    if (rc == 0)
        rc = run->stamp(a->gpu, 0, err);
    if (rc == 0)
        rc = optim_cuda_update(a->o.opt, err);
    if (rc == 0)
        rc = run->stamp(a->gpu, 1, err);
    if (rc == 0)
        rc = run->wait(a->gpu, err);
    return rc < 0 ? rc : run->between(a->gpu, 0, 1, seconds, err);
}

static int trainable(struct net *net)
{
    int n = 0;
    for (int i = 0; i < net_param_count(net); i++)
        n += net_param(net, i)->trainable;
    return n;
}

static int record(struct ahead *a, struct recorded *r, struct sluice_error *err)
{
    int rc = a->gpu->run->record_begin(a->gpu, err);
    if (rc < 0)
        return rc;
    rc = compute(a, err);
    const int ended = a->gpu->run->record_end(a->gpu, &r->graph, rc < 0 ? NULL : err);
    return rc < 0 ? rc : ended;
}

/* The first time directly, as libraries load their code when it is first used; then as
 * a graph. */
static int run_step(struct ahead *a, struct sluice_error *err)
{
    const uint64_t plan = net_plan(a->o.net);
    const int count = trainable(a->o.net);
    struct recorded *r = a->recorded;
    while (r < a->recorded + GRAPHS && (r->plan != plan || r->trainable != count))
        r++;
    if (r == a->recorded + GRAPHS) {
        r = &a->recorded[a->oldest];
        a->oldest = (a->oldest + 1) % GRAPHS;
        int rc = r->graph ? a->gpu->run->wait(a->gpu, err) : 0;
        if (rc < 0)
            return rc;
        a->gpu->run->graph_free(a->gpu, r->graph);
        *r = (struct recorded){ .plan = plan, .trainable = count };
        return compute(a, err);
    }
    if (!r->graph) {
        const int rc = record(a, r, err);
        if (rc < 0)
            return rc;
    }
    return a->gpu->run->replay(a->gpu, r->graph, err);
}

static int do_step(struct ahead *a, const struct ahead_step *step, int slot,
                   struct sluice_error *err)
{
    struct gpu_step value = { .seed = a->o.seed, .step = step->step, .slot = slot };
    int rc = optim_cuda_begin(a->o.opt, step->now.lr, step->now.momentum, &value, err);
    const struct step_args args = { a->gpu->step, value };
    if (rc == 0)
        rc = each_set_step(a->gpu, 1, &args, err);
    if (rc < 0)
        return rc;
    a->gpu->stepping = true;
    net_params_changed(a->o.net); /* weights are packed anew, in graphs, too */
    rc = a->o.timed ? compute_timed(a, &a->slot[slot].done.optimizer, err)
                    : run_step(a, err);
    a->gpu->stepping = false;
    if (rc == 0)
        optim_cuda_end(a->o.opt);
    return rc;
}

int ahead_push(struct ahead *a, const struct ahead_step *step, struct sluice_error *err)
{
    const int at = (int)(a->pushed % (uint64_t)a->slots);
    const struct gpu_runtime *run = a->gpu->run;
    struct slot *slot = &a->slot[at];
    slot->batch = step->batch;
    a->pushed++; /* from here on the batch is ours */
    const int n = list_images(a, slot, step, err);
    int rc = n < 0 ? n : net_resize(a->o.net, n, err);
    slot->done =
        (struct ahead_done){ .images = n, .now = step->now, .wait = step->wait };
    if (rc == 0)
        rc = show_images(a, slot, step, n, err);
    if (rc == 0)
        rc = do_step(a, step, at, err);
    if (rc == 0)
        rc = run->copy(a->gpu, slot->result, a->gpu->results + at, sizeof *slot->result,
                       COPY_TO_HOST, err);
    return rc < 0 ? rc : run->mark(a->gpu, at, err);
}

int ahead_pull(struct ahead *a, struct ahead_done *done, bool block,
               struct sluice_error *err)
{
    struct slot *slot = oldest(a);
    if (!ahead_count(a))
        return 0;
    const int rc = a->gpu->run->passed(a->gpu, (int)(slot - a->slot), block, err);
    if (rc <= 0)
        return rc;
    a->pulled++;
    if (slot->batch)
        sluice_loader_release(a->o.feed->loader, slot->batch);
    slot->batch = NULL;
    if (a->gpu->failed.code != SLUICE_OK)
        return sluice_fail(err, a->gpu->failed.code, "%s", a->gpu->failed.message);
    if (!slot->result->labels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: a label beyond the network's classes",
                           a->o.info->path);
    *done = slot->done;
    done->loss = slot->result->loss;
    done->correct = slot->result->correct;
    return 1;
}
