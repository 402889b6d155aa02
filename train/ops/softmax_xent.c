/* softmax_xent.c -- softmax and cross-entropy with label smoothing: definition and
 * reference.
 *
 *     p = softmax(x)      t = (1 - s) onehot(label) + s / classes
 *     loss = mean over images of -sum t log p      dx = weight (p - t) / images
 *
 * where a mixed image's onehot(label) is share onehot(its own) + (1 - share)
 * onehot(its partner's), which is the mean of both losses, so weighed; and the weight
 * is the head's in what is minimised: see struct head_loss.
 *
 * The output is p, float whatever the input's type is. Without labels only p is made.
 */
#include <inttypes.h>
#include <math.h>

#include "distill.h"
#include "softmax_xent.h"

static int shape(struct op *op, struct sluice_error *err)
{
    const float s = op->attr.label_smoothing;
    char text[64];
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    if (x->shape[1] != 1 || x->shape[2] != 1)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "softmax_xent %s: input is %s, expected one pixel of classes", op->name,
            tensor_shape_text(text, x));
    if (!(s >= 0 && s < 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: label smoothing %g, expected 0 <= s < 1",
                           op->name, (double)s);
    if (op->attr.head < 0 || op->attr.head >= PASS_HEADS)
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: head %d, expected 0 to %d", op->name,
                           op->attr.head, PASS_HEADS - 1);
    if (!(head_weight(op) >= 0 && isfinite(head_weight(op))))
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: weight %g, expected 0 or more", op->name,
                           head_weight(op));
    op_shape_activation(op->out[0], x->shape[0], 1, 1, x->shape[3], SLUICE_F32);
    return 0;
}

/* The class of image n, or SLUICE_EINVAL. */
static int label_of(const struct op *op, const struct pass *pass, int n,
                    struct sluice_error *err)
{
    const int64_t label = pass->labels[(size_t)n * (size_t)pass->label_stride];
    const int classes = op_channels(op->in[0]);
    if (label < 0 || label >= classes)
        return sluice_fail(err, SLUICE_EINVAL,
                           "image %d of the batch: label %" PRId64
                           ", but the network has classes 0 to %d",
                           n, label, classes - 1);
    return (int)label;
}

int xent_labels(struct xent_labels *out, const struct op *op, const struct pass *pass,
                int n, struct sluice_error *err)
{
    out->own = out->other = label_of(op, pass, n, err);
    out->share = 1;
    if (out->own < 0 || !pass->mixes)
        return out->own < 0 ? out->own : 0;
    const int partner = pass->mixes[n].partner;
    if (partner < 0 || partner >= op_batch(op))
        return sluice_fail(err, SLUICE_EINVAL,
                           "image %d of the batch: mixed with image %d of %d", n,
                           partner, op_batch(op));
    out->other = label_of(op, pass, partner, err);
    out->share = (double)pass->mixes[n].share;
    return out->other < 0 ? out->other : 0;
}

void xent_report(const struct op *op, struct pass *pass, double loss, double correct)
{
    pass->head[op->attr.head] = (struct head_loss){ head_weight(op), loss, correct };
    pass_sum(pass);
}

/* One image: probabilities out; returns log of the sum of exp(x). */
static double softmax(const float *x, float *p, int classes, int *largest)
{
    double sum = 0;
    *largest = 0;
    for (int k = 1; k < classes; k++)
        if (x[k] > x[*largest])
            *largest = k;
    const double top = (double)x[*largest];
    for (int k = 0; k < classes; k++)
        sum += exp((double)x[k] - top);
    for (int k = 0; k < classes; k++)
        p[k] = (float)(exp((double)x[k] - top) / sum);
    return top + log(sum);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev;
    const int classes = op_channels(op->in[0]);
    const double smoothing = (double)op->attr.label_smoothing;
    const float *x = op->in[0]->data;
    float *p = op->out[0]->data;
    double loss = 0, correct = 0;
    for (int n = 0; n < op_batch(op); n++, x += classes, p += classes) {
        int largest;
        const double lse = softmax(x, p, classes, &largest);
        if (!pass->labels)
            continue;
        struct xent_labels labels;
        const int rc = xent_labels(&labels, op, pass, n, err);
        if (rc < 0)
            return rc;
        for (int k = 0; k < classes; k++)
            loss += xent_target(smoothing, classes, &labels, k) * (lse - (double)x[k]);
        correct += xent_share(&labels, largest);
    }
    xent_report(op, pass, distill_loss(op, pass, loss / op_batch(op)), correct);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev;
    const int classes = op_channels(op->in[0]);
    const double smoothing = (double)op->attr.label_smoothing;
    const double weight = head_weight(op);
    const float *p = op->out[0]->data;
    float *dx = op->in[0]->grad;
    struct distill_image soft;
    if (!dx)
        return 0;
    if (!pass->labels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "softmax_xent %s: backward without labels", op->name);
    for (int n = 0; n < op_batch(op); n++, p += classes, dx += classes) {
        struct xent_labels labels;
        const int rc = xent_labels(&labels, op, pass, n, err);
        if (rc < 0)
            return rc;
        distill_begin(&soft, op, pass, n);
        for (int k = 0; k < classes; k++) {
            const double target = xent_target(smoothing, classes, &labels, k);
            dx[k] =
                (float)(weight * distill_slope(&soft, k,
                                               ((double)p[k] - target) / op_batch(op)));
        }
    }
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "ten", 5, 1, 1, 10, { 0 } },
    { "ten smoothed", 7, 1, 1, 10, { .label_smoothing = 0.1F } },
    { "ten mixed", 6, 1, 1, 10, { 0 } },
    { "ten smoothed mixed", 7, 1, 1, 10, { .label_smoothing = 0.1F } },
    { "hundred", 3, 1, 1, 100, { .label_smoothing = 0.2F } },
    { "head", 5, 1, 1, 10, { .head = 2, .loss_weight = 0.3F } },
    { "two", 1, 1, 1, 2, { 0 } },
    { "one class", 2, 1, 1, 1, { 0 } },
    { 0 },
};

const struct op_def op_softmax_xent = {
    .name = "softmax_xent",
    .help = "softmax and cross-entropy with label smoothing",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_softmax_xent_cpu),
            [DEVICE_CUDA] = &op_softmax_xent_cuda },
    .cases = cases,
};
