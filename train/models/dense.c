/* dense.c -- see dense.h. */
#include "dense.h"

#include <stdio.h>

/* What a list says of layer i: one entry is for every hidden layer. */
static int entry(int count, int hidden, int i)
{
    if (count == 1)
        return i < hidden ? 0 : -1;
    return i < count ? i : -1;
}

static bool fits(struct net *net, const char *option, const char *text, int count,
                 int hidden)
{
    if (count <= 1 || count == hidden || count == hidden + 1)
        return true;
    net_fail(net,
             "model.%s: expected one entry, %d for the hidden layers, or %d with the "
             "output layer's, found %d: '%.80s'",
             option, hidden, hidden + 1, count, text);
    return false;
}

void dense_read(struct dense *out, struct net *net, const struct model_config *config)
{
    const char *acts = config->texts[DENSE_ACTIVATION];
    const char *drops = config->texts[DENSE_DROPOUT];
    enum activation act[DENSE_MAX + 1];
    double dropout[DENSE_MAX + 1];
    int units[DENSE_MAX];
    const int hidden = model_whole_numbers(net, config, DENSE_HIDDEN, "hidden", 1,
                                           65536, DENSE_MAX, units);
    const int n = list_activations(net, "activation", acts, DENSE_MAX + 1, act);
    const int m = list_numbers(net, "dropout", drops, 0, 0.95, DENSE_MAX + 1, dropout);
    out->hidden = -1;
    if (hidden < 0 || n < 0 || m < 0 || !fits(net, "activation", acts, n, hidden) ||
        !fits(net, "dropout", drops, m, hidden))
        return;
    for (int i = 0; i <= hidden; i++) {
        const int a = entry(n, hidden, i), d = entry(m, hidden, i);
        out->at[i] =
            (struct dense_layer){ .units = i < hidden ? units[i] : config->classes,
                                  .act = a < 0 ? ACT_NONE : act[a],
                                  .dropout = d < 0 ? 0 : (float)dropout[d] };
    }
    out->hidden = hidden;
}

struct tensor *dense_linear(struct net *net, struct tensor *x, const char *prefix,
                            int number, int units)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", prefix, number);
    return net_linear(net, x, name, units, true);
}

struct tensor *dense_activation(struct net *net, struct tensor *x, enum activation act)
{
    return act == ACT_NONE ? x : net_activation(net, x, act);
}

struct tensor *dense_dropout(struct net *net, struct tensor *x, float p)
{
    return p > 0 ? net_dropout(net, x, p) : x;
}

struct tensor *dense_layer(struct net *net, struct tensor *x, int number,
                           const struct dense_layer *layer)
{
    x = dense_linear(net, x, "fc", number, layer->units);
    x = dense_activation(net, x, layer->act);
    return dense_dropout(net, x, layer->dropout);
}
