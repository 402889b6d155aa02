/* gpu_task.c -- kernels in loops over blocks, phases and threads; layers and products
 * in double. */
#include <stdlib.h>
#include <string.h>

#include "augment_host.h"
#include "gpu_task.h"
#include "pipeline.h"

enum { AUGMENT_THREADS = 32, AUGMENT_SHARED = 1 << 30 };

static const struct {
    int phases;
    size_t room, args;
} kernels[] = {
#define KERNEL(name, args, phases, room) { phases, room, sizeof(struct args) },
#include "cuda/kernel_list.h"
#undef KERNEL
};

static void body(enum gpu_kernel kernel, const void *args, const struct spot *at)
{
    switch (kernel) {
#define KERNEL(name, args_of, phases, room)                                            \
    case KERNEL_##name:                                                                \
        name((const struct args_of *)args, at);                                        \
        break;
#include "cuda/kernel_list.h"
#undef KERNEL
    case KERNELS:
        abort();
    }
}

/* Last block and last thread first: nobody may count on the order. */
static void run_kernel(const struct task *t)
{
    void *shared = malloc(kernels[t->kernel].room);
    if (!shared)
        abort();
    for (int block = t->blocks - 1; block >= 0; block--) {
        memset(shared, 0xEE, kernels[t->kernel].room);
        for (int phase = 0; phase < kernels[t->kernel].phases; phase++)
            for (int thread = t->threads - 1; thread >= 0; thread--) {
                const struct spot at = { block,      t->blocks, thread,
                                         t->threads, phase,     shared };
                body(t->kernel, t->args, &at);
            }
    }
    free(shared);
}

/* Layers, in double */

static float *as_floats(enum sluice_dtype dtype, const void *values, size_t count)
{
    float *f = malloc(count * sizeof *f + 1);
    if (!f)
        abort();
    for (size_t i = 0; i < count; i++)
        f[i] = number_load(dtype, values, i);
    return f;
}

struct sizes {
    size_t x, y, w;
    int kh, kw;
};

static struct sizes sizes(const struct gpu_layer_shape *s)
{
    struct sizes z = { .kh = s->inner ? s->h : s->kernel,
                       .kw = s->inner ? s->w : s->kernel };
    z.x = (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c;
    z.y = (size_t)s->n * (size_t)s->oh * (size_t)s->ow * (size_t)s->k;
    z.w = (size_t)s->k * (size_t)z.kh * (size_t)z.kw * (size_t)s->c;
    return z;
}

/* Output pixels and taps that meet: visit(x's first channel, y's, tap). */
#define EACH_MEETING(s, z)                                                             \
    for (int n = 0; n < (s)->n; n++)                                                   \
        for (int oy = 0; oy < (s)->oh; oy++)                                           \
            for (int ox = 0; ox < (s)->ow; ox++)                                       \
                for (int tap = 0; tap < (z).kh * (z).kw; tap++)                        \
                    if (meet(s, z.kw, n, oy, ox, tap, &xa, &ya))

static bool meet(const struct gpu_layer_shape *s, int kw, int n, int oy, int ox,
                 int tap, size_t *xa, size_t *ya)
{
    const int stride = s->inner ? 1 : s->stride, pad = s->inner ? 0 : s->pad;
    const int y = oy * stride - pad + tap / kw, x = ox * stride - pad + tap % kw;
    if (y < 0 || y >= s->h || x < 0 || x >= s->w)
        return false;
    *xa = ((size_t)(n * s->h + y) * (size_t)s->w + (size_t)x) * (size_t)s->c;
    *ya = ((size_t)(n * s->oh + oy) * (size_t)s->ow + (size_t)ox) * (size_t)s->k;
    return true;
}

static void run_layer(const struct task *t)
{
    const struct gpu_layer_shape *s = &t->layer->s;
    const struct sizes z = sizes(s);
    const size_t na = t->what == DATA ? z.y : z.x, nb = t->what == WEIGHT ? z.y : z.w;
    const size_t nout = t->what == FORWARD ? z.y : t->what == DATA ? z.x : z.w;
    const size_t c = (size_t)s->c, taps = (size_t)(z.kh * z.kw);
    float *a = as_floats(s->dtype, t->a, na), *b = as_floats(s->dtype, t->b, nb);
    double *out = calloc(nout + 1, sizeof *out);
    size_t xa, ya;
    if (!out)
        abort();
    EACH_MEETING(s, z)
    for (size_t k = 0; k < (size_t)s->k; k++)
        for (size_t i = 0; i < c; i++) {
            const size_t w = (k * taps + (size_t)tap) * c + i;
            if (t->what == FORWARD)
                out[ya + k] += (double)a[xa + i] * (double)b[w];
            else if (t->what == DATA)
                out[xa + i] += (double)a[ya + k] * (double)b[w];
            else
                out[w] += (double)a[xa + i] * (double)b[ya + k];
        }
    const enum sluice_dtype dtype =
        t->what == WEIGHT && s->inner ? SLUICE_F32 : s->dtype;
    for (size_t i = 0; i < nout; i++)
        number_store(dtype, t->to, i, (float)out[i]);
    free(a);
    free(b);
    free(out);
}

/* The kernel's own body, in loops as above. */
static void run_augment(const struct task *t)
{
    const struct plan *p = sluice_augment_plan(t->aug);
    const struct room r = room_choose(p, AUGMENT_SHARED, BLOCK_BYTES);
    if (launch_on_host(p, &r, &t->batch, AUGMENT_THREADS) < 0)
        abort();
}

static void run_product(const struct task *t)
{
    const struct gpu_product *p = &t->product;
    const int m = p->m, n = p->n, k = p->k;
    const float *a = t->a, *b = t->b;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += (double)a[p->transpose_a ? l * m + i : i * k + l] *
                       (double)b[p->transpose_b ? j * k + l : l * n + j];
            const size_t at = (size_t)i * (size_t)n + (size_t)j;
            ((float *)t->to)[at] =
                p->alpha * (float)sum +
                (p->beta != 0 ? p->beta * ((const float *)t->from)[at] : 0);
        }
}

void task_run(const struct task *t)
{
    if (t->what == COPY)
        memcpy(t->to, t->a, t->bytes);
    else if (t->what == ZERO)
        memset(t->to, 0, t->bytes);
    else if (t->what == LAUNCH)
        run_kernel(t);
    else if (t->what == AUGMENT)
        run_augment(t);
    else if (t->what == PRODUCT)
        run_product(t);
    else
        run_layer(t);
}

size_t task_args_size(enum gpu_kernel kernel)
{
    return kernels[kernel].args;
}
