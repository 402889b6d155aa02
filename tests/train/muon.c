/* muon.c -- Muon against a plain reading of its formulas in double: the iterations for
 * matrices of all proportions, and whole steps of an optimizer over a network. */
#include "muon.h"
#include "models/whitening.h"
#include "net_rig.h"

enum {
    STEPS = 3,
};

static double *doubles(size_t n)
{
    double *p = calloc(n, sizeof *p);
    REQUIRE(p, "no memory");
    return p;
}

static double norm_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* c (m, n) += scale a (m, k) b (k, n) */
static void add_product(double *c, const double *a, const double *b, int m, int n,
                        int k, double scale)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            for (int l = 0; l < k; l++)
                c[i * n + j] += scale * a[i * k + l] * b[l * n + j];
}

/* Always with A = X X^T, however tall X is. */
static void orthogonalise(double *x, int rows, int cols, int iterations)
{
    const size_t all = (size_t)rows * (size_t)cols;
    const size_t square = (size_t)rows * (size_t)rows;
    double *turned = doubles(all), *gram = doubles(square), *poly = doubles(square);
    double *next = doubles(all);
    const double size = norm_of(x, all) + 1e-7;
    for (size_t i = 0; i < all; i++)
        x[i] /= size;
    for (int k = 0; k < iterations; k++) {
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < cols; j++)
                turned[j * rows + i] = x[i * cols + j];
        memset(gram, 0, square * sizeof *gram);
        add_product(gram, x, turned, rows, rows, cols, 1);
        for (size_t i = 0; i < square; i++)
            poly[i] = -4.7750 * gram[i];
        add_product(poly, gram, gram, rows, rows, rows, 2.0315);
        for (size_t i = 0; i < all; i++)
            next[i] = 3.4445 * x[i];
        add_product(next, poly, x, rows, cols, rows, 1);
        memcpy(x, next, all * sizeof *x);
    }
    free(turned);
    free(gram);
    free(poly);
    free(next);
}

static void matrices(struct device *dev, double tolerance)
{
    static const int sizes[][2] = { { 8, 27 },  { 30, 9 },  { 16, 16 },
                                    { 1, 20 },  { 20, 1 },  { 1, 1 },
                                    { 64, 90 }, { 70, 33 }, { 50, 350 } };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int iterations = 1; iterations <= 5; iterations += 2) {
            const int rows = sizes[s][0], cols = sizes[s][1];
            const size_t all = (size_t)rows * (size_t)cols;
            double *want = doubles(all);
            float *x = malloc(all * sizeof *x);
            float *work = aligned_alloc(64, muon_work(dev, rows, cols) * sizeof *work);
            REQUIRE(x && work, "no memory");
            struct sluice_rng rng = sluice_rng_at(8, s, 0);
            for (size_t i = 0; i < all; i++)
                want[i] = (double)(x[i] = 3 * sluice_rng_unit(&rng) - 1);
            orthogonalise(want, rows, cols, iterations);
            muon_orthogonalise(dev, x, rows, cols, iterations, work);
            double worst = 0;
            for (size_t i = 0; i < all; i++)
                worst = fmax(worst, fabs((double)x[i] - want[i]));
            CHECK(worst < tolerance, "%dx%d, %d iterations: off by %g", rows, cols,
                  iterations, worst);
            free(want);
            free(x);
            free(work);
        }
}

/* Five iterations bring all singular values near 1, also those that were small. */
static void singular_values(struct device *dev)
{
    enum { ROWS = 10, COLS = 45 };
    float x[ROWS * COLS];
    float *work = aligned_alloc(64, muon_work(dev, ROWS, COLS) * sizeof *work);
    double gram[WHITENING_MAX][WHITENING_MAX], values[WHITENING_MAX];
    static double vectors[WHITENING_MAX][WHITENING_MAX];
    struct sluice_rng rng = sluice_rng_at(9, 0, 0);
    REQUIRE(work, "no memory");
    for (int i = 0; i < ROWS * COLS; i++)
        x[i] = sluice_rng_unit(&rng) - 0.5F;
    for (int i = COLS; i < ROWS * COLS; i++)
        x[i] *= 0.2F;
    muon_orthogonalise(dev, x, ROWS, COLS, 5, work);
    free(work);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < ROWS; j++) {
            gram[i][j] = 0;
            for (int k = 0; k < COLS; k++)
                gram[i][j] += (double)x[i * COLS + k] * (double)x[j * COLS + k];
        }
    jacobi_eigen(ROWS, gram, values, vectors);
    for (int i = 0; i < ROWS; i++)
        CHECK(sqrt(values[i]) > 0.6 && sqrt(values[i]) < 1.3, "singular value %d is %g",
              i, sqrt(values[i]));
}

/* One parameter in double. */
struct followed {
    double *w, *moment;
};

