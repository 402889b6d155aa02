/* measured.c -- what convolutions measure of their results as they write them, against
 * what batch normalisation finds there by itself: for maps, pooled maps and stretches
 * of pixels, batches and channels that fill no block, means far from zero, one thread
 * and several. Both see the same values, so little is allowed. */
#include "device_cpu.h"
#include "net_internal.h"
#include "net_rig.h"
#include "ops/conv_amx.h"
#include "ops/fusion.h"

static const struct shape {
    const char *name;
    int n, h, w, c, k, kernel, stride, pad;
    bool pooled;
} shapes[] = {
    { "3x3", 17, 7, 5, 20, 40, 3, 1, 1, false },
    { "3x3 stride 2", 33, 9, 8, 32, 64, 3, 2, 1, false },
    { "3x3 pooled", 18, 9, 7, 16, 33, 3, 1, 1, true },
    { "no pad", 16, 6, 6, 48, 16, 3, 1, 0, false },
    { "1x1", 19, 2, 3, 64, 72, 1, 1, 0, false },
    { "1x1 stretches", 16, 13, 12, 24, 40, 1, 1, 0, false },
};

static void open_net(struct rig *r, const struct shape *s, struct device *dev,
                     bool separate)
{
    const struct net_input input = { s->n, s->h, s->w, s->c };
    r->dev = dev;
    REQUIRE(net_create(&r->net, dev, &input, &r->err) == 0, "%s", r->err.message);
    struct tensor *x = net_conv2d(r->net, net_input(r->net), "conv", s->k, s->kernel,
                                  s->stride, s->pad, true);
    x = net_batchnorm(r->net, s->pooled ? net_maxpool(r->net, x, 2, 2) : x, "bn",
                      ACT_RELU);
    net_softmax_xent(r->net,
                     net_linear(r->net, net_globalavg(r->net, x), "fc", 10, true), 0);
    r->net->separate = separate;
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s", r->err.message);
    init_default(r->net, 5);
    float *bias = net_param(r->net, 1)->data;
    for (int i = 0; i < s->k; i++)
        bias[i] = (float)(i % 7 * 3);
    net_params_changed(r->net);
    x = net_input(r->net);
    for (size_t i = 0; i < tensor_elements(x); i++) {
        const float v = (float)(i * 7919 % 1021) / 510.5F - 1;
        if (x->dtype == SLUICE_BF16)
            ((uint16_t *)x->data)[i] = rig_bf16(v);
        else
            ((float *)x->data)[i] = v;
    }
    r->pass = (struct pass){
        .training = true, .seed = 3, .labels = r->labels, .label_stride = 1
    };
}

static void check_shape(const struct shape *s, struct device *dev)
{
    struct rig a = { 0 }, b = { 0 };
    open_net(&a, s, dev, false);
    open_net(&b, s, dev, true);
    REQUIRE(net_forward(a.net, &a.pass, &a.err) == 0, "%s", a.err.message);
    REQUIRE(net_forward(b.net, &b.pass, &b.err) == 0, "%s", b.err.message);
    const bool measured = conv2d_measures(net_op_at(a.net, 0));
    CHECK(measured == amx_usable(), "%s: measured: %d", s->name, measured);
    for (int i = 0; i < 2; i++) {
        const float *got = net_buffer(a.net, i)->data,
                    *want = net_buffer(b.net, i)->data;
        for (int k = 0; k < s->k; k++)
            CHECK(near((double)got[k], (double)want[k], 1e-6, 1e-5),
                  "%s, %d threads: %s of channel %d is %.9g, not %.9g", s->name,
                  dev->threads, net_buffer(a.net, i)->name, k, (double)got[k],
                  (double)want[k]);
    }
    net_free(a.net);
    net_free(b.net);
}

int main(void)
{
    for (int threads = 1; threads <= 3; threads += 2) {
        struct device *dev;
        struct sluice_error err = { 0 };
        const int rc = device_open(&dev, "cpu", "bf16", threads, &err);
        if (rc == SLUICE_EUNBUILT)
            SKIP("%s", err.message);
        REQUIRE(rc == 0, "%s", err.message);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check_shape(&shapes[i], dev);
        device_close(dev);
    }
    return check_done();
}
