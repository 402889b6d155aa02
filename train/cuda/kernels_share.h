/* kernels_share.h -- around the sums over processes that train together. */
#ifndef SLUICE_KERNELS_SHARE_H
#define SLUICE_KERNELS_SHARE_H

#include "kernels_train.h"

/* What a process brings to the sums over all that train together, and what it gets. */
struct share_args {
    float *gradients;
    size_t count;
    double
        *sums; /* (2 heads + 1): loss and correct of each, processes with bad labels */
    int heads;
    struct gpu_result *results;
    const struct gpu_step *step; /* its share, its slot of the results */
};

SLUICE_HD static inline void weigh_share(const struct share_args *a,
                                         const struct spot *at)
{
    const struct gpu_result *own = &a->results[a->step->slot];
    const float share = (float)a->step->share;
    EACH(i, a->count, at)
    a->gradients[i] *= share;
    if (spot_first(at) != 0)
        return;
    for (int h = 0; h < a->heads; h++) {
        a->sums[2 * h] = own->head[h].loss * a->step->share;
        a->sums[2 * h + 1] = own->head[h].correct;
    }
    a->sums[2 * a->heads] = own->labels ? 0 : 1;
}

SLUICE_HD static inline void take_sums(const struct share_args *a,
                                       const struct spot *at)
{
    struct gpu_result *own = &a->results[a->step->slot];
    if (spot_first(at) != 0)
        return;
    for (int h = 0; h < a->heads; h++) {
        own->head[h].loss = a->sums[2 * h];
        own->head[h].correct = a->sums[2 * h + 1];
    }
    own->labels = a->sums[2 * a->heads] > 0 ? 0 : 1;
}

#endif
