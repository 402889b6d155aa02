/* vq_file.h -- a refiner to and from a safetensors file, with the layout and checksum
 * of checkpoint.h: numbers under their names, moments behind "optimizer.adam.exp_avg."
 * and "optimizer.adam.exp_avg_sq.", the record of the run as its recipe.
 *
 * An open file is in memory as a whole, as it was when its checksum was found right:
 * what becomes of the file later does not matter. It is as large as a refiner for
 * training, so close it soon. */
#ifndef SLUICE_VQ_FILE_H
#define SLUICE_VQ_FILE_H

#include "../checkpoint_parts.h"
#include "refine.h"

struct vq_file {
    void *bytes;
    size_t size;
    struct safetensors st;
    struct checkpoint_meta meta;
};

/* Damage is named; a checkpoint of something else is SLUICE_EINVAL. On failure nothing
 * needs closing. */
int vq_file_open(struct vq_file *f, const char *path, struct sluice_error *err);
void vq_file_close(struct vq_file *f);
const char *vq_file_record(const struct vq_file *f);

/* All numbers, and the moments if r is for training; a tensor that is missing or of
 * another shape is named, and then r is as it was. */
int vq_file_load(const struct vq_file *f, const char *path, struct refiner *r,
                 struct sluice_error *err);
int vq_file_save(const char *path, struct refiner *r,
                 const struct checkpoint_meta *meta, struct sluice_error *err);

/* meta.model of these files. */
#define VQ_MODEL "vq_refiner"

#endif
