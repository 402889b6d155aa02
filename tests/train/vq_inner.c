/* vq_inner.c -- the classifier behind a theta: order and scales of its weights against
 * PyTorch, what tuning it pulls theta to, and a checkpoint that is cut while open. */
#include <string.h>
#include <unistd.h>

#include "tiny_set.h"
#include "vq/vq_file.h"
#include "vq/vq_inner.h"

enum {
    SIZE = 60106,
    IMAGES = 4,
};

static float theta[SIZE], delta[SIZE], again[SIZE];

static struct vq_config config_of(const char *const *args, int count)
{
    struct vq_config cfg;
    struct sluice_error err;
    REQUIRE(vq_config_read(&cfg, NULL, NULL, args, count, false, &err) == 0, "%s",
            err.message);
    return cfg;
}

static struct vq_inner *open_inner(struct device *dev, const struct vq_config *cfg)
{
    struct sluice_error err;
    struct vq_inner *in;
    REQUIRE(vq_inner_open(&in, dev, 16, cfg, &err) == 0, "%s", err.message);
    CHECK(vq_inner_size(in) == SIZE, "%zu weights", vq_inner_size(in));
    return in;
}

/* The numbers are PyTorch's, in double, of the same network with weights sigma theta:
 * loss, norm of g / sigma, and its sum with cosines. */
static void check_torch(struct device *dev)
{
    const double loss = 2.30974733, norm = 75.1511598, sum = 242.773616;
    static const double sigma[] = { 1. / 3,      0.176776695,  0.0589255651,
                                    0.176776695, 0.0252538136, 0.176776695,
                                    0.176776695, 0.316227766 };
    const struct vq_config cfg = config_of(NULL, 0);
    struct vq_inner *in = open_inner(dev, &cfg);
    struct net *net = vq_inner_net(in);
    struct sluice_error err;
    int64_t labels[IMAGES];
    double square = 0, cosines = 0;
    size_t at = 0;
    for (int i = 0; i < SIZE; i++)
        theta[i] = (float)(0.9 * sin(0.37 * i + 0.1 * (i % 7)));
    for (int n = 0; n < IMAGES; n++)
        labels[n] = n * 3 % 10;
    vq_inner_load(in, theta);
    REQUIRE(net_resize(net, IMAGES, &err) == 0, "%s", err.message);
    for (int i = 0; i < IMAGES * 28 * 28; i++)
        ((float *)net_input(net)->data)[i] = (float)cos(0.11 * i);
    struct pass pass = { .training = true, .labels = labels, .label_stride = 1 };
    REQUIRE(net_forward(net, &pass, &err) == 0 && net_backward(net, &pass, &err) == 0,
            "%s", err.message);
    CHECK(near(pass.loss, loss, 1e-6, 1e-6), "loss %.9g, not %.9g", pass.loss, loss);
    for (int i = 0; i < net_param_count(net); i++) {
        const struct tensor *t = net_param(net, i);
        const float *g = t->grad;
        for (size_t k = 0; k < tensor_elements(t); k++, at++) {
            const double far = (double)g[k] / sigma[i];
            square += far * far;
            cosines += far * cos(0.01 * (double)at);
        }
    }
    CHECK(near(sqrt(square), norm, 0, 1e-5), "norm %.9g, not %.9g", sqrt(square), norm);
    CHECK(near(cosines, sum, 1e-4, 1e-5), "sum %.9g, not %.9g", cosines, sum);
    vq_inner_read(in, again);
    for (int i = 0; i < SIZE; i++)
        CHECK(near((double)again[i], (double)theta[i], 1e-9, 2e-7),
              "theta %d read back: %g, not %g", i, (double)again[i], (double)theta[i]);
    vq_inner_close(in);
}

