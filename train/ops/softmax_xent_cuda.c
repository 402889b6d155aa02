/* softmax_xent_cuda.c -- the loss on device cuda. Labels, and how
 * images were mixed, reach the GPU here, and the loss comes back, unless a stepper does
 * both without waiting. */
#include <stdlib.h>

#include "../cuda/gpu.h"
#include "softmax_xent.h"

/* Device memory: each image's loss, and whether it was right. */
struct state {
    struct gpu *gpu;
    void *losses, *correct;
};

static void release(struct op *op)
{
    struct state *s = op->state;
    if (!s)
        return;
    s->gpu->run->release(s->gpu, s->losses);
    s->gpu->run->release(s->gpu, s->correct);
    free(s);
    op->state = NULL;
}

/* The largest batch is planned first, so a network's labels stay where they are. */
static int need_labels(struct gpu *gpu, int count, struct sluice_error *err)
{
    void *labels = NULL, *mixes = NULL;
    if (count <= gpu->labels_room)
        return 0;
    int rc = gpu->run->allocate(gpu, &labels, (size_t)count * sizeof *gpu->labels, err);
    if (rc == 0)
        rc = gpu->run->allocate(gpu, &mixes, (size_t)count * sizeof *gpu->mixes, err);
    if (rc < 0) {
        gpu->run->release(gpu, labels);
        return rc;
    }
    gpu->run->release(gpu, gpu->labels);
    gpu->run->release(gpu, gpu->mixes);
    gpu->labels = labels;
    gpu->mixes = mixes;
    gpu->labels_room = count;
    return 0;
}

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    const size_t count = (size_t)op_batch(op);
    struct state *s = calloc(1, sizeof *s);
    op->state = s;
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "softmax_xent %s: no memory", op->name);
    s->gpu = gpu_of(dev);
    int rc = need_labels(s->gpu, op_batch(op), err);
    if (rc == 0)
        rc = s->gpu->run->allocate(s->gpu, &s->losses, count * sizeof(double), err);
    if (rc == 0)
        rc = s->gpu->run->allocate(s->gpu, &s->correct, count * sizeof(double), err);
    if (rc < 0)
        release(op);
    return rc;
}

static struct xent_args arguments(const struct op *op, const struct gpu *gpu,
                                  const struct pass *pass)
{
    const struct state *s = op->state;
    return (struct xent_args){ .dtype = op->in[0]->dtype,
                               .images = op_batch(op),
                               .classes = op_channels(op->in[0]),
                               .smoothing = op->attr.label_smoothing,
                               .head = op->attr.head,
                               .weight = head_weight(op),
                               .logits = op->in[0]->data,
                               .probabilities = op->out[0]->data,
                               .labels = pass->labels ? gpu->labels : NULL,
                               .mixes = pass->mixes ? gpu->mixes : NULL,
                               .losses = s->losses,
                               .correct = s->correct,
                               .results = gpu->results,
                               .step = gpu->step,
                               .grad = op->in[0]->grad,
                               .loss_scale = gpu->loss_scale };
}

static int send_labels(const struct op *op, struct gpu *gpu, const struct pass *pass,
                       struct sluice_error *err)
{
    const int count = op_batch(op);
    int32_t *labels = malloc((size_t)count * sizeof *labels);
    int rc = labels ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory for labels");
    for (int n = 0; n < count && rc == 0; n++) {
        struct xent_labels both;
        rc = xent_labels(&both, op, pass, n, err);
        labels[n] = both.own;
    }
    if (rc == 0)
        rc = gpu_write(gpu, gpu->labels, labels, (size_t)count * sizeof *labels, err);
    if (rc == 0 && pass->mixes)
        rc = gpu_write(gpu, gpu->mixes, pass->mixes,
                       (size_t)count * sizeof *pass->mixes, err);
    free(labels);
    return rc;
}

static int fetch_result(const struct op *op, struct gpu *gpu, struct pass *pass,
                        struct sluice_error *err)
{
    struct gpu_result r;
    const int rc = gpu_read(gpu, &r, gpu->results, sizeof r, err);
    const struct head_loss *mine = &r.head[op->attr.head];
    if (rc == 0)
        xent_report(op, pass, mine->loss, mine->correct);
    return rc;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    struct gpu *gpu = gpu_of(dev);
    const struct xent_args a = arguments(op, gpu, pass);
    const bool alone = !gpu->stepping;
    int rc = 0;
    if (pass->labels && alone)
        rc = send_labels(op, gpu, pass, err);
    if (rc == 0 && pass->labels && alone)
        rc = gpu_set_draws(gpu, pass->seed, pass->step, err);
    if (rc == 0)
        rc = launch_xent_forward(gpu, a.images, XENT_THREADS, &a, err);
    xent_report(op, pass, 0, 0);
    if (rc == 0 && pass->labels)
        rc = launch_xent_sum(gpu, 1, BLOCK, &a, err);
    if (rc == 0 && pass->labels && alone)
        rc = fetch_result(op, gpu, pass, err);
    return rc;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    const struct xent_args a = arguments(op, gpu_of(dev), pass);
    if (!a.grad)
        return 0;
    if (!pass->labels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: backward without labels", op->name);
    return each_xent_backward(gpu_of(dev), (size_t)a.images * (size_t)a.classes, &a,
                              err);
}

const struct op_backend op_softmax_xent_cuda = {
    .plan = plan, .forward = forward, .backward = backward, .release = release
};
