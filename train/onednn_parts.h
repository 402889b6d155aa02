/* onednn_parts.h -- what device_onednn.c and onednn_layer.c share. */
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

/* Before any call that computes: from now on the library does in the calling thread all
 * that this thread asks of it. Several threads of its own, OpenMP's, would wait for the
 * slowest of them at barriers within its primitives, spinning: beside one foreign
 * process a gradient of a weight took 300 times as long. */
void onednn_stay_in_thread(void);

#endif
