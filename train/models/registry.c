/* registry.c -- every model. */
#include <string.h>

#include "model.h"

extern const struct model_def model_resnet9, model_airbench94, model_mnist_cnn,
    model_cnn_small, model_mlp, model_se_resnet, model_stochastic_depth,
    model_resnet_medium, model_resnet18, model_resnet34, model_resnet50,
    model_resnet101;

const struct model_def *const model_registry[] = {
    &model_resnet9,
    &model_airbench94,
    &model_mnist_cnn,
    &model_cnn_small,
    &model_mlp,
    &model_se_resnet,
    &model_stochastic_depth,
    &model_resnet_medium,
    &model_resnet18,
    &model_resnet34,
    &model_resnet50,
    &model_resnet101,
    NULL,
};

const struct model_def *model_find(const char *name)
{
    for (const struct model_def *const *m = model_registry; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}
