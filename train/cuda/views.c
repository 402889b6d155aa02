/* views.c -- see views.h. */
#include <stdlib.h>

#include "gpu.h"
#include "views.h"

struct views {
    struct net *net;
    struct gpu *gpu;
    /* Device memory. */
    void *pixels; /* the batch as it came */
    void *places; /* (most, images) */
    void *sums;   /* doubles (heads, images, classes) */
};

/* Numbers that all heads give of a batch. */
static size_t count_sums(struct net *net)
{
    return (size_t)net_heads(net) * tensor_elements(net_probabilities(net));
}

int views_open(struct views **out, struct net *net, int most, struct sluice_error *err)
{
    struct views *v = calloc(1, sizeof *v);
    *out = NULL;
    if (!v)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for views");
    v->net = net;
    v->gpu = gpu_of(net_device(net));
    const struct tensor *in = net_input(net);
    const struct gpu_runtime *run = v->gpu->run;
    const size_t places = (size_t)most * (size_t)in->shape[0];
    int rc = run->allocate(v->gpu, &v->pixels, tensor_bytes(in), err);
    if (rc == 0)
        rc = run->allocate(v->gpu, &v->places, places * sizeof(struct view_place), err);
    if (rc == 0)
        rc = run->allocate(v->gpu, &v->sums, count_sums(net) * sizeof(double), err);
    if (rc < 0) {
        views_close(v);
        return rc;
    }
    *out = v;
    return 0;
}

void views_close(struct views *v)
{
    if (!v)
        return;
    const struct gpu_runtime *run = v->gpu->run;
    run->release(v->gpu, v->pixels);
    run->release(v->gpu, v->places);
    run->release(v->gpu, v->sums);
    free(v);
}

/* What the heads say, into the sums. */
static int add_answers(struct views *v, bool first, double weight,
                       struct sluice_error *err)
{
    double *sum = v->sums;
    int rc = 0;
    for (int h = 0; h < net_heads(v->net) && rc == 0; h++) {
        const struct tensor *out = net_head(v->net, h)->out[0];
        const struct vote_args vote = {
            .count = tensor_elements(out),
            .probabilities = out->data,
            .sum = sum,
            .weight = weight,
            .first = first,
        };
        rc = each_add_votes(v->gpu, vote.count, &vote, err);
        sum += vote.count;
    }
    return rc;
}

static int look(struct views *v, int k, double weight, struct sluice_error *err)
{
    const struct tensor *in = net_input(v->net);
    const struct view_place *places = v->places;
    const struct view_args view = {
        .images = in->shape[0],
        .h = in->shape[1],
        .w = in->shape[2],
        .bytes = in->shape[3] * (int)sluice_dtype_size(in->dtype),
        .from = v->pixels,
        .to = in->data,
        .places = places + (size_t)k * (size_t)in->shape[0],
    };
    struct pass pass = { .training = false };
    const size_t pixels = (size_t)view.images * (size_t)view.h * (size_t)view.w;
    int rc = each_view_images(v->gpu, pixels, &view, err);
    if (rc == 0)
        rc = net_forward(v->net, &pass, err);
    return rc < 0 ? rc : add_answers(v, k == 0, weight, err);
}

int views_run(struct views *v, const void *pixels, const struct view_place *places,
              const double *weights, int count, double *logits,
              struct sluice_error *err)
{
    const struct tensor *in = net_input(v->net);
    const size_t bytes = (size_t)count * (size_t)in->shape[0] * sizeof *places;
    int rc = gpu_write(v->gpu, v->pixels, pixels, tensor_bytes(in), err);
    if (rc == 0)
        rc = gpu_write(v->gpu, v->places, places, bytes, err);
    for (int k = 0; k < count && rc == 0; k++)
        rc = look(v, k, weights[k], err);
    return rc < 0 ? rc
                  : gpu_read(v->gpu, logits, v->sums,
                             count_sums(v->net) * sizeof *logits, err);
}
