/* checkpoint.h -- a training state as one safetensors file.
 *
 * Layout: u64 little-endian header length, JSON header
 *     {"name": {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...,
 *      "__metadata__": {"text": "text", ...}}
 * then the data (https://github.com/huggingface/safetensors). Parameters and buffers
 * carry PyTorch's names and layouts, so a PyTorch user can load_state_dict them;
 * optimizer moments have the prefix "optimizer.". A CRC-32C of the whole file stands in
 * the metadata as eight digits, computed with these digits as zeros.
 *
 * Written to a temporary name, synced, renamed: a crash leaves the old file. */
#ifndef SLUICE_CHECKPOINT_H
#define SLUICE_CHECKPOINT_H

#include "optim.h"

/* What of a run is not a tensor. */
struct checkpoint_meta {
    char model[32];
    uint64_t seed, epoch, batch, step; /* next to do: batch `batch` of epoch `epoch` */
    double best_accuracy;              /* -1: none yet */
    char config_crc[16];               /* of the resolved recipe, hex */
    char extra[4096];                  /* JSON of the run's own; "" if none */
    const char
        *recipe; /* to save: the resolved recipe as YAML, NULL: none; loaded: NULL */
};

/* A number of `extra`; `missing` if it has none of that key. */
double extra_number(const struct checkpoint_meta *meta, const char *key,
                    double missing);

/* opt may be NULL: parameters and buffers only. SLUICE_EINVAL, and nothing is written,
 * where a value is NaN or infinite. */
int checkpoint_save(const char *path, struct net *net, struct optim *opt,
                    const struct checkpoint_meta *meta, struct sluice_error *err);
/* Every tensor of the net (and of opt, unless NULL) must be there with its shape; what
 * is damaged, missing or different is named. On failure the net is unchanged. */
int checkpoint_load(const char *path, struct net *net, struct optim *opt,
                    struct checkpoint_meta *meta, struct sluice_error *err);
/* The metadata alone, and unless `recipe` is NULL the recipe, which the caller frees;
 * "" in a file that carries none. */
int checkpoint_read_meta(const char *path, struct checkpoint_meta *meta, char **recipe,
                         struct sluice_error *err);
/* The same of a file's bytes in memory; `path` is for messages only. */
int checkpoint_parse(const char *path, const void *bytes, size_t size,
                     struct checkpoint_meta *meta, struct sluice_error *err);

#endif
