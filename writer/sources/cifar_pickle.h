/* cifar_pickle.h -- CIFAR's Python versions, turned into what the binary ones hold. */
#ifndef SLUICE_CIFAR_PICKLE_H
#define SLUICE_CIFAR_PICKLE_H

#include "input.h"

enum {
    CIFAR_SIDE = 32,
    CIFAR_PLANE = CIFAR_SIDE * CIFAR_SIDE,
    CIFAR_PIXELS = 3 * CIFAR_PLANE
};

/* One label of a record: under which key a pickle has them, and below what they are. */
struct cifar_label {
    const char *key; /* NULL: the binary version has one label fewer */
    int classes;
};

/* Replace a pickle in f->data by records: a byte for each label, the last one first,
 * then planes. *labels becomes 0 if the pickle has none of the keys, else their number.
 * Images are u8 under the key data or images, or the first array there is; n x 3072 and
 * n x 3 x 32 x 32 are planes, n x 32 x 32 x 3 is pixel by pixel. Messages name neither
 * file nor archive. */
int cifar_unpickle(struct input_file *f, const struct cifar_label label[2], int *labels,
                   struct sluice_error *err);

/* Replace a pickle in f->data by the names under `key`, each on a line. */
int cifar_unpickle_names(struct input_file *f, const char *key,
                         struct sluice_error *err);

#endif
