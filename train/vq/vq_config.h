/* vq_config.h -- everything a run of `sluice vq` can be told: one table of keys drives
 * parsing, bounds, help and the record. Values come from a record (YAML) and from
 * KEY=VALUE of the command line, as in config.h. */
#ifndef SLUICE_VQ_CONFIG_H
#define SLUICE_VQ_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "../config.h"
#include "refine.h"

enum {
    VQ_DEVICE_AUTO = 0,
    VQ_INNER_SGD = 0,
    VQ_INNER_ADAM = 1,
};

enum vq_products {
    VQ_PRODUCTS_F32 = 0,
    VQ_PRODUCTS_BF16 = 1,
};

struct vq_config {
    uint64_t seed;
    int device, threads;
    char train[CONFIG_TEXT], test[CONFIG_TEXT];
    uint64_t limit;
    double mean, std;
    int stages, options, hidden, depth;
    bool bias_only;
    int products; /* enum vq_products */
    struct {
        double lr, momentum;
        int steps, optimizer;
    } inner;
    double meta_lr;
    int meta_batch, batch_size;
    uint64_t steps;
    int log_every, eval_interval, eval_ensemble;
    double checkpoint_seconds;
    char dir[CONFIG_TEXT], name[64];
};

/* Defaults, then the record `yaml` (NULL: none; `where` names it in messages), then the
 * arguments. With a record, `free_alone` refuses arguments that would change what was
 * computed so far. */
int vq_config_read(struct vq_config *cfg, const char *where, const char *yaml,
                   const char *const *args, int count, bool free_alone,
                   struct sluice_error *err);
/* The record. */
void vq_config_write(FILE *to, const struct vq_config *cfg);
void vq_config_help(FILE *to);
/* "cpu", as device_open takes it. */
const char *vq_config_device(const struct vq_config *cfg);

#endif
