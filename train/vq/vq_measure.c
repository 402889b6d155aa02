/* vq_measure.c -- how good classifiers are, and how different; see vq_session.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vq_session.h"

enum {
    VARIANCE_OF = 4,
};

/* -1 if one of them is no number. */
static int largest(const float *p)
{
    int best = 0;
    for (int c = 0; c < VQ_CLASSES; c++) {
        if (isnan(p[c]))
            return -1;
        best = p[c] > p[best] ? c : best;
    }
    return best;
}

/* The classifier's probabilities for a batch, added to votes; returns how many of its
 * images it gets right, or an error. */
static int vote(struct vq_session *s, const struct vq_feed *feed,
                const struct sluice_batch *b, float *votes, struct sluice_error *err)
{
    struct net *net = vq_inner_net(s->inner);
    struct pass pass = { .training = false };
    int right = 0, rc = net_resize(net, b->count, err);
    if (rc < 0)
        return rc;
    memcpy(net_input(net)->data, b->pixels,
           (size_t)b->count * sluice_shape_bytes(&b->shape));
    if ((rc = net_forward(net, &pass, err)) < 0)
        return rc;
    const float *p = net_probabilities(net)->data;
    for (int i = 0; i < b->count; i++, p += VQ_CLASSES) {
        const int said = largest(p);
        if (said < 0)
            return sluice_fail(err, SLUICE_EINVAL,
                               "sample %llu: a classifier's outputs are no numbers "
                               "(NaN): the training of what wrote it diverged",
                               (unsigned long long)b->ids[i]);
        right += said == b->labels[i * b->label_columns + feed->label_column];
        for (int c = 0; c < VQ_CLASSES; c++)
            *votes++ += p[c];
    }
    return right;
}

/* One classifier over the whole set; labels are kept for the ensemble's sake. */
static int run_one(struct vq_session *s, struct vq_feed *feed, float *votes,
                   int64_t *labels, uint64_t *right, struct sluice_error *err)
{
    const struct sluice_batch *b;
    size_t at = 0;
    int n, rc = sluice_loader_seek(feed->loader, 0, 0, err);
    while (rc == 0 && (n = sluice_loader_next(feed->loader, &b, err)) != 0) {
        if (n < 0)
            return n;
        const int good = vote(s, feed, b, votes + at * VQ_CLASSES, err);
        for (int i = 0; i < n; i++)
            labels[at + (size_t)i] =
                b->labels[i * b->label_columns + feed->label_column];
        sluice_loader_release(feed->loader, b);
        rc = good < 0 ? good : 0;
        *right += good < 0 ? 0 : (uint64_t)good;
        at += (size_t)n;
    }
    return rc;
}

int vq_session_score(struct vq_session *s, struct vq_feed *feed, const float *thetas,
                     int n, struct vq_score *out, struct sluice_error *err)
{
    const uint64_t samples = sluice_loader_samples(feed->loader);
    const size_t size = vq_inner_size(s->inner);
    float *votes = calloc(samples * VQ_CLASSES, sizeof *votes);
    int64_t *labels = calloc(samples, sizeof *labels);
    uint64_t right = 0, together = 0;
    int rc = votes && labels
                 ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "no memory for %llu predictions",
                               (unsigned long long)samples);
    for (int i = 0; i < n && rc == 0; i++) {
        vq_inner_load(s->inner, thetas + (size_t)i * size);
        rc = run_one(s, feed, votes, labels, &right, err);
    }
    for (uint64_t i = 0; i < samples && rc == 0; i++)
        together += largest(votes + i * VQ_CLASSES) == labels[i];
    free(votes);
    free(labels);
    out->ensemble = (double)together / (double)samples;
    out->single = (double)right / (double)samples / n;
    return rc;
}

double vq_variance(const float *thetas, int n, size_t size)
{
    double all = 0;
    for (size_t p = 0; p < size; p++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < n; i++)
            sum += (double)thetas[(size_t)i * size + p];
        for (int i = 0; i < n; i++) {
            const double d = (double)thetas[(size_t)i * size + p] - sum / n;
            squares += d * d;
        }
        all += squares / n;
    }
    return all / (double)size;
}

int vq_session_evaluate(struct vq_session *s, uint64_t step, struct vq_evaluation *out,
                        struct sluice_error *err)
{
    const size_t size = vq_inner_size(s->inner);
    const int n = s->cfg->eval_ensemble, room = n < VARIANCE_OF ? VARIANCE_OF : n;
    float *thetas = malloc((size_t)room * size * sizeof *thetas);
    *out = (struct vq_evaluation){ 0 };
    int rc =
        thetas
            ? vq_session_sample(s, VQ_DRAW_VARIANCE, step, 0, VARIANCE_OF, thetas, err)
            : sluice_fail(err, SLUICE_ENOMEM, "no memory for %d classifiers", room);
    if (rc == 0) {
        out->variance = vq_variance(thetas, VARIANCE_OF, size);
        rc = vq_session_sample(s, VQ_DRAW_EVAL, step, 0, n, thetas, err);
    }
    if (rc == 0)
        rc = vq_session_score(s, &s->data.measured[0], thetas, n, &out->train, err);
    if (rc == 0)
        rc = vq_session_score(s, &s->data.measured[1], thetas, n, &out->test, err);
    free(thetas);
    return rc;
}
