/* muon.c -- see muon.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "muon.h"

#ifdef SLUICE_HAVE_ONEDNN
#include "device_onednn.h"
#include "device_threads.h"
#endif

struct muon {
    struct device *dev;
    float *update, *work;
};

bool muon_takes(const struct tensor *t)
{
    return t->rank == 4;
}

static size_t columns(const struct tensor *t)
{
    return tensor_elements(t) / (size_t)t->shape[0];
}

static size_t work_elements(size_t rows, size_t cols)
{
    const size_t small = rows < cols ? rows : cols;
    return rows * cols + 2 * small * small;
}

int muon_create(struct muon **out, struct net *net, struct sluice_error *err)
{
    size_t most = 1, work = 1;
    for (int i = 0; i < net_param_count(net); i++) {
        const struct tensor *t = net_param(net, i);
        if (!muon_takes(t) || !t->grad)
            continue;
        const size_t need = work_elements((size_t)t->shape[0], columns(t));
        most = tensor_elements(t) > most ? tensor_elements(t) : most;
        work = need > work ? need : work;
    }
    struct muon *m = calloc(1, sizeof *m);
    *out = m;
    if (m) {
        m->dev = net_device(net);
        m->update = malloc(most * sizeof *m->update);
        m->work = malloc(work * sizeof *m->work);
    }
    if (m && m->update && m->work)
        return 0;
    muon_free(m);
    *out = NULL;
    return sluice_fail(err, SLUICE_ENOMEM, "muon: no memory for a filter of %zu values",
                       most);
}

void muon_free(struct muon *m)
{
    if (!m)
        return;
    free(m->update);
    free(m->work);
    free(m);
}

/* c (m, n) = alpha op(a) op(b) + beta c, where op may transpose; rows without gaps. */
struct product {
    bool transpose_a, transpose_b;
    int m, n, k;
    float alpha, beta;
};

static void multiply_plain(const struct product *p, const float *a, const float *b,
                           float *c)
{
    const size_t m = (size_t)p->m, n = (size_t)p->n, k = (size_t)p->k;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)a[p->transpose_a ? l * m + i : i * k + l] *
                       (double)b[p->transpose_b ? j * k + l : l * n + j];
            float *to = &c[i * n + j];
            *to = p->alpha * (float)sum + (p->beta != 0 ? p->beta * *to : 0);
        }
}

static void multiply(const struct device *dev, const struct product *p, const float *a,
                     const float *b, float *c)
{
#ifdef SLUICE_HAVE_ONEDNN
    if (dev->kind == DEVICE_CPU) {
        threads_claim(dev);
        if (onednn_multiply(p->transpose_a, p->transpose_b, p->m, p->n, p->k, p->alpha,
                            a, b, p->beta, c))
            return;
    }
#endif
    (void)dev;
    multiply_plain(p, a, b, c);
}

static double norm(const float *x, size_t n)
{
    double lane[8] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    return sqrt(sum);
}

/* x = a x + (b A + c A A) x with A = x x^T, for more rows than columns x = a x + x (b A
 * + c A A) with A = x^T x: the smaller of the two, which are of the same effect. */
static void iterate(const struct device *dev, float *x, int rows, int cols, float *work)
{
    const bool tall = rows > cols;
    const int small = tall ? cols : rows, large = tall ? rows : cols;
    const size_t square = (size_t)small * (size_t)small;
    const size_t all = (size_t)rows * (size_t)cols;
    float *gram = work, *poly = gram + square, *before = poly + square;
    const struct product to_gram = { tall, !tall, small, small, large, 1, 0 };
    const struct product to_poly = { false, false,   small,   small,
                                     small, 2.0315F, -4.7750F };
    const struct product to_x = { false, false, rows, cols, small, 1, 3.4445F };
    memcpy(before, x, all * sizeof *x);
    multiply(dev, &to_gram, x, x, gram);
    memcpy(poly, gram, square * sizeof *gram);
    multiply(dev, &to_poly, gram, gram, poly);
    multiply(dev, &to_x, tall ? before : poly, tall ? poly : before, x);
}

void muon_orthogonalise(const struct device *dev, float *x, int rows, int cols,
                        int iterations, float *work)
{
    const size_t all = (size_t)rows * (size_t)cols;
    const float scale = (float)(1 / (norm(x, all) + 1e-7));
    for (size_t i = 0; i < all; i++)
        x[i] *= scale;
    for (int k = 0; k < iterations; k++)
        iterate(dev, x, rows, cols, work);
}

void muon_update(struct muon *m, struct tensor *t, float *moment,
                 const struct muon_step *step)
{
    const size_t all = tensor_elements(t);
    const float *g = t->grad, keep = step->momentum, lr = step->lr;
    float *w = t->data, *update = m->update;
    for (size_t i = 0; i < all; i++) {
        const float grad = g[i] * step->grad_scale;
        moment[i] = keep * moment[i] + grad;
        update[i] = step->nesterov ? grad + keep * moment[i] : moment[i];
    }
    muon_orthogonalise(m->dev, update, t->shape[0], (int)columns(t), step->iterations,
                       m->work);
    const double size = norm(w, all);
    const float scale = size > 0 ? (float)(sqrt((double)t->shape[0]) / size) : 1;
    for (size_t i = 0; i < all; i++)
        w[i] = w[i] * scale - lr * update[i];
}
