/* kernels_views.h -- views of test images, and the sum of what a network says to them.
 */
#ifndef SLUICE_KERNELS_VIEWS_H
#define SLUICE_KERNELS_VIEWS_H

#include <math.h>

#include "spot.h"

/* How an image is looked at: moved, so that a pixel's source lies this far off, edges
 * reflected; what that gives is mirrored if `flip`. */
struct view_place {
    int flip, dy, dx;
};

/* -1 is 1, n is n - 2: the edge pixel itself is not doubled. */
SLUICE_HD static inline int view_reflect(int i, int n)
{
    if (n == 1)
        return 0;
    return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/* The source's column of the view's. */
SLUICE_HD static inline int view_column(struct view_place p, int x, int w)
{
    return view_reflect((p.flip ? w - 1 - x : x) + p.dx, w);
}

struct view_args {
    int images, h, w, bytes; /* of a pixel, a multiple of 2 */
    const void *from;
    void *to;
    const struct view_place *places; /* (images) */
};

SLUICE_HD static inline void view_images(const struct view_args *g,
                                         const struct spot *at)
{
    const size_t words = (size_t)g->bytes / 2;
    EACH(i, (size_t)g->images * (size_t)g->h * (size_t)g->w, at)
    {
        const int x = (int)(i % (size_t)g->w);
        const size_t row = i / (size_t)g->w, n = row / (size_t)g->h;
        const struct view_place p = g->places[n];
        const int sy = view_reflect((int)(row % (size_t)g->h) + p.dy, g->h);
        const size_t source = (n * (size_t)g->h + (size_t)sy) * (size_t)g->w +
                              (size_t)view_column(p, x, g->w);
        for (size_t k = 0; k < words; k++)
            ((uint16_t *)g->to)[i * words + k] =
                ((const uint16_t *)g->from)[source * words + k];
    }
}

struct vote_args {
    size_t count;
    const float *probabilities;
    double *sum;
    double weight;
    int first; /* sum is not read */
};

/* Adding weighted logarithms of probabilities averages logits: what softmax took off is
 * one number per image and view, and the final normalisation takes it off again. NaN
 * stays NaN: an answer that is no number is no vote. */
SLUICE_HD static inline double view_vote(float probability, double weight)
{
    return weight * log((double)probability < 1e-37 ? 1e-37 : (double)probability);
}

SLUICE_HD static inline void add_votes(const struct vote_args *g, const struct spot *at)
{
    EACH(i, g->count, at)
    g->sum[i] = (g->first ? 0 : g->sum[i]) + view_vote(g->probabilities[i], g->weight);
}

#endif
