/* registry.c -- every dataset that can be converted. */
#include "source.h"

const struct source_def *const source_registry[] = {
    &source_cifar10, &source_cifar100, &source_mnist, &source_svhn,
    &source_folder,  &source_beton,    NULL,
};
