/* first_values.c -- initialisations: bounds, mean, deviation, identity, and that they
 * are a function of the seed. */
#include "net_rig.h"

struct moments {
    double mean, deviation, largest;
    size_t count;
};

static struct moments measure(const struct tensor *t)
{
    struct moments m = { 0 };
    const float *w = t->data;
    const size_t n = tensor_elements(t);
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        m.mean += (double)w[i] / (double)n;
        squares += (double)w[i] * (double)w[i] / (double)n;
        m.largest = fmax(m.largest, fabs((double)w[i]));
    }
    m.count = n;
    m.deviation = sqrt(squares - m.mean * m.mean);
    return m;
}

static struct tensor filter(int out, int in, int k)
{
    struct tensor t = { .rank = 4, .shape = { out, in, k, k }, .dtype = SLUICE_F32 };
    t.data = calloc(tensor_elements(&t), sizeof(float));
    REQUIRE(t.data, "no memory");
    return t;
}

static void dirac(int out, int in, int k)
{
    struct tensor t = filter(out, in, k);
    const float *w = t.data;
    int bad = 0;
    init_constant(&t, 3);
    init_dirac(&t);
    for (int o = 0; o < out; o++)
        for (int i = 0; i < in; i++)
            for (int y = 0; y < k; y++)
                for (int x = 0; x < k; x++) {
                    const double hit = o == i && y == k / 2 && x == k / 2;
                    bad += !near((double)*w++, o < in ? hit : 3, 0, 0);
                }
    CHECK(bad == 0, "%dx%dx%d: %d values", out, in, k, bad);
    free(t.data);
}

static const struct tensor *by_name(struct net *net, const char *name)
{
    for (int i = 0; i < net_param_count(net); i++)
        if (strcmp(net_param(net, i)->name, name) == 0)
            return net_param(net, i);
    for (int i = 0; i < net_buffer_count(net); i++)
        if (strcmp(net_buffer(net, i)->name, name) == 0)
            return net_buffer(net, i);
    REQUIRE(0, "no tensor %s", name);
    return NULL;
}

/* Four standard errors, both of the mean and of a normal's deviation. */
static void check_moments(const struct moments *m, const char *name, double deviation)
{
    const double root = sqrt((double)m->count);
    CHECK(near(m->mean, 0, 4 * deviation / root, 0), "%s: mean %g", name, m->mean);
    CHECK(near(m->deviation, deviation, 0, 4 / sqrt(2) / root),
          "%s: deviation %g, not %g", name, m->deviation, deviation);
}

static void whole_net(void)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, "ref");
    rig_model(&r, "mnist_cnn", &(struct net_input){ 1, 28, 28, 1 },
              &(struct model_values){ 0 });
    const struct moments m = measure(by_name(r.net, "fc1.bias"));
    const double bound = 1 / sqrt(1568.0);
    CHECK(m.largest <= bound && m.largest > 0.8 * bound, "fc1.bias reaches %g of %g",
          m.largest, bound);
    const float first = *(float *)by_name(r.net, "conv2.weight")->data;
    r.model->init(r.net, 7);
    CHECK(*(float *)by_name(r.net, "conv2.weight")->data == first, "same seed");
    r.model->init(r.net, 8);
    CHECK(*(float *)by_name(r.net, "conv2.weight")->data != first, "another seed");
    net_free(r.net);
    model_defaults(model_find("cnn_small"), &options);
    rig_model(&r, "cnn_small", &(struct net_input){ 1, 28, 28, 1 }, &options);
    CHECK(*(float *)by_name(r.net, "bn2.weight")->data == 1 &&
              *(float *)by_name(r.net, "bn2.bias")->data == 0 &&
              *(float *)by_name(r.net, "bn2.running_mean")->data == 0 &&
              *(float *)by_name(r.net, "bn2.running_var")->data == 1,
          "batch norm");
    net_free(r.net);
    /* Convolutions by their outputs, the linear layer by its inputs. */
    model_defaults(model_find("se_resnet"), &options);
    rig_model(&r, "se_resnet", &(struct net_input){ 1, 32, 32, 3 }, &options);
    const double deviation = sqrt(2.0 / (9 * 128));
    const struct moments conv = measure(by_name(r.net, "layer3.0.conv1.weight"));
    check_moments(&conv, "layer3.0.conv1", deviation);
    CHECK(conv.largest > 3.5 * deviation && conv.largest < 6 * deviation,
          "largest %g is no normal tail", conv.largest);
    const struct moments fc = measure(by_name(r.net, "fc.weight"));
    check_moments(&fc, "fc", 1 / (16 * sqrt(3)));
    CHECK(fc.largest <= 1.0 / 16 && fc.largest > 0.99 / 16, "fc reaches %g",
          fc.largest);
    net_free(r.net);
    device_close(r.dev);
}

static enum init_scheme by_choice(const char *name)
{
    char names[] = INIT_SCHEME_NAMES, *rest = names, *item;
    int i = 0;
    while ((item = strsep(&rest, "|")) && strcmp(item, name) != 0)
        i++;
    REQUIRE(item, "no choice %s", name);
    return init_scheme_at(i);
}

/* torch.nn.init on a filter of fans 9 * 12 and 9 * 20 has these deviations and, for the
 * uniform ones, bounds of root 3 times as much. */
