/* ahead.c -- see ahead.h. */
#include <stdlib.h>
#include <string.h>

#include "../optim_parts.h"
#include "ahead.h"
#include "gpu.h"
#include "stage.h"
#include "team.h"

enum {
    SLOTS = GPU_MARKS < GPU_RESULTS ? GPU_MARKS : GPU_RESULTS,
    STREAMED = 3, /* steps ahead that hold a batch of the loader's */
    GRAPHS = 2,   /* of the full batch and the last one of an epoch */
};

/* What of a step is in the host's pinned memory until the GPU has passed it. */
struct slot {
    struct stage_batch batch;
    struct ahead_done done;
    struct gpu_result *result;
};

/* A step, or what of it lies before and behind sums that no graph can hold. */
enum { PARTS = 2 };

struct recorded {
    uint64_t plan; /* of the network; 0: unused */
    int trainable; /* parameters: what is frozen changes the launches */
    int images;    /* of all processes */
    struct gpu_graph *graph[PARTS]; /* NULL: ran once, to be recorded next */
};

struct ahead {
    struct ahead_options o;
    struct gpu *gpu;
    struct stage stage;
    struct team *team; /* NULL: one process */
    int heads;         /* of the network */
    struct slot slot[SLOTS];
    int slots;    /* in use: steps ahead */
    void *pinned; /* what the slots point to */
    uint64_t pushed, pulled;
    struct recorded recorded[GRAPHS];
    int oldest; /* of recorded */
};

/* An epoch's steps of a resident set; what streams is bound by the loader's batches. */
static int count_slots(const struct ahead *a)
{
    const uint64_t n = (uint64_t)a->o.batch_size;
    const uint64_t steps = (a->o.info->used + n - 1) / n;
    if (!a->stage.resident)
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
                                    .batch = { .ids = id + i * 2 * n,
                                               .labels = label + i * n } };
    return 0;
}

