/* vq_train.h -- training a refiner.
 *
 * A step draws latents, decodes them, lets each classifier take its own step on the
 * next batch of training images, and moves the refiner by Adam towards what these
 * steps made of the weights: it descends (1 / latents) sum of |theta' - theta|^2, with
 * theta' held fixed. Nothing else is in the loss.
 *
 * The run's folder holds config.yaml, log.txt, metrics.csv (a row every log_every
 * steps), evaluations.csv and checkpoints/last.safetensors. A run that was stopped or
 * killed continues from that with the same bits. */
#ifndef SLUICE_VQ_TRAIN_H
#define SLUICE_VQ_TRAIN_H

#include "vq_config.h"

struct vq_watch {
    void *ctx;
    void (*message)(void *ctx, const char *line); /* about the run */
    void (*line)(void *ctx, const char *line);    /* what it comes to */
    int (*stopped)(void *ctx);                    /* nonzero: save and end */
};

/* `resume` NULL: a new run, else the folder of the one to continue, whose record `cfg`
 * was read from. SLUICE_ESTOPPED: stopped by the watcher, everything saved. */
int vq_train(struct vq_config *cfg, const char *resume, const struct vq_watch *watch,
             struct sluice_error *err);

#endif
