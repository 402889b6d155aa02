/* device.h -- where a network runs, and in which precision.
 *
 *   ref   the plain C of each operator, float: slow, and the truth
 *   cpu   oneDNN and own kernels; bf16 activations with float parameters, statistics
 *         and sums where CPU and oneDNN have AVX512-BF16, float elsewhere
 *   cuda  cuDNN, cuBLASLt and own kernels on a GPU: f32, f32 with TF32 products, bf16,
 * or f16 with a loss scale that adapts itself; parameters, their gradients and
 *         statistics are float
 */
#ifndef SLUICE_DEVICE_H
#define SLUICE_DEVICE_H

#include <pthread.h>
#include <stdbool.h>

#include <sluice/error.h>
#include <sluice/image.h>

enum device_kind {
    DEVICE_REF = 0,
    DEVICE_CPU = 1,
    DEVICE_CUDA = 2,
    DEVICE_KINDS = 3,
};

struct device {
    enum device_kind kind;
    enum sluice_dtype compute; /* of activations: F32, BF16 or F16 */
    const char *precision;     /* what device_open takes for this one */
    int threads;
    int local; /* of several processes on this machine, which one: that is the number of
                  the GPU that device cuda takes */
    struct workers *workers; /* workers.h; NULL: the caller alone */
    char about[200]; /* one line for the log: library, instruction set, precision,
                        threads */
    void *impl;      /* engine and stream of the library */
};

/* kind: "ref", "cpu", "cuda" or "auto" (the fastest there is). precision: "f32",
 * "tf32", "bf16", "f16" or "auto". threads 0: sluice_cpus(). What this build or
 * machine lacks is SLUICE_EUNBUILT with the reason. */
int device_open(struct device **out, const char *kind, const char *precision,
                int threads, struct sluice_error *err);
void device_close(struct device *dev); /* NULL is fine */

/* The same in two calls, for process `local` of this machine. A GPU, whose driver takes
 * long and little of the CPU, is opened by a thread of its own between them; anything
 * else by the second call, whose thread uses the device. Every begin is followed by one
 * end, or by a drop, which opens nothing. */
struct device_opening {
    char kind[64], precision[64];
    int threads, local;
    bool running; /* the thread, which alone uses what follows */
    pthread_t thread;
    struct device *gpu;
    int status;
    struct sluice_error error;
};

void device_begin(struct device_opening *o, const char *kind, const char *precision,
                  int threads, int local);
int device_end(struct device **out, struct device_opening *o, struct sluice_error *err);
void device_drop(struct device_opening *o);

#endif
