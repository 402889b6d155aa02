/* muon_cuda.h -- muon.h's update on device cuda: enqueued, and fit to be recorded. */
#ifndef SLUICE_MUON_CUDA_H
#define SLUICE_MUON_CUDA_H

#include "cuda/gpu.h"
#include "net.h"

struct muon_cuda;

/* Work space for the largest filter of `net`. */
int muon_cuda_create(struct muon_cuda **out, struct net *net, struct sluice_error *err);
void muon_cuda_free(struct muon_cuda *m); /* NULL is fine */

struct muon_cuda_step {
    float lr; /* times the rate of the step in device memory */
    float momentum;
    bool nesterov;
    int iterations;
    const struct gpu_control *control; /* device memory */
};

int muon_cuda_update(struct muon_cuda *m, const struct tensor *t, float *moment,
                     const struct muon_cuda_step *step, struct sluice_error *err);

#endif
