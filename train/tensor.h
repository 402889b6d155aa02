/* tensor.h -- a shaped piece of the arena, with its gradient.
 *
 * Activations are NHWC: shape = { n, h, w, c }; a vector per image is { n, 1, 1, c }.
 * Parameters keep PyTorch's layouts, so that checkpoints are its state_dict as it
 * stands: convolution { out, in, kh, kw }, linear { out, in } with `in` running over
 * (c, h, w) of its input, batch norm { c }. */
#ifndef SLUICE_TENSOR_H
#define SLUICE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/image.h>

struct tensor {
    char name[96]; /* parameters and buffers: "conv1.weight"; activations: the op's name
                    */
    int rank;
    int shape[4];
    enum sluice_dtype dtype; /* of data and, for activations, of grad */
    void *data;
    void *grad; /* parameters: float, always; activations: dtype; NULL: not wanted */
    /* Parameters only: what the optimizer does with it. */
    bool trainable;
    int train_epochs;  /* then it is frozen; 0: never */
    float lr_scale;    /* times the schedule's rate: 1 */
    float decay_scale; /* times the weight decay: 1 */
    /* For init_default: how a weight begins, enum init_scheme; of a normal one the
     * deviation, of a uniform one the bound, 0: those of init.h. */
    int scheme;
    float scheme_scale;
};

static inline size_t tensor_elements(const struct tensor *t)
{
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    return n;
}

static inline size_t tensor_bytes(const struct tensor *t)
{
    return tensor_elements(t) * sluice_dtype_size(t->dtype);
}

/* "64x3x3x3", for messages. */
const char *tensor_shape_text(char buf[64], const struct tensor *t);

#endif
