/* vq_use.h -- what a trained refiner is for. `from` is a run's folder or a checkpoint;
 * `args` are KEY=VALUE that change its record. */
#ifndef SLUICE_VQ_USE_H
#define SLUICE_VQ_USE_H

#include "vq_train.h"

/* The record of a run or checkpoint, as vq_config_read takes it; of a run that has no
 * checkpoint yet, what it was told. */
int vq_record_read(struct vq_config *cfg, const char *from, const char *const *args,
                   int count, bool free_alone, struct sluice_error *err);

/* Accuracy on both sets, and variance. */
int vq_eval(const char *from, const char *const *args, int count,
            const struct vq_watch *watch, struct sluice_error *err);

/* Classifiers `first` to first + n - 1 of all that the seed gives, as folder/NNNN
 * .safetensors: checkpoints of model mnist_cnn, for sluice eval and for PyTorch. */
int vq_sample(const char *from, const char *folder, int n, uint32_t first,
              const char *const *args, int count, const struct vq_watch *watch,
              struct sluice_error *err);

/* The latent that comes nearest to a checkpoint of mnist_cnn, stage by stage; the
 * classifier that it gives goes to `out` unless that is NULL. */
int vq_encode(const char *from, const char *classifier, const char *out,
              const char *const *args, int count, const struct vq_watch *watch,
              struct sluice_error *err);

#endif
