/* distill.c -- see distill.h. In double, on the host. */
#include "distill.h"

#include <math.h>

static double student_at(const struct distill_image *image, int k)
{
    return (double)tensor_value(image->x->dtype, image->x->data,
                                image->first + (size_t)k) /
           image->from->temperature;
}

static double teacher_at(const struct distill_image *image, int k)
{
    return (double)image->teacher[k] / image->from->temperature;
}

/* Of several losses that of head 0 is the network's own; the others are of parts that
 * the labels alone teach. */
static struct distill *teacher_of(const struct op *op, const struct pass *pass)
{
    return op->attr.head == 0 ? pass->distill : NULL;
}

/* The logs of both sums of exponentials. */
static void normalise(struct distill_image *image)
{
    const int classes = op_channels(image->x);
    double s = student_at(image, 0), t = teacher_at(image, 0), sum_s = 0, sum_t = 0;
    for (int k = 1; k < classes; k++) {
        s = fmax(s, student_at(image, k));
        t = fmax(t, teacher_at(image, k));
    }
    for (int k = 0; k < classes; k++) {
        sum_s += exp(student_at(image, k) - s);
        sum_t += exp(teacher_at(image, k) - t);
    }
    image->student = s + log(sum_s);
    image->master = t + log(sum_t);
}

void distill_begin(struct distill_image *image, const struct op *op,
                   const struct pass *pass, int n)
{
    const size_t first = (size_t)n * (size_t)op_channels(op->in[0]);
    *image = (struct distill_image){ .from = teacher_of(op, pass) };
    if (!image->from)
        return;
    image->x = op->in[0];
    image->first = first;
    image->teacher = image->from->teacher + first;
    normalise(image);
}

static double divergence(const struct distill_image *image)
{
    double sum = 0;
    for (int k = 0; k < op_channels(image->x); k++) {
        const double log_q = teacher_at(image, k) - image->master;
        const double log_p = student_at(image, k) - image->student;
        sum += exp(log_q) * (log_q - log_p);
    }
    return sum;
}

double distill_loss(const struct op *op, struct pass *pass, double hard)
{
    struct distill *d = teacher_of(op, pass);
    struct distill_image image;
    double sum = 0;
    if (!d)
        return hard;
    for (int n = 0; n < op_batch(op); n++) {
        distill_begin(&image, op, pass, n);
        sum += divergence(&image);
    }
    const double squared = d->temperature * d->temperature;
    d->hard = hard;
    d->soft = squared * sum / op_batch(op);
    return d->alpha * squared * hard + (1 - d->alpha) * d->soft;
}

double distill_slope(const struct distill_image *image, int k, double hard)
{
    const struct distill *d = image->from;
    if (!d)
        return hard;
    const double p = exp(student_at(image, k) - image->student);
    const double q = exp(teacher_at(image, k) - image->master);
    return d->alpha * d->temperature * d->temperature * hard +
           (1 - d->alpha) * d->temperature * (p - q) / image->x->shape[0];
}
