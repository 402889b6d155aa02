/* views.h -- test images on a GPU: copied there once, looked at from several sides, and
 * only what the network says to all of them together comes back. */
#ifndef SLUICE_VIEWS_H
#define SLUICE_VIEWS_H

#include "../net.h"
#include "kernels_views.h"

struct views;

/* For batches of at most the net's present size, in at most `most` views each. */
int views_open(struct views **out, struct net *net, int most, struct sluice_error *err);
void views_close(struct views *v); /* NULL is fine */

/* `pixels` is a batch of the net's present size and type. places is (count, images),
 * weights (count); logits is (heads, images, classes): filled with averages, up
 * to a number per image and head. */
int views_run(struct views *v, const void *pixels, const struct view_place *places,
              const double *weights, int count, double *logits,
              struct sluice_error *err);

#endif
