/* vq_inner.h -- the classifier whose weights are written: model mnist_cnn, fed with a
 * vector theta in place of its weights.
 *
 * theta holds all parameters one behind the other, conv1.weight, conv1.bias, ...,
 * fc2.bias, each as PyTorch lays it out (which is how the network keeps them), over a
 * scale sigma: 1 / sqrt(fan_in) for weights, 1 / sqrt(length) for biases. So theta of
 * unit variance is a sane classifier.
 *
 * A tuned classifier pulls on its theta: with w' = w - lr g, one step of SGD on a
 * batch, the loss |theta' - theta|^2 / latents has the gradient (2 lr / latents) g /
 * sigma, with theta' held fixed. That closed form is what vq_inner_pull gives for one
 * plain step: to take w' - w again would only add rounding. Several steps, momentum and
 * Adam are carried out. */
#ifndef SLUICE_VQ_INNER_H
#define SLUICE_VQ_INNER_H

#include "../net.h"
#include "vq_config.h"
#include "vq_data.h"

struct vq_inner;

/* For batches of at most `batch` images. */
int vq_inner_open(struct vq_inner **out, struct device *dev, int batch,
                  const struct vq_config *cfg, struct sluice_error *err);
void vq_inner_close(struct vq_inner *in); /* NULL is fine */
struct net *vq_inner_net(struct vq_inner *in);
size_t vq_inner_size(const struct vq_inner *in); /* of theta */

void vq_inner_load(struct vq_inner *in, const float *theta);
/* theta of the weights as they are. */
void vq_inner_read(struct vq_inner *in, float *theta);

/* What tuning theta on the feed's next batches comes to. */
struct vq_pull {
    double distance; /* |theta' - theta|^2 */
    double loss;     /* cross-entropy of the first batch, before any step */
};
/* delta (size; NULL: not wanted) = dL/dtheta for the L above. */
int vq_inner_pull(struct vq_inner *in, const float *theta, struct vq_feed *feed,
                  int latents, float *delta, struct vq_pull *out,
                  struct sluice_error *err);

#endif
