/* softmax_xent_cpu.c -- the loss on device cpu: images in parallel, each image's loss
 * kept apart and summed in order. */
#include <math.h>
#include <stdlib.h>

#include "../device_cpu.h"
#include "distill.h"
#include "softmax_xent.h"

struct image_loss {
    double loss, correct;
    struct xent_labels labels; /* own -1: unlabelled */
};

struct job {
    struct op *op;
    struct image_loss *images;
};

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    (void)dev;
    op->state = calloc((size_t)op_batch(op), sizeof(struct image_loss));
    if (!op->state)
        return sluice_fail(err, SLUICE_ENOMEM, "softmax_xent %s: no memory", op->name);
    return 0;
}

static void release(struct op *op)
{
    free(op->state);
    op->state = NULL;
}

static void forward_image(const struct op *op, size_t n, struct image_loss *image)
{
    const int classes = op_channels(op->in[0]);
    const struct tensor *t = op->in[0];
    const size_t at = n * (size_t)classes;
    const double smoothing = (double)op->attr.label_smoothing;
    float *p = (float *)op->out[0]->data + at;
    int largest = 0;
    double sum = 0;
    for (int k = 0; k < classes; k++) {
        p[k] = tensor_value(t->dtype, t->data, at + (size_t)k);
        if (p[k] > p[largest])
            largest = k;
    }
    const double top = (double)p[largest];
    for (int k = 0; k < classes; k++)
        sum += exp((double)p[k] - top);
    const double lse = top + log(sum);
    image->loss = 0;
    for (int k = 0; k < classes; k++) {
        const double x = (double)p[k];
        if (image->labels.own >= 0)
            image->loss +=
                xent_target(smoothing, classes, &image->labels, k) * (lse - x);
        p[k] = (float)exp(x - lse);
    }
    image->correct = image->labels.own < 0 ? 0 : xent_share(&image->labels, largest);
}

static void forward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++)
        forward_image(job->op, n, &job->images[n]);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    struct job job = { op, op->state };
    const int count = op_batch(op);
    for (int n = 0; n < count; n++) {
        job.images[n].labels.own = -1;
        const int rc =
            pass->labels ? xent_labels(&job.images[n].labels, op, pass, n, err) : 0;
        if (rc < 0)
            return rc;
    }
    /* An exponential is worth about as much as sixteen other elements. */
    threads_for(dev, (size_t)count, (size_t)op_channels(op->in[0]) * 32, forward_body,
                &job);
    double loss = 0, correct = 0;
    for (int n = 0; n < count; n++) {
        loss += job.images[n].loss;
        correct += job.images[n].correct;
    }
    xent_report(op, pass, distill_loss(op, pass, loss / count), correct);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev;
    const int classes = op_channels(op->in[0]), count = op_batch(op);
    const double smoothing = (double)op->attr.label_smoothing;
    const double weight = head_weight(op);
    const float *p = op->out[0]->data;
    struct tensor *t = op->in[0];
    struct distill_image soft;
    if (!t->grad)
        return 0;
    if (!pass->labels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: backward without labels", op->name);
    for (int n = 0; n < count; n++) {
        struct xent_labels labels;
        const int rc = xent_labels(&labels, op, pass, n, err);
        if (rc < 0)
            return rc;
        distill_begin(&soft, op, pass, n);
        for (int k = 0; k < classes; k++) {
            const size_t at = (size_t)n * (size_t)classes + (size_t)k;
            const double target = xent_target(smoothing, classes, &labels, k);
            const double hard = ((double)p[at] - target) / count;
            tensor_set_value(t->dtype, t->grad, at,
                             (float)(weight * distill_slope(&soft, k, hard)));
        }
    }
    return 0;
}

const struct op_backend op_softmax_xent_cpu = {
    .plan = plan, .forward = forward, .backward = backward, .release = release
};
