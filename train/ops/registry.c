/* registry.c -- every operator, for the tests and for lookup by name. */
#include <stddef.h>

#include "op.h"

const struct op_def *const op_registry[] = {
    &op_conv2d,  &op_linear,    &op_batchnorm, &op_activation,   &op_maxpool,
    &op_avgpool, &op_globalmax, &op_globalavg, &op_add,          &op_add_relu,
    &op_fork,    &op_dropout,   &op_droppath,  &op_flatten,      &op_gate,
    &op_scale,   &op_concat,    &op_softmax,   &op_softmax_xent, NULL,
};