/* The closed form, and the steps carried out, on the same batch. */
static void check_pull(struct device *dev, const struct vq_config *base)
{
    static const char *const slow[] = { "inner.lr=0.02", "inner.steps=1" };
    static const char *const many[] = { "inner.lr=0.02", "inner.steps=3",
                                        "inner.momentum=0.5" };
    static const char *const adam[] = { "inner.lr=0.001", "inner.optimizer=adam" };
    const struct {
        const char *const *args;
        int count;
    } runs[] = { { slow, 2 }, { many, 3 }, { adam, 2 } };
    struct vq_pull first = { 0 };
    for (int i = 0; i < 3; i++) {
        struct vq_config cfg = config_of(runs[i].args, runs[i].count);
        struct vq_data data = { 0 };
        struct vq_pull pull;
        struct sluice_error err;
        memcpy(cfg.train, base->train, sizeof cfg.train);
        memcpy(cfg.test, base->test, sizeof cfg.test);
        cfg.batch_size = 16;
        REQUIRE(vq_data_open(&data, &cfg, false, &err) == 0, "%s", err.message);
        struct vq_inner *in = open_inner(dev, &cfg);
        REQUIRE(vq_inner_pull(in, theta, &data.train, 4, delta, &pull, &err) == 0, "%s",
                err.message);
        /* The loss's gradient is -2/4 of the way that theta went. */
        double square = 0, steps = 0, of = 0;
        for (int k = 0; k < SIZE; k++)
            square += (double)delta[k] * (double)delta[k];
        CHECK(near(4 * square, pull.distance, 0, 1e-5), "run %d: %g, not %g", i,
              4 * square, pull.distance);
        CHECK(data.train.taken == (uint64_t)cfg.inner.steps, "run %d: %d batches", i,
              (int)data.train.taken);
        if (i == 0)
            first = pull;
        CHECK(near(pull.loss, first.loss, 0, 1e-6), "run %d: the loss before", i);
        if (i == 1)
            CHECK(pull.distance > 2 * first.distance &&
                      pull.distance < 40 * first.distance,
                  "three steps go %g, one %g", pull.distance, first.distance);
        /* Adam's first step is lr for any gradient that is not tiny. */
        vq_inner_read(in, again);
        for (int k = 0; k < SIZE && i == 2; k++) {
            const double moved = fabs((double)again[k] - (double)theta[k]);
            if (k >= 320 && moved > 0) {
                steps += moved * (k < 320 + 9216 ? 0.0589255651 : 0);
                of += k < 320 + 9216;
            }
        }
        if (i == 2)
            CHECK(near(steps / of, 0.001, 0, 0.02), "adam goes %g", steps / of);
        vq_inner_close(in);
        vq_data_close(&data);
    }
}

/* Carried out by hand: w - lr g on the next batch is where the closed form points. */
static void check_closed(struct device *dev, const struct vq_config *cfg)
{
    struct vq_data data = { 0 };
    struct vq_pull pull;
    struct sluice_error err;
    struct vq_inner *in = open_inner(dev, cfg);
    REQUIRE(vq_data_open(&data, cfg, false, &err) == 0, "%s", err.message);
    REQUIRE(vq_inner_pull(in, theta, &data.train, 4, delta, &pull, &err) == 0, "%s",
            err.message);
    for (int i = 0; i < net_param_count(vq_inner_net(in)); i++) {
        const struct tensor *t = net_param(vq_inner_net(in), i);
        for (size_t k = 0; k < tensor_elements(t); k++)
            ((float *)t->data)[k] -= (float)cfg->inner.lr * ((const float *)t->grad)[k];
    }
    vq_inner_read(in, again);
    for (int k = 0; k < SIZE; k++)
        CHECK(near((double)delta[k], -0.5 * ((double)again[k] - (double)theta[k]), 2e-7,
                   1e-3),
              "delta %d: %g, not %g", k, (double)delta[k],
              -0.5 * ((double)again[k] - (double)theta[k]));
    vq_inner_close(in);
    vq_data_close(&data);
}

/* data.limit: as many samples, each once an epoch, the same whenever it is opened; a
 * stream that is taken up stands where it stood. */
