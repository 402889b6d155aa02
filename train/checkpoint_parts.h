/* checkpoint_parts.h -- what saving and loading of checkpoints share. */
#ifndef SLUICE_CHECKPOINT_PARTS_H
#define SLUICE_CHECKPOINT_PARTS_H

#include "checkpoint.h"
#include "safetensors.h"

/* The checksum covers header and data; within the header it is taken with its own eight
 * digits as zeros, which is also how they are first written. */
#define CHECKPOINT_NO_CRC "00000000"
#define CHECKPOINT_MOMENTS "optimizer." /* prefix of the optimizer's tensors */

enum {
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_CRC_DIGITS = 8,
};

/* A checkpoint in memory, parsed and with a good checksum. */
struct checkpoint_file {
    void *bytes;
    size_t size;
    struct safetensors st;
    struct checkpoint_meta meta;
    uint64_t optimizer_steps;
};

/* The checksum of the file in memory is there, and right. */
int checkpoint_check_crc(const struct safetensors *st, const char *path,
                         const void *bytes, size_t size, struct sluice_error *err);

/* A tensor under its name in the file. */
struct checkpoint_item {
    char name[SAFETENSORS_NAME];
    struct tensor *tensor;
};
struct file_part; /* whole_file.h */

/* A checkpoint of any tensors, whose bytes lie at bytes[] of the host. */
int checkpoint_write(const char *path, const struct checkpoint_item *items, int count,
                     const struct file_part *bytes, uint64_t optimizer_steps,
                     const struct checkpoint_meta *meta, struct sluice_error *err);

/* On failure nothing needs freeing. */
int checkpoint_file_open(struct checkpoint_file *file, const char *path, uint64_t limit,
                         struct sluice_error *err);
void checkpoint_file_close(struct checkpoint_file *file);

#endif
