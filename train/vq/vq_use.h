/* vq_use.h -- what a trained refiner is for. */
#ifndef SLUICE_VQ_USE_H
#define SLUICE_VQ_USE_H

#include "vq_train.h"

/* A trained refiner, as a command line names it. */
struct vq_source {
    const char *from;        /* a run's folder or a checkpoint */
    const char *const *args; /* KEY=VALUE that change its record */
    int count;               /* of args */
};

/* The record of a run or checkpoint; of a run that has no checkpoint yet, what it was
 * told. With `free_alone` arguments that would change what was computed so far are
 * refused, as vq_config_read does. */
int vq_record_read(struct vq_config *cfg, const struct vq_source *source,
                   bool free_alone, struct sluice_error *err);

/* Accuracy on both sets, and variance. */
int vq_eval(const struct vq_source *source, const struct vq_watch *watch,
            struct sluice_error *err);

/* Classifiers `first` to first + n - 1 of all that the seed gives, as folder/NNNN
 * .safetensors: checkpoints of model mnist_cnn, for sluice eval and for PyTorch. */
int vq_sample(const struct vq_source *source, const char *folder, int n, uint32_t first,
              const struct vq_watch *watch, struct sluice_error *err);

/* The latent that comes nearest to a checkpoint of mnist_cnn, stage by stage; the
 * classifier that it gives goes to `out` unless that is NULL. */
int vq_encode(const struct vq_source *source, const char *classifier, const char *out,
              const struct vq_watch *watch, struct sluice_error *err);

#endif
