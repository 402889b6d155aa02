/* muon_cuda.c -- see muon_cuda.h. */
#include <stdlib.h>

#include "muon.h"
#include "muon_cuda.h"

/* Device memory, for one filter after the other. */
struct muon_cuda {
    struct gpu *gpu;
    bool tf32;
    void *update, *next, *gram, *poly; /* floats */
    void *squares;                     /* (2, MUON_BLOCKS) */
};

static int allocate(struct muon_cuda *m, size_t most, size_t square,
                    struct sluice_error *err)
{
    void **const to[] = { &m->update, &m->next, &m->gram, &m->poly, &m->squares };
    const size_t bytes[] = { most * sizeof(float), most * sizeof(float),
                             square * sizeof(float), square * sizeof(float),
                             2 * MUON_BLOCKS * sizeof(double) };
    int rc = 0;
    for (size_t i = 0; i < sizeof to / sizeof *to && rc == 0; i++)
        rc = m->gpu->run->allocate(m->gpu, to[i], bytes[i], err);
    return rc;
}

int muon_cuda_create(struct muon_cuda **out, struct net *net, struct sluice_error *err)
{
    const struct device *dev = net_device(net);
    size_t most = 1, square = 1;
    for (int i = 0; i < net_param_count(net); i++) {
        const struct tensor *t = net_param(net, i);
        if (!muon_takes(t) || !t->grad)
            continue;
        const size_t all = tensor_elements(t), rows = (size_t)t->shape[0];
        const size_t small = rows < all / rows ? rows : all / rows;
        most = all > most ? all : most;
        square = small * small > square ? small * small : square;
    }
    struct muon_cuda *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the optimizer");
    m->gpu = gpu_of(dev);
    m->tf32 = m->gpu->tf32 || dev->compute != SLUICE_F32;
    const int rc = allocate(m, most, square, err);
    if (rc < 0) {
        muon_cuda_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void muon_cuda_free(struct muon_cuda *m)
{
    if (!m)
        return;
    const struct gpu_runtime *run = m->gpu->run;
    run->release(m->gpu, m->update);
    run->release(m->gpu, m->next);
    run->release(m->gpu, m->gram);
    run->release(m->gpu, m->poly);
    run->release(m->gpu, m->squares);
    free(m);
}

/* One Newton-Schulz iteration, as muon.c's: from x to `next`. */
static int iterate(struct muon_cuda *m, int rows, int cols, const float *x, float *next,
                   struct sluice_error *err)
{
    const bool tall = rows > cols;
    const int small = tall ? cols : rows, large = tall ? rows : cols;
    const struct gpu_product to_gram = {
        tall, !tall, small, small, large, 1, 0, m->tf32
    };
    const struct gpu_product to_poly = { false, false,   small,    small,
                                         small, 2.0315F, -4.7750F, m->tf32 };
    const struct gpu_product to_x = { false, false, rows,    cols,
                                      small, 1,     3.4445F, m->tf32 };
    const struct gpu_runtime *run = m->gpu->run;
    const float *gram = m->gram, *poly = m->poly;
    int rc = run->multiply(m->gpu, &to_gram, x, x, NULL, m->gram, err);
    if (rc == 0)
        rc = run->multiply(m->gpu, &to_poly, gram, gram, gram, m->poly, err);
    return rc < 0 ? rc
                  : run->multiply(m->gpu, &to_x, tall ? x : poly, tall ? poly : x, x,
                                  next, err);
}

int muon_cuda_update(struct muon_cuda *m, const struct tensor *t, float *moment,
                     const struct muon_cuda_step *step, struct sluice_error *err)
{
    float *next = m->next;
    struct muon_args a = {
        .w = t->data,
        .m = moment,
        .x = m->update,
        .g = t->grad,
        .count = tensor_elements(t),
        .rows = t->shape[0],
        .lr = step->lr,
        .keep = step->momentum,
        .nesterov = step->nesterov,
        .partial = m->squares,
        .control = step->control,
        .step = m->gpu->step,
    };
    int rc = each_muon_momentum(m->gpu, a.count, &a, err);
    if (rc == 0)
        rc = launch_muon_squares(m->gpu, MUON_BLOCKS, BLOCK, &a, err);
    if (rc == 0)
        rc = each_muon_scale(m->gpu, a.count, &a, err);
    for (int i = 0; i < step->iterations && rc == 0; i++) {
        float *x = a.x;
        rc = iterate(m, a.rows, (int)(a.count / (size_t)a.rows), x, next, err);
        a.x = next;
        next = x;
    }
    return rc < 0 ? rc : each_muon_apply(m->gpu, a.count, &a, err);
}