bool ahead_fits(const struct device *dev, const struct data_info *info)
{
    struct gpu *gpu = gpu_of(dev);
    return info->count * sluice_shape_bytes(&info->source) <=
           gpu->run->memory_free(gpu) / 4;
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
    a->heads = net_heads(options->net);
    a->stage = (struct stage){ .gpu = a->gpu,
                               .feed = options->feed,
                               .info = options->info,
                               .batch_size = options->batch_size };
    int rc = stage_open(&a->stage, options->resident, err);
    if (rc == 0)
        rc = open_slots(a, err);
    if (rc == 0)
        rc = team_open(&a->team, options->net, options->ranks, err);
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

static void release_batch(const struct ahead *a, struct slot *slot)
{
    if (slot->batch.streamed)
        sluice_loader_release(a->o.feed->loader, slot->batch.streamed);
    slot->batch.streamed = NULL;
}

static void free_graphs(const struct ahead *a, struct recorded *r)
{
    for (int i = 0; i < PARTS; i++)
        a->gpu->run->graph_free(a->gpu, r->graph[i]);
    memset(r->graph, 0, sizeof r->graph);
}

void ahead_close(struct ahead *a)
{
    if (!a)
        return;
    const struct gpu_runtime *run = a->gpu->run;
    (void)run->wait(a->gpu, NULL);
    for (int i = 0; i < GRAPHS; i++)
        free_graphs(a, &a->recorded[i]);
    team_close(a->team); /* nothing is released while a sum never ends */
    for (; a->pulled < a->pushed; a->pulled++)
        release_batch(a, oldest(a));
    run->unpin(a->gpu, a->pinned);
    stage_close(&a->stage);
    free(a);
}

bool ahead_is_resident(const struct ahead *a)
{
    return a->stage.resident;
}

int ahead_own_directions(const struct ahead *a)
{
    return a->gpu->own_directions;
}

const char *ahead_sums(const struct ahead *a)
{
    return a->team ? team_about(a->team) : NULL;
}

int ahead_count(const struct ahead *a)
{
    return (int)(a->pushed - a->pulled);
}

bool ahead_full(const struct ahead *a)
{
    return ahead_count(a) == a->slots;
}

static int forward_backward(struct ahead *a, struct sluice_error *err)
{
    static const int64_t some; /* labels, mixes and draws are on the GPU already */
    struct pass pass = { .training = true,
                         .labels = &some,
                         .mixes = a->stage.mixes ? a->gpu->mixes : NULL };
    const int rc = net_forward(a->o.net, &pass, err);
    return rc < 0 ? rc : net_backward(a->o.net, &pass, err);
}

/* Up to the sums over processes, */
static int before_sums(struct ahead *a, struct sluice_error *err)
{
    const int rc = forward_backward(a, err);
    return rc < 0 || !a->team ? rc : team_weigh(a->team, err);
}

/* these, */
static int sums(struct ahead *a, struct sluice_error *err)
{
    return a->team ? team_sum(a->team, err) : 0;
}

/* and from them on. */
static int behind_sums(struct ahead *a, struct sluice_error *err)
{
    const int rc = a->team ? team_take(a->team, err) : 0;
    return rc < 0 ? rc : optim_cuda_update(a->o.opt, err);
}

static int compute(struct ahead *a, struct sluice_error *err)
{
    int rc = before_sums(a, err);
    if (rc == 0)
        rc = sums(a, err);
    return rc < 0 ? rc : behind_sums(a, err);
}

/* The same, and how long the update takes; operators are timed by the net. */
static int compute_timed(struct ahead *a, double *seconds, struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    int rc = before_sums(a, err);
    if (rc == 0)
        rc = sums(a, err);
    if (rc == 0)
        rc = run->stamp(a->gpu, 0, err);
    if (rc == 0)
        rc = behind_sums(a, err);
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

typedef int part(struct ahead *a, struct sluice_error *err);

static int record(struct ahead *a, part *work, struct gpu_graph **out,
                  struct sluice_error *err)
{
    int rc = a->gpu->run->record_begin(a->gpu, err);
    if (rc < 0)
        return rc;
    rc = work(a, err);
    const int ended = a->gpu->run->record_end(a->gpu, out, rc < 0 ? NULL : err);
    return rc < 0 ? rc : ended;
}

static bool in_parts(const struct ahead *a)
{
    return a->team && !team_records(a->team);
}

static int record_parts(struct ahead *a, struct recorded *r, struct sluice_error *err)
{
    if (!in_parts(a))
        return record(a, compute, &r->graph[0], err);
    const int rc = record(a, before_sums, &r->graph[0], err);
    return rc < 0 ? rc : record(a, behind_sums, &r->graph[1], err);
}

static int replay_parts(struct ahead *a, const struct recorded *r,
                        struct sluice_error *err)
{
    const struct gpu_runtime *run = a->gpu->run;
    int rc = run->replay(a->gpu, r->graph[0], err);
    if (rc < 0 || !in_parts(a))
        return rc;
    rc = team_sum(a->team, err);
    return rc < 0 ? rc : run->replay(a->gpu, r->graph[1], err);
}

/* The place of this batch size, here and of all processes; where it has none, that of
 * the oldest graph, which is *fresh then. */
static struct recorded *find_recorded(struct ahead *a, int images, bool *fresh)
{
    const uint64_t plan = net_plan(a->o.net);
    const int count = trainable(a->o.net);
    struct recorded *r = a->recorded;
    while (r < a->recorded + GRAPHS &&
           (r->plan != plan || r->trainable != count || r->images != images))
        r++;
    *fresh = r == a->recorded + GRAPHS;
    return *fresh ? &a->recorded[a->oldest] : r;
}

/* Its graphs go when no step runs as one of them. */
static int clear(struct ahead *a, struct recorded *r, int images,
                 struct sluice_error *err)
{
    const int rc = r->graph[0] ? a->gpu->run->wait(a->gpu, err) : 0;
    if (rc < 0)
        return rc;
    free_graphs(a, r);
    *r = (struct recorded){ .plan = net_plan(a->o.net),
                            .trainable = trainable(a->o.net),
                            .images = images };
    return 0;
}

static enum team_way find_way(struct ahead *a, int images)
{
    bool fresh;
    const struct recorded *r = find_recorded(a, images, &fresh);
    return fresh ? TEAM_DIRECT : r->graph[0] ? TEAM_REPLAY : TEAM_RECORD;
}

/* The first time directly, as libraries load their code when it is first used; then as
 * a graph. */
static int run_step(struct ahead *a, int images, enum team_way way,
                    struct sluice_error *err)
{
    bool fresh;
    struct recorded *r = find_recorded(a, images, &fresh);
    int rc = 0;
    if (fresh)
        a->oldest = (a->oldest + 1) % GRAPHS;
    if (fresh || way == TEAM_RECORD)
        rc = clear(a, r, images, err);
    if (rc == 0 && way == TEAM_DIRECT)
        return compute(a, err);
    if (rc == 0 && way == TEAM_RECORD)
        rc = record_parts(a, r, err);
    return rc < 0 ? rc : replay_parts(a, r, err);
}

static int do_step(struct ahead *a, const struct ahead_step *step, int slot,
                   struct sluice_error *err)
{
    struct gpu_step value = { .seed = a->o.seed, .step = step->step, .slot = slot };
    const int own = a->slot[slot].done.images;
    const int images = a->team ? team_images(a->team, own) : own;
    enum team_way way = find_way(a, images);
    if (a->team)
        way = team_agree(a->team, way);
    value.share = (double)own / images;
    a->slot[slot].done.images = images;
    int rc = optim_cuda_begin(a->o.opt, step->now.lr, step->now.momentum, &value, err);
    const struct step_args args = { a->gpu->step, value };
    if (rc == 0)
        rc = each_set_step(a->gpu, 1, &args, err);
    if (rc < 0)
        return rc;
    a->gpu->stepping = true;
    net_params_changed(a->o.net); /* weights are packed anew, in graphs, too */
    rc = a->o.timed ? compute_timed(a, &a->slot[slot].done.optimizer, err)
                    : run_step(a, images, way, err);
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
    slot->batch.streamed = step->batch;
    slot->batch.epoch = step->epoch;
    slot->batch.number = step->number;
    a->pushed++; /* from here on the batch is ours */
    int rc = stage_list(&a->stage, &slot->batch, err);
    const int n = slot->batch.count;
    if (rc == 0)
        rc = net_resize(a->o.net, n, err);
    slot->done =
        (struct ahead_done){ .images = n, .now = step->now, .wait = step->wait };
    if (rc == 0)
        rc = stage_show(&a->stage, &slot->batch, net_input(a->o.net)->data, err);
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
    release_batch(a, slot);
    if (a->gpu->failed.code != SLUICE_OK)
        return sluice_fail(err, a->gpu->failed.code, "%s", a->gpu->failed.message);
    if (!slot->result->labels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: a label beyond the network's classes",
                           a->o.info->path);
    struct pass said = { 0 };
    memcpy(said.head, slot->result->head, (size_t)a->heads * sizeof(*said.head));
    pass_sum(&said);
    *done = slot->done;
    memcpy(done->head, said.head, sizeof(done->head));
    done->loss = said.loss;
    done->correct = said.correct;
    return 1;
}
