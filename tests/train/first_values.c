/* first_values.c -- initialisations: bounds, mean, deviation, orthogonality, identity,
 * and that they are a function of (seed, number) alone. */
#include "net_rig.h"

struct moments {
    double mean, deviation, largest;
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

static void distributions(void)
{
    /* fan_in 9 * 40 = 360, fan_out 9 * 80 = 720; 28,800 values */
    const struct {
        enum init_kind kind;
        double deviation, bound; /* 0: none */
    } want[] = {
        { INIT_DEFAULT, 1 / sqrt(360.0) / sqrt(3.0), 1 / sqrt(360.0) },
        { INIT_KAIMING_IN, sqrt(2 / 360.0), 0 },
        { INIT_KAIMING_OUT, sqrt(2 / 720.0), 0 },
        { INIT_XAVIER_UNIFORM, sqrt(2 / 1080.0), sqrt(6 / 1080.0) },
        { INIT_XAVIER_NORMAL, sqrt(2 / 1080.0), 0 },
    };
    struct tensor t = filter(80, 40, 3);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const char *name = init_names[want[i].kind];
        init_weight(&t, 5, 17, want[i].kind);
        const struct moments m = measure(&t);
        /* Four standard errors of the mean; 2 % of the deviation is about as many. */
        CHECK(near(m.mean, 0, 4 * want[i].deviation / sqrt(28800.0), 0), "%s: mean %g",
              name, m.mean);
        CHECK(near(m.deviation, want[i].deviation, 0, 0.02), "%s: deviation %g, not %g",
              name, m.deviation, want[i].deviation);
        if (want[i].bound > 0)
            CHECK(m.largest <= want[i].bound * (1 + 1e-6) &&
                      m.largest > want[i].bound * 0.999,
                  "%s: reaches %g of %g", name, m.largest, want[i].bound);
        else
            CHECK(m.largest > 3.5 * m.deviation && m.largest < 6 * m.deviation,
                  "%s: largest %g is no normal tail", name, m.largest);
        CHECK(init_find(name) == (int)want[i].kind, "%s is not found", name);
    }
    CHECK(init_find("none") == -1, "an unknown name");
    free(t.data);
}

/* Rows of `rows` x `columns` values are orthonormal; transposed: columns are. */
static void orthogonal(int out, int in, int k)
{
    struct tensor t = filter(out, in, k);
    const int columns = in * k * k, flip = out > columns;
    const int count = flip ? columns : out, length = flip ? out : columns;
    const float *w;
    double worst = 0;
    init_weight(&t, 1, 2, INIT_ORTHOGONAL);
    w = t.data;
    for (int i = 0; i < count; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int c = 0; c < length; c++)
                sum += (double)w[flip ? c * columns + i : i * columns + c] *
                       (double)w[flip ? c * columns + j : j * columns + c];
            worst = fmax(worst, fabs(sum - (i == j)));
        }
    CHECK(worst < 1e-6, "%dx%dx%d: off by %g", out, in, k, worst);
    free(t.data);
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

static void whole_net(void)
{
    struct rig r;
    double options[16];
    rig_device(&r, "ref");
    rig_model(&r, "mnist_cnn", &(struct net_input){ 1, 28, 28, 1 }, (double[16]){ 0 });
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
    rig_options(model_find("cnn_small"), options);
    rig_model(&r, "cnn_small", &(struct net_input){ 1, 28, 28, 1 }, options);
    CHECK(*(float *)by_name(r.net, "bn2.weight")->data == 1 &&
              *(float *)by_name(r.net, "bn2.bias")->data == 0 &&
              *(float *)by_name(r.net, "bn2.running_mean")->data == 0 &&
              *(float *)by_name(r.net, "bn2.running_var")->data == 1,
          "batch norm");
    net_free(r.net);
    /* Convolutions by their outputs, the linear layer by its inputs. */
    rig_options(model_find("se_resnet"), options);
    rig_model(&r, "se_resnet", &(struct net_input){ 1, 32, 32, 3 }, options);
    const struct moments conv = measure(by_name(r.net, "layer3.0.conv1.weight"));
    const struct moments fc = measure(by_name(r.net, "fc.weight"));
    CHECK(near(conv.deviation, sqrt(2.0 / (9 * 128)), 0, 0.02), "conv: deviation %g",
          conv.deviation);
    CHECK(fc.largest <= 1.0 / 16 && fc.largest > 0.99 / 16, "fc reaches %g",
          fc.largest);
    net_free(r.net);
    device_close(r.dev);
}

int main(void)
{
    distributions();
    orthogonal(16, 8, 3);
    orthogonal(40, 2, 3);
    orthogonal(18, 2, 3);
    dirac(8, 4, 3);
    dirac(4, 8, 3);
    dirac(6, 6, 1);
    whole_net();
    return check_done();
}
