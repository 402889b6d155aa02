/* resnet.h -- residual networks in four stages: what their models share. */
#ifndef SLUICE_RESNET_H
#define SLUICE_RESNET_H

#include "model.h"

enum {
    RESNET_STAGES = 4,
};

enum resnet_stem {
    STEM_CIFAR = 0,    /* 3x3, stride 1 */
    STEM_IMAGENET = 1, /* 7x7, stride 2, and 3x3 max-pooling, stride 2 */
};

struct resnet {
    int blocks[RESNET_STAGES];
    bool bottleneck; /* 1x1, 3x3, 1x1 with four times the channels; else two 3x3 */
    enum resnet_stem stem;
    int channels;     /* of the first stage; each further one has twice as many */
    int se_reduction; /* squeeze and excitation through 1/reduction of the channels;
                         0: none */
    /* Stochastic depth: the last block's probability; block i of n has i / (n - 1) of
     * it. */
    double drop;
    bool drop_per_sample;
    enum drop_scaling drop_scaling;
    double dropout;  /* before the linear layer */
    bool long_skips; /* 1x1 convolutions around stages 2 to 4 */
};

/* From x to the logits. Parameters have the names of PyTorch's behind `prefix`: conv1,
 * bn1, layer1.0.conv1, layer2.0.downsample.0, layer1.0.se.fc.0, skip1.0, fc. */
struct tensor *resnet_logits(struct net *net, struct tensor *x, const char *prefix,
                             const struct resnet *shape, int classes);

#endif
