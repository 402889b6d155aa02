/* registry.c -- every model, and what their options have in common. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

extern const struct model_def model_resnet9, model_airbench94, model_mnist_cnn,
    model_cnn_small, model_mlp, model_residual_mlp, model_cnn, model_residual_cnn,
    model_se_resnet, model_stochastic_depth, model_resnet_medium, model_resnet18,
    model_resnet34, model_resnet50, model_resnet101, model_block_cnn, model_stack;

/* clang-format off */
const struct model_def *const model_registry[] = {
    &model_resnet9,
    &model_airbench94,
    &model_mnist_cnn,
    &model_cnn_small,
    &model_mlp,
    &model_residual_mlp,
    &model_cnn,
    &model_residual_cnn,
    &model_se_resnet,
    &model_stochastic_depth,
    &model_resnet_medium,
    &model_resnet18,
    &model_resnet34,
    &model_resnet50,
    &model_resnet101,
    &model_block_cnn,
    &model_stack,
    NULL,
};
/* clang-format on */

const struct model_def *model_find(const char *name)
{
    for (const struct model_def *const *m = model_registry; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}

void model_defaults(const struct model_def *model, struct model_values *values)
{
    memset(values, 0, sizeof *values);
    for (int i = 0; model->options && model->options[i].name; i++) {
        const struct model_option *o = &model->options[i];
        values->numbers[i] = o->initial;
        if (o->text)
            snprintf(values->texts[i], MODEL_TEXT, "%s", o->text);
    }
}

int model_whole_numbers(struct net *net, const struct model_config *config, int option,
                        const char *name, int least, int most, int room, int *out)
{
    const char *at = config->texts[option];
    int count = 0;
    while (*at) {
        char *end;
        errno = 0;
        const long x = strtol(at, &end, 10);
        if (end == at || errno || x < least || x > most || (*end && *end != ',') ||
            (*end && !end[1]) || count == room) {
            net_fail(net,
                     "model.%s: expected at most %d whole numbers from %d to %d, "
                     "found '%.80s'",
                     name, room, least, most, config->texts[option]);
            return -1;
        }
        out[count++] = (int)x;
        at = *end ? end + 1 : end;
    }
    return count;
}
