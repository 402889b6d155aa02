/* device_cuda.c -- device cuda: which precision, and what all operators share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../device_kinds.h"
#include "gpu.h"

#ifdef SLUICE_HAVE_CUDNN
const struct gpu_runtime *gpu_runtime = &gpu_runtime_cuda;
#else
#ifndef SLUICE_CUDA_MISSING
#define SLUICE_CUDA_MISSING "this build has no CUDA"
#endif
static const struct gpu_runtime none = { .missing = SLUICE_CUDA_MISSING };
const struct gpu_runtime *gpu_runtime = &none;
#endif

int gpu_read(struct gpu *gpu, void *to, const void *from, size_t bytes,
             struct sluice_error *err)
{
    if (gpu->failed.code != SLUICE_OK)
        return sluice_fail(err, gpu->failed.code, "%s", gpu->failed.message);
    const int rc = gpu->run->copy(gpu, to, from, bytes, COPY_TO_HOST, err);
    return rc < 0 ? rc : gpu->run->wait(gpu, err);
}

int gpu_write(struct gpu *gpu, void *to, const void *from, size_t bytes,
              struct sluice_error *err)
{
    const int rc = gpu->run->copy(gpu, to, from, bytes, COPY_TO_GPU, err);
    return rc < 0 ? rc : gpu->run->wait(gpu, err);
}

int gpu_set_draws(struct gpu *gpu, uint64_t seed, uint64_t step,
                  struct sluice_error *err)
{
    gpu->now.seed = seed;
    gpu->now.step = step;
    gpu->now.slot = 0;
    const struct step_args a = { gpu->step, gpu->now };
    return each_set_step(gpu, 1, &a, err);
}

/* bf16 needs no care for overflow, so it is what auto means. */
static int choose_precision(struct device *dev, struct gpu *gpu, const char *precision,
                            struct sluice_error *err)
{
    gpu->tf32 = strcmp(precision, "tf32") == 0;
    if (gpu->tf32 || strcmp(precision, "f32") == 0)
        dev->compute = SLUICE_F32;
    else if (strcmp(precision, "f16") == 0)
        dev->compute = SLUICE_F16;
    else if (strcmp(precision, "bf16") == 0 || strcmp(precision, "auto") == 0)
        dev->compute = SLUICE_BF16;
    else
        return sluice_fail(err, SLUICE_EINVAL, "device cuda: precision '%s'",
                           precision);
    return 0;
}

static void cuda_close(struct device *dev)
{
    struct gpu *gpu = gpu_of(dev);
    if (!gpu)
        return;
    gpu->run->release(gpu, gpu->step);
    gpu->run->release(gpu, gpu->results);
    gpu->run->release(gpu, gpu->labels);
    gpu->run->release(gpu, gpu->mixes);
    gpu->run->close(gpu);
    free(gpu);
    dev->impl = NULL;
}

static int allocate_shared(struct gpu *gpu, struct sluice_error *err)
{
    void *step = NULL, *results = NULL;
    int rc = gpu->run->allocate(gpu, &step, sizeof *gpu->step, err);
    if (rc == 0)
        rc = gpu->run->allocate(gpu, &results, GPU_RESULTS * sizeof *gpu->results, err);
    gpu->step = step;
    gpu->results = results;
    /* Results are copied whole, and of heads that there are not nothing is written. */
    return rc < 0
               ? rc
               : gpu->run->zero(gpu, results, GPU_RESULTS * sizeof *gpu->results, err);
}

static int cuda_open(struct device *dev, const char *precision,
                     struct sluice_error *err)
{
    char about[80] = "";
    if (gpu_runtime->missing)
        return sluice_fail(err, SLUICE_EUNBUILT, "device cuda: %s",
                           gpu_runtime->missing);
    struct gpu *gpu = calloc(1, sizeof *gpu);
    if (!gpu)
        return sluice_fail(err, SLUICE_ENOMEM, "device cuda: no memory");
    gpu->run = gpu_runtime;
    gpu->local = dev->local;
    int rc = choose_precision(dev, gpu, precision, err);
    if (rc == 0)
        rc = gpu->run->open(gpu, about, err);
    if (rc < 0) {
        free(gpu);
        return rc;
    }
    dev->impl = gpu;
    dev->precision = gpu->tf32 ? "tf32" : sluice_dtype_name(dev->compute);
    dev->threads = 1;
    if ((rc = allocate_shared(gpu, err)) < 0) {
        cuda_close(dev);
        return rc;
    }
    snprintf(dev->about, sizeof dev->about, "cuda: %s, %s activations%s", about,
             sluice_dtype_name(dev->compute), gpu->tf32 ? ", TF32 products" : "");
    return 0;
}

static int cuda_enter(struct device *dev, struct sluice_error *err)
{
    return gpu_of(dev)->run->enter(gpu_of(dev), err);
}

const struct device_def device_cuda = {
    .name = "cuda", .open = cuda_open, .close = cuda_close, .enter = cuda_enter
};
