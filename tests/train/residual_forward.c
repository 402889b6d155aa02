/* residual_forward.c -- the residual networks' probabilities against a second reading
 * of their publications: plain loops over channels first, in double, that know nothing
 * of operators and find the parameters by PyTorch's names. */
#include "net_rig.h"

struct map {
    int n, c, h, w;
    double *at; /* (n, c, h, w) */
};

struct shape {
    const char *model;
    struct net_input input;
    int blocks[4];
    int channels, bottleneck, imagenet, se, skips;
    double drop; /* all branches times 1 - p */
};

static const struct shape shapes[] = {
    { "se_resnet", { 3, 9, 9, 3 }, { 2, 2, 2, 2 }, 5, 0, 0, 2, 0, 0 },
    { "stochastic_depth", { 2, 8, 8, 3 }, { 2, 2, 2, 2 }, 4, 0, 0, 0, 0, 0.5 },
    { "resnet_medium", { 2, 10, 10, 3 }, { 3, 3, 3, 3 }, 3, 0, 0, 0, 1, 0 },
    { "resnet18", { 2, 35, 35, 3 }, { 2, 2, 2, 2 }, 3, 0, 1, 0, 0, 0 },
    { "resnet34", { 2, 8, 8, 1 }, { 3, 4, 6, 3 }, 2, 0, 0, 1, 0, 0.3 },
    { "resnet50", { 2, 16, 16, 3 }, { 3, 4, 6, 3 }, 2, 1, 1, 4, 1, 0 },
};

static struct rig *rig;

static const float *values(const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (int i = 0; i < net_param_count(rig->net); i++)
        if (strcmp(net_param(rig->net, i)->name, full) == 0)
            return net_param(rig->net, i)->data;
    for (int i = 0; i < net_buffer_count(rig->net); i++)
        if (strcmp(net_buffer(rig->net, i)->name, full) == 0)
            return net_buffer(rig->net, i)->data;
    REQUIRE(0, "no tensor %s", full);
    return NULL;
}

static size_t elements(const struct map *m)
{
    return (size_t)m->n * (size_t)m->c * (size_t)m->h * (size_t)m->w;
}

static struct map map_of(int n, int c, int h, int w)
{
    struct map m = { n, c, h, w, NULL };
    m.at = calloc(elements(&m), sizeof(double));
    REQUIRE(m.at, "no memory");
    return m;
}

static double *pixel(const struct map *m, int n, int c, int y, int x)
{
    return &m->at[((n * m->c + c) * m->h + y) * m->w + x];
}

/* Every function takes its input's memory over. */
static struct map conv(struct map x, const char *name, int out, int k, int stride)
{
    const int pad = k / 2, h = (x.h + 2 * pad - k) / stride + 1;
    const int w = (x.w + 2 * pad - k) / stride + 1;
    const float *weight = values(name, ".weight");
    struct map y = map_of(x.n, out, h, w);
    for (int n = 0; n < x.n; n++)
        for (int o = 0; o < out; o++)
            for (int i = 0; i < h * w; i++)
                for (int j = 0; j < x.c * k * k; j++) {
                    const int sy = i / w * stride - pad + j / k % k;
                    const int sx = i % w * stride - pad + j % k;
                    if (sy >= 0 && sy < x.h && sx >= 0 && sx < x.w)
                        *pixel(&y, n, o, i / w, i % w) +=
                            *pixel(&x, n, j / (k * k), sy, sx) *
                            (double)weight[o * x.c * k * k + j];
                }
    free(x.at);
    return y;
}

static struct map norm(struct map x, const char *name)
{
    const float *weight = values(name, ".weight"), *bias = values(name, ".bias");
    const float *mean = values(name, ".running_mean");
    const float *var = values(name, ".running_var");
    for (int i = 0; i < x.n * x.c * x.h * x.w; i++) {
        const int c = i / (x.h * x.w) % x.c;
        x.at[i] = (x.at[i] - (double)mean[c]) / sqrt((double)var[c] + 1e-5) *
                      (double)weight[c] +
                  (double)bias[c];
    }
    return x;
}