static void schemes(void)
{
    static const struct {
        enum init_scheme scheme;
        const char *name;
        double deviation;
        bool bounded;
    } all[] = {
        { INIT_DEFAULT, "default", 0.05555555555555555, true },
        { INIT_XAVIER_UNIFORM, "xavier", 0.08333333333333333, true },
        { INIT_XAVIER_NORMAL, "xavier_normal", 0.08333333333333333, false },
        { INIT_KAIMING_UNIFORM, "he_uniform", 0.1360827634879543, true },
        { INIT_KAIMING_NORMAL, "he_normal", 0.1360827634879543, false },
        { INIT_NORMAL, "normal", 0.01, false },
        { INIT_KAIMING_FAN_OUT, "kaiming_fan_out", 0.10540925533894598, false },
        { INIT_UNIFORM, "uniform", 0.005773502691896258, true },
    };
    struct tensor t = filter(20, 12, 3);
    CHECK(by_choice("orthogonal") == INIT_ORTHOGONAL, "orthogonal");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        init_weight(&t, all[i].scheme, 5, 9);
        const struct moments m = measure(&t);
        const double largest = m.largest / all[i].deviation;
        check_moments(&m, all[i].name, all[i].deviation);
        CHECK(all[i].bounded ? largest <= sqrt(3) && largest > 1.7
                             : largest > 2.5 && largest < 6,
              "%s: reaches %g deviations", all[i].name, largest);
        CHECK(by_choice(all[i].name) == all[i].scheme, "%s is %d", all[i].name,
              (int)by_choice(all[i].name));
    }
    free(t.data);
}

/* The smaller number of a weight's rows and columns is orthogonal, of length 1. */
static void orthogonal(int out, int in, int kernel)
{
    struct tensor t = filter(out, in, kernel);
    init_weight(&t, INIT_ORTHOGONAL, 5, 9);
    const size_t columns = (size_t)(in * kernel * kernel), rows = (size_t)out;
    const bool tall = rows > columns;
    const size_t count = tall ? columns : rows, length = tall ? rows : columns;
    const float *w = t.data;
    double worst = 0;
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = 0;
            for (size_t i = 0; i < length; i++)
                sum += tall ? (double)w[i * columns + a] * (double)w[i * columns + b]
                            : (double)w[a * columns + i] * (double)w[b * columns + i];
            worst = fmax(worst, fabs(sum - (a == b)));
        }
    CHECK(worst <= 1e-6, "%dx%dx%d: off by %g", out, in, kernel, worst);
    /* The first vector keeps its direction: there is nothing to take off. */
    const struct moments m = measure(&t);
    CHECK(near(m.deviation, sqrt((double)count / (double)(rows * columns)), 0, 0.01),
          "deviation %g", m.deviation);
    free(t.data);
}

/* What a tensor is marked with is what it begins with; biases as ever. */
static void marked(void)
{
    static const struct {
        const char *name;
        double deviation;
    } all[] = {
        { "default", 0.05555555555555555 },  { "kaiming_fan_out", 0.10540925533894598 },
        { "kaiming_fan_in", 0.13608276348 }, { "xavier_uniform", 0.083333333333333 },
        { "xavier_normal", 0.0833333333 },   { "normal", 0.25 },
        { "uniform", 0.14433756729740643 },  { "orthogonal", 0.09622504486493763 },
    };
    enum init_scheme scheme;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct tensor t = filter(20, 12, 3);
        CHECK(init_scheme_named(all[i].name, &scheme), "no %s", all[i].name);
        t.scheme_scale = 0.25F;
        init_weight(&t, scheme, 5, 9);
        const struct moments m = measure(&t);
        CHECK(near(m.deviation, all[i].deviation, 0, 0.05), "%s: deviation %g",
              all[i].name, m.deviation);
        free(t.data);
    }
    CHECK(!init_scheme_named("kaiming", &scheme) && !init_scheme_named("", &scheme),
          "a scheme without a name");
}

/* Both layers of every kind; normalisations stay as they were. */
static void whole_net_again(void)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, "ref");
    model_defaults(model_find("cnn_small"), &options);
    rig_model(&r, "cnn_small", &(struct net_input){ 1, 28, 28, 1 }, &options);
    const float before = *(float *)by_name(r.net, "fc.weight")->data;
    init_by_scheme(r.net, INIT_DEFAULT, 7);
    CHECK(*(float *)by_name(r.net, "fc.weight")->data == before, "default");
    init_by_scheme(r.net, INIT_NORMAL, 7);
    const struct moments conv = measure(by_name(r.net, "conv2.weight"));
    const struct moments fc = measure(by_name(r.net, "fc.weight"));
    check_moments(&conv, "conv2", 0.01);
    check_moments(&fc, "fc", 0.01);
    CHECK(measure(by_name(r.net, "fc.bias")).largest == 0 &&
              *(float *)by_name(r.net, "bn2.weight")->data == 1,
          "bias, batch norm");
    net_free(r.net);
    device_close(r.dev);
}

int main(void)
{
    dirac(8, 4, 3);
    dirac(4, 8, 3);
    dirac(6, 6, 1);
    whole_net();
    schemes();
    orthogonal(20, 12, 3);
    orthogonal(7, 7, 1);
    orthogonal(108, 4, 3);
    orthogonal(700, 600, 1);
    marked();
    whole_net_again();
    return check_done();
}
