/* evaluate_views.h -- what a network says to the views of a batch of images. */
#ifndef SLUICE_EVALUATE_VIEWS_H
#define SLUICE_EVALUATE_VIEWS_H

#include "cuda/views.h"
#include "evaluate.h"

int evaluate_view_count(const struct tta *tta);

/* The averages of all views' logits, (heads, images, classes), into `logits`, which is
 * zeros. The network has the batch's size. `*views` is NULL at first, when the batch is
 * the largest and no later call has more than `most` views; views_close() it. */
int evaluate_views(struct views **views, struct net *net, const struct sluice_batch *b,
                   const struct tta *tta, int most, double *logits,
                   struct sluice_error *err);

#endif