static struct map relu(struct map x)
{
    for (int i = 0; i < x.n * x.c * x.h * x.w; i++)
        x.at[i] = x.at[i] > 0 ? x.at[i] : 0;
    return x;
}

static struct map copy(struct map x)
{
    struct map y = map_of(x.n, x.c, x.h, x.w);
    memcpy(y.at, x.at, elements(&x) * sizeof(double));
    return y;
}

static struct map sum(struct map a, struct map b, double share)
{
    REQUIRE(a.c == b.c && a.h == b.h && a.w == b.w, "%dx%dx%d and %dx%dx%d", a.c, a.h,
            a.w, b.c, b.h, b.w);
    for (int i = 0; i < a.n * a.c * a.h * a.w; i++)
        a.at[i] += share * b.at[i];
    free(b.at);
    return a;
}

static struct map mean(struct map x)
{
    struct map y = map_of(x.n, x.c, 1, 1);
    for (int i = 0; i < x.n * x.c * x.h * x.w; i++)
        y.at[i / (x.h * x.w)] += x.at[i] / (x.h * x.w);
    free(x.at);
    return y;
}

static struct map maxpool(struct map x)
{
    struct map y = map_of(x.n, x.c, (x.h - 1) / 2 + 1, (x.w - 1) / 2 + 1);
    for (int i = 0; i < y.n * y.c * y.h * y.w; i++) {
        const int ox = i % y.w, oy = i / y.w % y.h, plane = i / (y.h * y.w);
        y.at[i] = -1e30;
        for (int sy = 2 * oy - 1; sy <= 2 * oy + 1; sy++)
            for (int sx = 2 * ox - 1; sx <= 2 * ox + 1; sx++)
                if (sy >= 0 && sy < x.h && sx >= 0 && sx < x.w)
                    y.at[i] = fmax(y.at[i], x.at[(plane * x.h + sy) * x.w + sx]);
    }
    free(x.at);
    return y;
}

static struct map excite(struct map x, const char *block, int reduction)
{
    char first[96], second[96];
    snprintf(first, sizeof first, "%s.se.fc.0", block);
    snprintf(second, sizeof second, "%s.se.fc.2", block);
    const int hidden = x.c > reduction ? x.c / reduction : 1;
    struct map f = relu(conv(mean(copy(x)), first, hidden, 1, 1));
    f = conv(f, second, x.c, 1, 1);
    for (int i = 0; i < x.n * x.c * x.h * x.w; i++)
        x.at[i] /= 1 + exp(-f.at[i / (x.h * x.w)]);
    free(f.at);
    return x;
}

static struct map unit(struct map x, const char *block, int number, int out, int k,
                       int stride)
{
    char name[96];
    snprintf(name, sizeof name, "%s.conv%d", block, number);
    x = conv(x, name, out, k, stride);
    snprintf(name, sizeof name, "%s.bn%d", block, number);
    return norm(x, name);
}

static struct map block(const struct shape *s, struct map x, const char *name,
                        int channels, int stride, double share)
{
    char part[96];
    const int out = s->bottleneck ? 4 * channels : channels;
    struct map y = copy(x);
    if (s->bottleneck) {
        y = relu(unit(y, name, 1, channels, 1, 1));
        y = relu(unit(y, name, 2, channels, 3, stride));
        y = unit(y, name, 3, out, 1, 1);
    } else {
        y = relu(unit(y, name, 1, channels, 3, stride));
        y = unit(y, name, 2, channels, 3, 1);
    }
    if (s->se)
        y = excite(y, name, s->se);
    if (stride > 1 || x.c != out) {
        snprintf(part, sizeof part, "%s.downsample.0", name);
        x = conv(x, part, out, 1, stride);
        snprintf(part, sizeof part, "%s.downsample.1", name);
        x = norm(x, part);
    }
    return relu(sum(x, y, share));
}