static void check_data(const struct vq_config *base)
{
    struct vq_config cfg = *base;
    struct vq_data data[2] = { 0 };
    const struct sluice_batch *a, *b;
    struct sluice_error err;
    int seen[64] = { 0 }, distinct = 0;
    cfg.limit = 21;
    cfg.batch_size = 8;
    for (int i = 0; i < 2; i++)
        REQUIRE(vq_data_open(&data[i], &cfg, false, &err) == 0, "%s", err.message);
    data[1].train.taken = 4;
    for (int i = 0; i < 6; i++) {
        REQUIRE(vq_feed_next(&data[0].train, &a, &err) == 0, "%s", err.message);
        for (int k = 0; k < a->count; k++)
            seen[a->ids[k]]++;
        if (i >= 4) {
            REQUIRE(vq_feed_next(&data[1].train, &b, &err) == 0, "%s", err.message);
            bool same = a->count == b->count;
            for (int k = 0; k < a->count && same; k++)
                same = a->ids[k] == b->ids[k];
            CHECK(same, "batch %d is another one", i);
            vq_feed_release(&data[1].train, b);
        }
        vq_feed_release(&data[0].train, a);
    }
    for (int i = 0; i < 64; i++) {
        distinct += seen[i] > 0;
        CHECK(seen[i] == 0 || seen[i] == 2, "sample %d: %d times in 2 epochs", i,
              seen[i]);
    }
    CHECK(distinct == 21, "%d samples", distinct);
    for (int i = 0; i < 2; i++)
        vq_data_close(&data[i]);
}

static void check_refusals(const struct vq_config *base, const char *wrong_shape)
{
    struct vq_config cfg = *base;
    struct vq_data data = { 0 };
    struct sluice_error err;
    snprintf(cfg.train, sizeof cfg.train, "%s", wrong_shape);
    CHECK(vq_data_open(&data, &cfg, false, &err) == SLUICE_EINVAL &&
              strstr(err.message, "expected images of 28x28x1, found 12x12x1"),
          "%s", err.message);
    vq_data_close(&data);
    cfg.train[0] = 0;
    CHECK(vq_data_open(&data, &cfg, false, &err) == SLUICE_EINVAL &&
              strstr(err.message, "data.train: no file named"),
          "%s", err.message);
    vq_data_close(&data);
}

/* An open checkpoint is read: what becomes of the file afterwards does not matter. */
static void check_cut_file(void)
{
    const struct refiner_options options = {
        { 3, 2, 500, 2, 7000, false }, 1, 0, true, REFINE_DIRECT, false
    };
    const struct checkpoint_meta meta = { .model = VQ_MODEL, .step = 5 };
    struct sluice_error err;
    struct refiner *a, *b;
    struct vq_file file;
    char path[64];
    snprintf(path, sizeof path, "vq-%ld.safetensors", (long)getpid());
    REQUIRE(refiner_open(&a, &options, NULL, 1, &err) == 0 &&
                refiner_open(&b, &options, NULL, 1, &err) == 0,
            "%s", err.message);
    refiner_init(a, 1);
    REQUIRE(vq_file_save(path, a, &meta, &err) == 0, "%s", err.message);
    REQUIRE(vq_file_open(&file, path, &err) == 0, "%s", err.message);
    REQUIRE(truncate(path, 100) == 0, "%s", path);
    CHECK(vq_file_load(&file, path, b, &err) == 0, "%s", err.message);
    CHECK(memcmp(refiner_values(a), refiner_values(b),
                 refine_count(&options.shape) * sizeof(float)) == 0,
          "other numbers");
    vq_file_close(&file);
    CHECK(vq_file_open(&file, path, &err) == SLUICE_ECORRUPT, "%s", err.message);
    unlink(path);
    refiner_close(a);
    refiner_close(b);
}

int main(void)
{
    char train[] = "/tmp/vq_inner_XXXXXX", small[64];
    struct sluice_error err;
    struct device *dev;
    REQUIRE(mkdtemp(train), "no folder");
    struct vq_config cfg = config_of(NULL, 0);
    snprintf(cfg.train, sizeof cfg.train, "%s/train.sluice", train);
    snprintf(cfg.test, sizeof cfg.test, "%s/train.sluice", train);
    snprintf(small, sizeof small, "%s/small.sluice", train);
    cfg.batch_size = 16;
    tiny_set_write(cfg.train, &(struct tiny_set){ 48, 28, 1, 9, 0, false, 1 });
    tiny_set_write(small, &(struct tiny_set){ 8, 12, 1, 4, 0, false, 1 });
    REQUIRE(device_open(&dev, "ref", "f32", 1, &err) == 0, "%s", err.message);
    check_torch(dev);
    check_pull(dev, &cfg);
    check_closed(dev, &cfg);
    check_data(&cfg);
    check_refusals(&cfg, small);
    device_close(dev);
    unlink(cfg.train);
    unlink(small);
    rmdir(train);
    check_cut_file();
    return check_done();
}