static void follow(struct followed *f, const struct tensor *t,
                   const struct optim_config *c, double ratio, double grad_scale)
{
    const size_t all = tensor_elements(t);
    const float *g = t->grad;
    const bool filter = t->rank == 4;
    const double keep = filter ? c->muon_momentum : c->momentum;
    const double decay = filter ? 0 : c->weight_decay * (double)t->decay_scale;
    const double lr = (filter ? c->muon_lr : c->lr) * ratio * (double)t->lr_scale;
    double *update = doubles(all);
    for (size_t i = 0; i < all; i++) {
        const double grad = (double)g[i] * grad_scale + decay * f->w[i];
        f->moment[i] = keep * f->moment[i] + grad;
        update[i] = c->nesterov ? grad + keep * f->moment[i] : f->moment[i];
    }
    if (filter) {
        const double size = norm_of(f->w, all);
        orthogonalise(update, t->shape[0], (int)(all / (size_t)t->shape[0]),
                      c->muon_iterations);
        for (size_t i = 0; i < all; i++)
            f->w[i] *= sqrt((double)t->shape[0]) / size;
    }
    for (size_t i = 0; i < all; i++)
        f->w[i] -= lr * update[i];
    free(update);
}

static double set_gradients(struct net *net, int step)
{
    double sum = 0;
    for (int i = 0; i < net_param_count(net); i++) {
        struct tensor *t = net_param(net, i), fake = *t;
        fake.data = t->grad;
        if (!t->grad)
            continue;
        init_normal(&fake, 98, 1000 * (uint64_t)step + (uint64_t)i, 0.1);
        for (size_t k = 0; t->trainable && k < tensor_elements(t); k++)
            sum += pow((double)((float *)t->grad)[k], 2);
    }
    return sqrt(sum);
}

static void steps(const char *device, const struct optim_config *config,
                  double tolerance)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, device);
    model_defaults(model_find("resnet9"), &options);
    rig_set("resnet9", &options, "width",
            0.1875); /* filters of more than one stretch */
    rig_model(&r, "resnet9", &(struct net_input){ 1, 21, 21, 3 }, &options);
    net_param(r.net, 0)->lr_scale = 3;
    net_param(r.net, 2)->decay_scale = 0.5F;
    net_param(r.net, 3)->trainable = false;
    REQUIRE(optim_create(&r.opt, r.net, config, &r.err) == 0, "%s", r.err.message);
    const int params = net_param_count(r.net);
    struct followed *f = calloc((size_t)params, sizeof *f);
    REQUIRE(f, "no memory");
    for (int i = 0; i < params; i++) {
        const struct tensor *t = net_param(r.net, i);
        f[i].w = doubles(tensor_elements(t));
        f[i].moment = doubles(tensor_elements(t));
        for (size_t k = 0; k < tensor_elements(t); k++)
            f[i].w[k] = (double)((float *)t->data)[k];
    }
    for (int step = 0; step < STEPS; step++) {
        const double ratio = 1 - 0.2 * step, norm = set_gradients(r.net, step);
        const double clip =
            config->clip > 0 ? fmin(1, config->clip / (norm + 1e-6)) : 1;
        for (int i = 0; i < params; i++)
            if (net_param(r.net, i)->trainable)
                follow(&f[i], net_param(r.net, i), config, ratio, clip);
        optim_step(r.opt, config->lr * ratio, -1);
    }
    for (int i = 0; i < params; i++) {
        const struct tensor *t = net_param(r.net, i);
        double worst = 0;
        for (size_t k = 0; k < tensor_elements(t); k++)
            worst = fmax(worst, fabs((double)((float *)t->data)[k] - f[i].w[k]));
        CHECK(worst < tolerance, "%s, %s: off by %g", device, t->name, worst);
        free(f[i].w);
        free(f[i].moment);
    }
    free(f);
    rig_close(&r);
}

static void refusals(void)
{
    struct rig r;
    struct optim *opt;
    rig_open(&r, "ref", "muon");
    CHECK(strcmp(optim_state(r.opt, 0)->name, "muon.momentum.conv1.weight") == 0,
          "state is named %s", optim_state(r.opt, 0)->name);
    struct optim_config c = { .name = "muon", .muon_lr = 0.1, .muon_iterations = 3 };
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL && !opt,
          "no base rate to compare with");
    c.lr = 1;
    c.muon_iterations = 0;
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL && !opt,
          "no iterations");
    rig_close(&r);
}

/* The products' factors are rounded to 8 bits in bf16. */
static void on_device(const char *device, const char *precision)
{
    struct device *dev;
    struct sluice_error err;
    const int rc = device_open(&dev, device, precision, 2, &err);
    if (rc == SLUICE_EUNBUILT)
        return;
    REQUIRE(rc == 0, "%s", err.message);
    const bool exact = dev->compute == SLUICE_F32;
    matrices(dev, exact ? 1e-5 : 0.05);
    singular_values(dev);
    device_close(dev);
    const struct optim_config plain = { .name = "muon",
                                        .lr = 0.5,
                                        .momentum = 0.85,
                                        .nesterov = true,
                                        .weight_decay = 0.01,
                                        .muon_lr = 0.24,
                                        .muon_momentum = 0.6,
                                        .muon_iterations = 3 };
    struct optim_config clipped = plain;
    clipped.clip = 1;
    clipped.nesterov = false;
    clipped.muon_iterations = 5;
    char name[16];
    snprintf(name, sizeof name, "%s-%s", device, precision);
    steps(name, &plain, exact ? 2e-5 : 0.03);
    steps(name, &clipped, exact ? 2e-5 : 0.03);
}

int main(void)
{
    on_device("ref", "f32");
    on_device("cpu", "f32");
    on_device("cpu", "bf16");
    refusals();
    return check_done();
}