static struct map stages(const struct shape *s, struct map x)
{
    const int all = s->blocks[0] + s->blocks[1] + s->blocks[2] + s->blocks[3];
    for (int k = 0, number = 0; k < 4; k++) {
        struct map around = copy(x);
        char name[64];
        for (int i = 0; i < s->blocks[k]; i++, number++) {
            snprintf(name, sizeof name, "layer%d.%d", k + 1, i);
            x = block(s, x, name, s->channels << k, k && !i ? 2 : 1,
                      1 - s->drop * number / (all - 1));
        }
        if (!s->skips || !k) {
            free(around.at);
            continue;
        }
        snprintf(name, sizeof name, "skip%d.0", k);
        around = conv(around, name, x.c, 1, 2);
        snprintf(name, sizeof name, "skip%d.1", k);
        x = sum(x, norm(around, name), 1);
    }
    return x;
}

/* Logits (n, 10) of the network's input. */
static struct map logits(const struct shape *s)
{
    const struct tensor *in = net_input(rig->net);
    struct map x = map_of(in->shape[0], in->shape[3], in->shape[1], in->shape[2]);
    for (int i = 0; i < x.n * x.c * x.h * x.w; i++) {
        const int c = i % x.c, at = i / x.c;
        *pixel(&x, at / (x.h * x.w), c, at / x.w % x.h, at % x.w) =
            (double)((const float *)in->data)[i];
    }
    x = relu(
        norm(conv(x, "conv1", s->channels, s->imagenet ? 7 : 3, s->imagenet ? 2 : 1),
             "bn1"));
    x = mean(stages(s, s->imagenet ? maxpool(x) : x));
    x = conv(x, "fc", 10, 1, 1);
    for (int i = 0; i < x.n * 10; i++)
        x.at[i] += (double)values("fc", ".bias")[i % 10];
    return x;
}

/* Statistics and normalisations of all kinds, so that nothing cancels. */
static void disturb(void)
{
    struct sluice_rng rng = sluice_rng_at(5, 0, 0);
    for (int i = 0; i < net_param_count(rig->net); i++) {
        struct tensor *t = net_param(rig->net, i);
        for (size_t k = 0; t->rank == 1 && k < tensor_elements(t); k++)
            ((float *)t->data)[k] += sluice_rng_unit(&rng) - 0.5F;
    }
    for (int i = 0; i < net_buffer_count(rig->net); i++) {
        struct tensor *t = net_buffer(rig->net, i);
        for (size_t k = 0; k < tensor_elements(t); k++)
            ((float *)t->data)[k] = 0.25F + sluice_rng_unit(&rng);
    }
    net_params_changed(rig->net);
}

static void check_shape(const struct shape *s, const char *device)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, device);
    rig = &r;
    model_defaults(model_find(s->model), &options);
    rig_set(s->model, &options, "channels", s->channels);
    rig_set(s->model, &options, "stem", s->imagenet);
    rig_set(s->model, &options, "se_reduction", s->se);
    rig_set(s->model, &options, "long_skips", s->skips);
    rig_set(s->model, &options, "drop", s->drop);
    rig_model(&r, s->model, &s->input, &options);
    rig_batch(&r, 0);
    disturb();
    r.pass.training = false;
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    struct map z = logits(s);
    const float *p = net_probabilities(r.net)->data;
    for (int n = 0; n < z.n; n++) {
        double all = 0;
        for (int c = 0; c < 10; c++)
            all += exp(z.at[n * 10 + c]);
        for (int c = 0; c < 10; c++)
            CHECK(near((double)p[n * 10 + c], exp(z.at[n * 10 + c]) / all, 1e-5, 1e-3),
                  "%s on %s, image %d, class %d: %g, expected %g", s->model, device, n,
                  c, (double)p[n * 10 + c], exp(z.at[n * 10 + c]) / all);
    }
    free(z.at);
    rig_close(&r);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i], argc > 1 ? argv[1] : "ref");
    return check_done();
}
