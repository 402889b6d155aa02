/* ensemble.c -- see ensemble.h. */
#include "ensemble.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static int check_classes(const struct ensemble *e, const struct evaluator *other,
                         struct sluice_error *err)
{
    const struct data_info *own = &e->first->info, *its = &other->info;
    if (other->classes != e->first->classes)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected %d classes as the first network knows, "
                           "found %d",
                           other->checkpoint, e->first->classes, other->classes);
    if (its->first == own->first && its->count == own->count && its->used == own->used)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: expected %" PRIu64 " images from %" PRIu64
                       " on, as the first network's, found %" PRIu64 " from %" PRIu64,
                       its->path, own->used, own->first, its->used, its->first);
}

/* Another file, or other folds of it, have other samples or labels. */
static int check_samples(const struct ensemble *e, const struct evaluation *r,
                         const char *path, struct sluice_error *err)
{
    for (uint64_t i = 0; i < r->count; i++)
        if (r->at[i].id != e->asked->at[i].id ||
            r->at[i].label != e->asked->at[i].label)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: sample %" PRIu64
                               ": not the image that the first network was asked",
                               path, r->at[i].id);
    return 0;
}

/* The mean of so many networks' probabilities, and one more's. */
static void add(struct ensemble *e, const struct evaluation *r, const float *scores)
{
    const double before = e->networks;
    const size_t classes = (size_t)e->first->classes;
    for (uint64_t i = 0; i < r->count; i++) {
        const size_t row = (size_t)(r->at[i].id - e->first->info.first) * classes;
        for (size_t c = row; c < row + classes; c++) {
            const double sum =
                before * exp((double)e->scores[c]) + exp((double)scores[c]);
            e->scores[c] = (float)log(sum / (before + 1));
        }
    }
    e->networks++;
}

int ensemble_join(struct ensemble *e, struct evaluator *other, double *alone,
                  struct sluice_error *err)
{
    const struct tta tta = evaluate_tta(&other->cfg);
    struct evaluation r = { .classes = 0 };
    int rc = evaluator_open(other, err);
    if (rc < 0 || (rc = check_classes(e, other, err)) < 0)
        return rc;
    const size_t all = (size_t)other->info.count * (size_t)other->classes;
    float *scores = calloc(all, sizeof *scores);
    if (!scores)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu probabilities", all);
    rc = evaluate_scores(&r, scores, other->net, other->feed.loader, &other->info, &tta,
                         err);
    if (rc == 0)
        rc = evaluation_check(&r, other->checkpoint, err);
    if (rc == 0)
        rc = check_samples(e, &r, other->info.path, err);
    if (rc == 0) {
        *alone = r.accuracy;
        add(e, &r, scores);
    }
    evaluation_free(&r);
    free(scores);
    return rc;
}
