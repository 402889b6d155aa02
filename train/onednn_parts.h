/* onednn_parts.h -- what device_onednn.c, onednn_layer.c and onednn_run.c share. */
#ifndef SLUICE_ONEDNN_PARTS_H
#define SLUICE_ONEDNN_PARTS_H

#include "onednn_api.h"

/* Return SLUICE_EDEVICE, saying which call the library refused and its word for it. */
#define DNNL_TRY(err, call)                                                            \
    do {                                                                               \
        const dnnl_status_t status_ = (call);                                          \
        if (status_ != dnnl_success)                                                   \
            return sluice_fail(err, SLUICE_EDEVICE, "oneDNN: %s: %s", #call,           \
                               onednn_status_text(status_));                           \
    } while (0)

const char *onednn_status_text(dnnl_status_t status);

enum {
    DIRECTIONS = 3,
    STRIPS_MOST = 8,
};

/* The memory that a primitive works on. */
struct operands {
    dnnl_memory_t x, y, packed, bias, scratch;
};

/* A primitive for one number of images. */
struct call {
    int images;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    struct operands *operands; /* (sets): one for each thread that may run it */
    int sets;
};

/* A reorder of some output channels: of a parameter to what is packed, or of what is
 * packed to a gradient. */
struct strip {
    dnnl_primitive_t reorder;
    dnnl_memory_t plain, packed;
};

struct direction {
    struct call call[2];  /* [1]: of the last slice, where that one is smaller */
    int slices;           /* 0: nothing is made yet */
    dnnl_memory_t packed; /* the weight; NULL: its gradient */
    size_t packed_size;
    bool fresh; /* `packed` is up to date with the parameter */
    struct strip strip[STRIPS_MOST];
    int strips;
};

struct onednn_layer {
    struct device *dev;
    struct onednn *dnn;
    struct onednn_shape shape;
    struct direction on[DIRECTIONS];
};

/* Make a direction, unless it has been made. */
int onednn_layer_need(struct onednn_layer *layer, enum layer_direction which,
                      struct sluice_error *err);

/* Before any call that computes: from now on the library does in the calling thread all
 * that this thread asks of it. Several threads of its own, OpenMP's, would wait for the
 * slowest of them at barriers within its primitives, spinning: beside one foreign
 * process a gradient of a weight took 300 times as long. */
void onednn_stay_in_thread(void);

#endif
