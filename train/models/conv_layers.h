/* conv_layers.h -- a stack of convolutions, poolings and residual blocks as text:
 *
 *     conv:32,max:2,conv:64:kernel=5:stride=2:bn=1,res:64/64:skips=1-0,avg:2
 *
 *     conv:CHANNELS    kernel=3 stride=1 pad=kernel/2 bn activation dropout
 *     res:CHANNELS/... the same, each for all of its layers or a list 2/1 with one for
 *                      each; skips=1-0/2-in: layer 1 adds what layer 0 gave, layer 2
 *                      the block's input
 *     max:KERNEL, avg:KERNEL    stride=kernel pad=0
 *
 * What is not said of bn, activation and dropout is the model's. In YAML an item is
 * `- conv:32`, or `- conv: {channels: 32, stride: 2}`. */
#ifndef SLUICE_CONV_LAYERS_H
#define SLUICE_CONV_LAYERS_H

#include "lists.h"

enum {
    BLOCK_LAYERS = 16, /* of a residual block */
    NO_SOURCE = -1,
    BLOCK_INPUT = -2,
};

enum conv_kind {
    KIND_CONV,
    KIND_MAX,
    KIND_AVG,
    KIND_RES,
};

struct conv_layer {
    int channels, kernel, stride, pad;
    bool bn;
    enum activation act;
    float dropout;
    int source; /* layer of the block, BLOCK_INPUT, or NO_SOURCE */
};

struct conv_item {
    enum conv_kind kind;
    int count; /* layers; 1 but for KIND_RES */
    struct conv_layer at[BLOCK_LAYERS];
};

/* The next item of *text, which starts as `usual` where nothing is said: false at the
 * end, or when it is none and the network has failed. */
bool conv_layers_next(struct net *net, const char **text,
                      const struct conv_layer *usual, struct conv_item *item);

#endif
