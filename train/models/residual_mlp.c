/* residual_mlp.c -- fully connected layers, some of which add what an earlier one gave.
 * 784-128-64-10 in which the second layer adds the first one's output has 118,346
 * parameters.
 *
 *     x_0 = input                          source 0, as a vector
 *     y = dropout(linear_i(x_i))           source i + 1
 *     x_(i+1) = act(y)                     of a layer without a skip
 *     x_(i+1) = act(P(y) + source s)       of one with the skip i:s, project=branch
 *     x_(i+1) = act(y + P(source s))       project=skip
 *
 * for layers i = 0, 1, ..., then the output layer. P is a linear layer where widths
 * differ, and nothing where they do not: with project=branch a layer with a skip passes
 * on as many numbers as its source has. */
#include "../init.h"
#include "dense.h"

enum {
    SKIPS = DENSE_OPTIONS,
    PROJECT,
};

enum {
    BRANCH,
    SKIP,
};

static const struct model_option options[] = {
    DENSE_TABLE("128,64", "0"),
    [SKIPS] = { "skips", .text = "1:1",
                .help = "layer:source, ...: what layers add: "
                        "source 0 is the input, source n the "
                        "n-th layer's output" },
    [PROJECT] = { "project", BRANCH, 0, 1,
                  "which of two widths that differ gets a linear layer",
                  "branch|skip" },
    { 0 },
};

/* A network being built. */
struct build {
    struct net *net;
    struct dense list;
    int source[DENSE_MAX];          /* -1: no skip */
    struct tensor *taps[DENSE_MAX]; /* what each layer will add */
    bool on_skip;
};

/* Keep x as source s for all layers that add it; what goes on. */
static struct tensor *remember(struct build *b, struct tensor *x, int s)
{
    for (int i = 0; i < b->list.hidden; i++)
        if (b->source[i] == s)
            net_fork(b->net, x, &x, &b->taps[i]);
    return x;
}

static struct tensor *add_skip(struct build *b, struct tensor *x, int i)
{
    struct tensor *tap = b->taps[i];
    const enum activation act = b->list.at[i].act;
    if (x && tap && x->shape[3] != tap->shape[3]) {
        if (b->on_skip)
            tap = dense_linear(b->net, tap, "project", i + 1, x->shape[3]);
        else
            x = dense_linear(b->net, x, "project", i + 1, tap->shape[3]);
    }
    if (act == ACT_RELU)
        return net_add_relu(b->net, x, tap);
    return dense_activation(b->net, net_add(b->net, x, tap), act);
}

static struct tensor *hidden_layer(struct build *b, struct tensor *x, int i)
{
    const struct dense_layer *layer = &b->list.at[i];
    x = dense_linear(b->net, x, "fc", i + 1, layer->units);
    x = dense_dropout(b->net, x, layer->dropout);
    x = remember(b, x, i + 1);
    return b->source[i] < 0 ? dense_activation(b->net, x, layer->act)
                            : add_skip(b, x, i);
}

static bool adds_input(const struct build *b)
{
    for (int i = 0; i < b->list.hidden; i++)
        if (b->source[i] == 0)
            return true;
    return false;
}

static void build(struct net *net, const struct model_config *config)
{
    struct build b = { .net = net, .on_skip = config->options[PROJECT] == SKIP };
    struct tensor *x = net_input(net);
    dense_read(&b.list, net, config);
    if (b.list.hidden < 0 ||
        !list_skips(net, "skips", config->texts[SKIPS], b.list.hidden, b.source))
        return;
    if (adds_input(&b))
        x = remember(&b, net_flatten(net, x), 0);
    for (int i = 0; i < b.list.hidden; i++)
        x = hidden_layer(&b, x, i);
    x = dense_layer(net, x, b.list.hidden + 1, &b.list.at[b.list.hidden]);
    x = list_softmax(net, x, config->options[DENSE_SOFTMAX]);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_residual_mlp = {
    .name = "residual_mlp",
    .help = "fully connected layers with skips between them",
    .options = options,
    .build = build,
    .init = init_default,
};
