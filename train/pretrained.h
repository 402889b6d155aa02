/* pretrained.h -- weights of another run, or of any safetensors file, as a network's
 * first values. */
#ifndef SLUICE_PRETRAINED_H
#define SLUICE_PRETRAINED_H

#include "net.h"
#include "run_dir.h"

/* What becomes of the head, the last linear layer; the numbers of init.head. */
enum pretrained_head {
    HEAD_RESET = 0, /* never copied */
    HEAD_KEEP = 1,  /* must be there, of the same shape */
    HEAD_AUTO = 2,  /* copied if its shape is the same */
};

struct pretrained_report {
    int copied, left; /* tensors of the network: copied, and as init() made them */
    int unused; /* tensors of the file, an optimizer's aside, that were not taken */
    size_t elements;     /* copied */
    char path[RUN_PATH]; /* the file that was read */
    char names[160];     /* some of those left: "fc3.weight, fc3.bias, ..." */
};

/* Copy into parameters and buffers what `from` has under the same name in the same
 * shape, as float: a run's folder (its last checkpoint, or with no run in it, the one
 * of the latest run below), a checkpoint, or a safetensors file of PyTorch's. A file
 * with a checksum of Sluice's is checked. If nothing can be copied that is an error;
 * on any error the network is unchanged. */
int pretrained_load(struct net *net, const char *from, enum pretrained_head head,
                    struct pretrained_report *report, struct sluice_error *err);

#endif
