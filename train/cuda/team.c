/* team.c -- see team.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "team.h"

struct team {
    struct gpu *gpu;
    struct ranks *ranks;
    struct share_args share;
    struct gpu_sum sum;
    bool by_gpu;
    char about[200];
    /* Pinned, where the host sums. */
    float *floats;
    double *doubles;
};

/* Every process shows its GPU to all others. */
static int check_apart(const struct team *t, struct sluice_error *err)
{
    const int count = ranks_count(t->ranks), self = ranks_self(t->ranks);
    unsigned char *all = calloc((size_t)count, GPU_IDENTITY);
    int rc = 0;
    if (!all)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d processes", count);
    memcpy(all + (size_t)self * GPU_IDENTITY, t->gpu->identity, GPU_IDENTITY);
    ranks_merge(t->ranks, all, (size_t)count * GPU_IDENTITY);
    for (int i = 0; i < count && rc == 0; i++)
        for (int k = 0; k < i && rc == 0; k++)
            if (memcmp(all + (size_t)i * GPU_IDENTITY, all + (size_t)k * GPU_IDENTITY,
                       GPU_IDENTITY) == 0)
                rc = sluice_fail(err, SLUICE_EINVAL,
                                 "several processes: expected a GPU for each, found "
                                 "ranks %d and %d on one; start fewer on its machine",
                                 k, i);
    if (rc < 0)
        ranks_found_by_all(t->ranks);
    free(all);
    return rc;
}

/* 1: the GPUs sum among themselves; 0: one of them cannot. */
static int join_gpus(struct team *t, struct sluice_error *err)
{
    unsigned char id[GPU_SUM_ID] = { 0 };
    const struct gpu_runtime *run = t->gpu->run;
    struct sluice_error why = { .message = "another process found no NCCL" };
    char about[40] = "";
    int rc = run->sum_open(t->gpu, about, &why);
    if (rc < 0 && rc != SLUICE_EUNBUILT)
        return sluice_fail(err, why.code, "%s", why.message);
    if (ranks_any(t->ranks, rc < 0)) {
        snprintf(t->about, sizeof t->about, "MPI through the host's memory: %.150s",
                 why.message);
        return 0;
    }
    if (ranks_self(t->ranks) == 0)
        rc = run->sum_id(t->gpu, id, err);
    if (rc < 0)
        return rc;
    ranks_spread(t->ranks, id, sizeof id);
    snprintf(t->about, sizeof t->about, "%s, in the step's graph", about);
    rc = run->sum_join(t->gpu, id, ranks_self(t->ranks), ranks_count(t->ranks), err);
    return rc < 0 ? rc : 1;
}

static int pin_sums(struct team *t, struct sluice_error *err)
{
    void *floats = NULL, *doubles = NULL;
    int rc = t->gpu->run->pin(t->gpu, &floats, t->sum.float_count * sizeof(float), err);
    if (rc == 0)
        rc = t->gpu->run->pin(t->gpu, &doubles, t->sum.double_count * sizeof(double),
                              err);
    t->floats = floats;
    t->doubles = doubles;
    return rc;
}

static int open_sums(struct team *t, struct net *net, struct sluice_error *err)
{
    void *sums = NULL;
    size_t count;
    float *gradients = net_gradients(net, &count);
    const int heads = net_heads(net);
    const size_t doubles = 2 * (size_t)heads + 1;
    int rc = t->gpu->run->allocate(t->gpu, &sums, doubles * sizeof(double), err);
    t->sum = (struct gpu_sum){ gradients, count, sums, doubles };
    t->share = (struct share_args){ .gradients = gradients,
                                    .count = count,
                                    .sums = sums,
                                    .heads = heads,
                                    .results = t->gpu->results,
                                    .step = t->gpu->step };
    if (rc == 0)
        rc = check_apart(t, err);
    if (rc == 0)
        rc = join_gpus(t, err);
    if (rc < 0)
        return rc;
    t->by_gpu = rc > 0;
    return t->by_gpu ? 0 : pin_sums(t, err);
}

int team_open(struct team **out, struct net *net, struct ranks *ranks,
              struct sluice_error *err)
{
    *out = NULL;
    if (ranks_count(ranks) < 2)
        return 0;
    struct team *t = calloc(1, sizeof *t);
    if (!t)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for several processes");
    t->gpu = gpu_of(net_device(net));
    t->ranks = ranks;
    const int rc = open_sums(t, net, err);
    if (rc < 0)
        team_close(t);
    else
        *out = t;
    return rc;
}

void team_close(struct team *t)
{
    if (!t)
        return;
    t->gpu->run->sum_leave(t->gpu);
    t->gpu->run->release(t->gpu, t->sum.doubles);
    t->gpu->run->unpin(t->gpu, t->floats);
    t->gpu->run->unpin(t->gpu, t->doubles);
    free(t);
}

const char *team_about(const struct team *t)
{
    return t->about;
}

bool team_records(const struct team *t)
{
    return t->by_gpu;
}

int team_images(struct team *t, int images)
{
    double sum = images;
    ranks_sum(t->ranks, &sum, 1);
    return (int)sum;
}

enum team_way team_agree(struct team *t, enum team_way way)
{
    double before[] = { way < TEAM_RECORD, way < TEAM_REPLAY };
    ranks_sum(t->ranks, before, 2);
    return before[0] > 0 ? TEAM_DIRECT : before[1] > 0 ? TEAM_RECORD : TEAM_REPLAY;
}

int team_weigh(struct team *t, struct sluice_error *err)
{
    return each_weigh_share(t->gpu, t->share.count, &t->share, err);
}

int team_take(struct team *t, struct sluice_error *err)
{
    return each_take_sums(t->gpu, 1, &t->share, err);
}

/* The lane has passed when the host sums, and what it copies back is not touched before
 * the next step's has passed. */
static int sum_on_host(struct team *t, struct sluice_error *err)
{
    const struct gpu_sum *s = &t->sum;
    const struct gpu_runtime *run = t->gpu->run;
    const size_t floats = s->float_count * sizeof(float);
    const size_t doubles = s->double_count * sizeof(double);
    int rc = run->copy(t->gpu, t->floats, s->floats, floats, COPY_TO_HOST, err);
    if (rc == 0)
        rc = run->copy(t->gpu, t->doubles, s->doubles, doubles, COPY_TO_HOST, err);
    if (rc == 0)
        rc = run->wait(t->gpu, err);
    if (rc < 0)
        return rc;
    ranks_sum_floats(t->ranks, t->floats, s->float_count);
    ranks_sum(t->ranks, t->doubles, (int)s->double_count);
    rc = run->copy(t->gpu, s->floats, t->floats, floats, COPY_TO_GPU, err);
    return rc < 0
               ? rc
               : run->copy(t->gpu, s->doubles, t->doubles, doubles, COPY_TO_GPU, err);
}

int team_sum(struct team *t, struct sluice_error *err)
{
    return t->by_gpu ? t->gpu->run->sum(t->gpu, &t->sum, err) : sum_on_host(t, err);
}
