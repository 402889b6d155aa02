/* whitening.c -- eigenvectors are what they claim, whitened patches are uncorrelated
 * and of unit size, and airbench94's first layer computes just that. */
#include "models/whitening.h"
#include "net_rig.h"

enum {
    IMAGES = 40,
    SIDE = 12,
    CHANNELS = 3,
    PATCH = 2,
    D = CHANNELS * PATCH * PATCH,
};

static float images[IMAGES * SIDE * SIDE * CHANNELS];

/* Neighbours and channels hang together, as in photographs. */
static void make_images(void)
{
    struct sluice_rng rng = sluice_rng_at(4, 0, 0);
    for (int n = 0; n < IMAGES; n++)
        for (int i = 0; i < SIDE * SIDE * CHANNELS; i++) {
            float *at = images + n * SIDE * SIDE * CHANNELS + i;
            *at = sluice_rng_unit(&rng) - 0.3F;
            if (i >= CHANNELS)
                *at += 0.7F * at[-CHANNELS];
            if (i % CHANNELS)
                *at += 0.5F * at[-1];
        }
}

static void eigenvectors(void)
{
    static double a[WHITENING_MAX][WHITENING_MAX], copy[WHITENING_MAX][WHITENING_MAX];
    static double vectors[WHITENING_MAX][WHITENING_MAX];
    double values[WHITENING_MAX], worst = 0;
    struct sluice_rng rng = sluice_rng_at(9, 0, 0);
    for (int i = 0; i < 20; i++)
        for (int j = 0; j <= i; j++)
            a[i][j] = a[j][i] = copy[i][j] = copy[j][i] =
                (double)sluice_rng_unit(&rng) - 0.5;
    jacobi_eigen(20, copy, values, vectors);
    for (int v = 0; v < 20; v++)
        for (int i = 0; i < 20; i++) {
            double sum = -values[v] * vectors[v][i];
            for (int j = 0; j < 20; j++)
                sum += a[i][j] * vectors[v][j];
            worst = fmax(worst, fabs(sum));
        }
    CHECK(worst < 1e-13, "A v - lambda v is %g", worst);
    for (int v = 1; v < 20; v++)
        CHECK(values[v] <= values[v - 1], "value %d is larger", v);
}

/* Largest deviation of the responses' second moments from the identity; response k of
 * position p is at responses[p * stride + k]. */
static double from_identity(const float *responses, size_t positions, size_t stride)
{
    double worst = 0;
    for (int i = 0; i < D; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (size_t p = 0; p < positions; p++)
                sum += (double)responses[p * stride + (size_t)i] *
                       (double)responses[p * stride + (size_t)j];
            worst = fmax(worst, fabs(sum / (double)positions - (i == j)));
        }
    return worst;
}

static void network(void)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, "ref");
    model_defaults(model_find("airbench94"), &options);
    options.numbers[0] = 0.0625;
    rig_model(&r, "airbench94", &(struct net_input){ IMAGES, 25, 25, CHANNELS },
              &options);
    net_free(r.net);
    /* As large as the network needs, made of the small images' values. */
    const struct net_input input = { IMAGES, 25, 25, CHANNELS };
    static float large[IMAGES * 25 * 25 * CHANNELS];
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        large[i] = images[i % (sizeof images / sizeof *images)];
    rig_model(&r, "airbench94", &input, &options);
    REQUIRE(r.model->prepare(r.net, large, IMAGES, &r.err) == 0, "%s", r.err.message);
    memcpy(net_input(r.net)->data, large, sizeof large);
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    const struct tensor *y = net_op_at(r.net, 0)->out[0];
    const float *out = y->data;
    const size_t positions = tensor_elements(y) / (2 * D);
    CHECK(y->shape[3] == 2 * D, "%d filters", y->shape[3]);
    /* eps 5e-4 beside eigenvalues from 0.05 on. */
    CHECK(from_identity(out, positions, 2 * D) < 0.02, "off by %g",
          from_identity(out, positions, 2 * D));
    int bad = 0;
    for (size_t p = 0; p < positions; p++)
        for (size_t k = 0; k < D; k++)
            bad += !near((double)out[p * 2 * D + D + k], -(double)out[p * 2 * D + k],
                         1e-5, 1e-5);
    CHECK(bad == 0, "%d of the negatives differ", bad);
    CHECK(!net_op_at(r.net, 0)->param[0]->trainable, "the filters are trained");
    net_free(r.net);
    device_close(r.dev);
}

static void refusals(void)
{
    struct sluice_error err;
    float filters[D * D];
    CHECK(whitening_filters(images, 0, SIDE, SIDE, CHANNELS, PATCH, 0, filters, &err) ==
              SLUICE_EINVAL,
          "no images");
    images[5] = INFINITY;
    CHECK(whitening_filters(images, IMAGES, SIDE, SIDE, CHANNELS, PATCH, 0, filters,
                            &err) == SLUICE_EINVAL,
          "infinite pixels");
}

int main(void)
{
    make_images();
    eigenvectors();
    network();
    refusals();
    return check_done();
}
