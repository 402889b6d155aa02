/* muon.c -- see muon.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device_onednn.h"
#include "device_threads.h"
#include "muon.h"

#ifdef SLUICE_HAVE_ONEDNN
#include "ops/newton_schulz.h"
#endif

enum {
    CHUNK = 16384, /* elements of a partial sum: their order is fixed */
};

static const float abc[3] = { 3.4445F, -4.7750F, 2.0315F };

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

size_t muon_work(const struct device *dev, int rows, int cols)
{
    const int small = rows < cols ? rows : cols, large = rows < cols ? cols : rows;
    const size_t all = (size_t)rows * (size_t)cols;
    size_t need = all + 2 * (size_t)small * (size_t)small + 16;
#ifdef SLUICE_HAVE_ONEDNN
    if (newton_schulz_fits(dev))
        need += newton_schulz_work(small, large);
#else
    (void)large;
#endif
    (void)dev;
    return (need + 15) / 16 * 16;
}

int muon_create(struct muon **out, struct net *net, struct sluice_error *err)
{
    size_t most = 1, work = 16;
    for (int i = 0; i < net_param_count(net); i++) {
        const struct tensor *t = net_param(net, i);
        if (!muon_takes(t) || !t->grad)
            continue;
        const size_t need = muon_work(net_device(net), t->shape[0], (int)columns(t));
        most = tensor_elements(t) > most ? tensor_elements(t) : most;
        work = need > work ? need : work;
    }
    struct muon *m = calloc(1, sizeof *m);
    *out = m;
    if (m) {
        m->dev = net_device(net);
        m->update = malloc(most * sizeof *m->update);
        m->work = aligned_alloc(64, work * sizeof *m->work);
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

static void multiply_plain(const struct onednn_product *p, const float *a,
                           const float *b, float *c)
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

static void multiply(const struct device *dev, const struct onednn_product *p,
                     const float *a, const float *b, float *c)
{
#ifdef SLUICE_HAVE_ONEDNN
    if (dev->kind == DEVICE_CPU && onednn_multiply(dev, p, a, b, c))
        return;
#endif
    (void)dev;
    multiply_plain(p, a, b, c);
}

struct squares {
    const float *x;
    size_t n;
    double *sum; /* of each chunk */
};

static void sum_chunks(void *arg, size_t begin, size_t end)
{
    const struct squares *s = arg;
    for (size_t c = begin; c < end; c++) {
        const size_t stop = (c + 1) * CHUNK < s->n ? (c + 1) * CHUNK : s->n;
        double lane[8] = { 0 }, sum = 0;
        size_t i = c * CHUNK;
        for (; i + 8 <= stop; i += 8)
            for (int k = 0; k < 8; k++)
                lane[k] += (double)s->x[i + k] * (double)s->x[i + k];
        for (; i < stop; i++)
            sum += (double)s->x[i] * (double)s->x[i];
        for (int k = 0; k < 8; k++)
            sum += lane[k];
        s->sum[c] = sum;
    }
}

/* work: two floats for each chunk */
static double norm(const struct device *dev, const float *x, size_t n, float *work)
{
    const size_t chunks = (n + CHUNK - 1) / CHUNK;
    struct squares s = { x, n, (double *)work };
    double sum = 0;
    threads_for(dev, chunks, CHUNK, sum_chunks, &s);
    for (size_t c = 0; c < chunks; c++)
        sum += s.sum[c];
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
    const struct onednn_product to_gram = { tall, !tall, small, small, large, 1, 0 };
    const struct onednn_product to_poly = { false, false,  small, small,
                                            small, abc[2], abc[1] };
    const struct onednn_product to_x = { false, false, rows, cols, small, 1, abc[0] };
    memcpy(before, x, all * sizeof *x);
    multiply(dev, &to_gram, x, x, gram);
    memcpy(poly, gram, square * sizeof *gram);
    multiply(dev, &to_poly, gram, gram, poly);
    multiply(dev, &to_x, tall ? before : poly, tall ? poly : before, x);
}

#ifdef SLUICE_HAVE_ONEDNN
static void transpose(const float *x, int rows, int cols, float *to)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++)
            to[(size_t)j * (size_t)rows + (size_t)i] =
                x[(size_t)i * (size_t)cols + (size_t)j];
}

/* The tiles want no more rows than columns; the iterations of x^T are those of x. */
static void iterate_by_tiles(const struct device *dev, float *x, int rows, int cols,
                             int iterations, float *work)
{
    const size_t all = (size_t)rows * (size_t)cols;
    const bool tall = rows > cols;
    float *turned = tall ? work : x, *rest = tall ? work + (all + 15) / 16 * 16 : work;
    if (tall)
        transpose(x, rows, cols, turned);
    for (int k = 0; k < iterations; k++)
        newton_schulz(dev, turned, tall ? cols : rows, tall ? rows : cols, abc, rest);
    if (tall)
        transpose(turned, cols, rows, x);
}
#endif

struct scaling {
    float *x, scale;
};

static void scale_part(void *arg, size_t begin, size_t end)
{
    const struct scaling *s = arg;
    for (size_t i = begin; i < end; i++)
        s->x[i] *= s->scale;
}

void muon_orthogonalise(const struct device *dev, float *x, int rows, int cols,
                        int iterations, float *work)
{
    const size_t all = (size_t)rows * (size_t)cols;
    struct scaling s = { x, (float)(1 / (norm(dev, x, all, work) + 1e-7)) };
    threads_for(dev, all, 1, scale_part, &s);
#ifdef SLUICE_HAVE_ONEDNN
    if (newton_schulz_fits(dev)) {
        iterate_by_tiles(dev, x, rows, cols, iterations, work);
        return;
    }
#endif
    for (int k = 0; k < iterations; k++)
        iterate(dev, x, rows, cols, work);
}

struct update {
    float *w, *moment, *update;
    const float *grad;
    float grad_scale, keep, scale, lr;
    bool nesterov;
};

static void add_momentum(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    const float keep = u->keep;
    for (size_t i = begin; i < end; i++) {
        const float grad = u->grad[i] * u->grad_scale;
        u->moment[i] = keep * u->moment[i] + grad;
        u->update[i] = u->nesterov ? grad + keep * u->moment[i] : u->moment[i];
    }
}

static void move(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    for (size_t i = begin; i < end; i++)
        u->w[i] = u->w[i] * u->scale - u->lr * u->update[i];
}

void muon_update(struct muon *m, struct tensor *t, float *moment,
                 const struct muon_step *step)
{
    const struct device *dev = m->dev;
    const size_t all = tensor_elements(t);
    struct update u = { t->data, moment,           m->update,
                        t->grad, step->grad_scale, step->momentum,
                        1,       step->lr,         step->nesterov };
    threads_for(dev, all, 1, add_momentum, &u);
    muon_orthogonalise(dev, m->update, t->shape[0], (int)columns(t), step->iterations,
                       m->work);
    const double size = norm(dev, u.w, all, m->work);
    u.scale = size > 0 ? (float)(sqrt((double)t->shape[0]) / size) : 1;
    threads_for(dev, all, 1, move, &u);
}
