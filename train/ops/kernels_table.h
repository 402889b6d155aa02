/* kernels_table.h -- the table of one instruction set: included once by each of
 * kernels_<isa>.c, whose compiler flags decide what it becomes. */
#ifndef SLUICE_KERNELS_TABLE_H
#define SLUICE_KERNELS_TABLE_H

#include "kernels_few.h"
#include "kernels_gate.h"
#include "kernels_join.h"
#include "kernels_norm.h"
#include "kernels_peak.h"
#include "kernels_pool.h"
#include "kernels_wino.h"

/* clang-format off */
#define KERNELS_TABLE(isa) {                        \
    .name = (isa),                                  \
    .peak = peak,                                   \
    .activation_forward = activation_forward,       \
    .activation_backward = activation_backward,     \
    .add = add,                                     \
    .add_relu = add_relu,                           \
    .scale = scale,                                 \
    .dropout = dropout,                             \
    .dropout_channels = dropout_channels,           \
    .channel_sums = channel_sums,                   \
    .norm_forward = norm_forward,                   \
    .norm_sums = norm_sums,                         \
    .norm_backward = norm_backward,                 \
    .maxpool_forward = maxpool_forward,             \
    .maxpool_backward = maxpool_backward,           \
    .stores_done = stores_done,                     \
    .avgpool_forward = avgpool_forward,             \
    .avgpool_backward = avgpool_backward,           \
    .few_forward = few_forward,                     \
    .wino_spread = wino_spread,                   \
    .wino_unfold = wino_unfold,                   \
    .wino_multiply = wino_multiply,               \
    .wino_add = wino_add,                         \
    .wino_fold = wino_fold,                       \
    .wino_widen = wino_widen,                     \
    .wino_narrow = wino_narrow,                   \
    .globalmax_forward = globalmax_forward,         \
    .globalmax_backward = globalmax_backward,       \
    .globalavg_forward = globalavg_forward,         \
    .globalavg_backward = globalavg_backward,       \
    .gate_forward = gate_forward,                   \
    .gate_backward = gate_backward,                 \
    .join_forward = join_forward,                   \
    .join_backward = join_backward,                 \
    .relu_gradient = relu_gradient,                 \
    .norm_join_forward = norm_join_forward,         \
    .norm_join_sums = norm_join_sums,               \
    .globalavg_add = globalavg_add,                 \
}
/* clang-format on */

#endif
