/* pipeline.h -- a created pipeline, and the ways to run it on the CPU. */
#ifndef SLUICE_AUGMENT_PIPELINE_H
#define SLUICE_AUGMENT_PIPELINE_H

#include <pthread.h>

#include <sluice/augment.h>

#include "kernels.h"
#include "plan.h"
#include "planes.h"

#ifdef __cplusplus
extern "C" {
#endif

struct narrow;
struct scratch; /* room for two u8 images, see stages.c */

struct sluice_augment {
    struct plan plan;
    char *description;
    char path[48];
    /* NULL: stage by stage. planes NULL: rows; else steps on planes, which bytes become
     * by one conversion, and planes become numbers by another. */
    const struct kernels *kernels;
    const struct planes *planes;
    struct narrow *narrow; /* NULL: rows are wider, or no AVX-512 */
    struct conversion conversion;
    struct conversion bytes, plane[CHANNELS_MAX];
    size_t image_bytes; /* of scratch, twice */
    /* Scratch lives from call to call, so that no image costs an allocation; there are
     * never more than there were calls at one time. */
    pthread_mutex_t lock;
    struct scratch *idle;
};

/* What kernels are given. */
const struct plan *sluice_augment_plan(const struct sluice_augment *aug);

/* Stage by stage, pixel by pixel: the reference; or, where aug->planes says so, on
 * planes. */
int sluice_augment_run_stages(struct sluice_augment *aug, const struct draw *draws,
                              const uint8_t *src, void *out, struct sluice_error *err);
/* The steps behind the conversion. */
void sluice_augment_erase(const struct plan *p, const struct draw *draws, void *out);
void sluice_augment_free_scratch(struct sluice_augment *aug);

/* Step by step on planes, for every pipeline; two images of as many bytes. */
size_t sluice_augment_planes_bytes(const struct plan *p);
void sluice_augment_run_planes(const struct sluice_augment *aug,
                               const struct draw *draws, const uint8_t *src,
                               uint8_t *image, uint8_t *spare, void *out);

/* Row by row, in one pass, for what can_arrange() says. */
int sluice_augment_rows_fit(const struct plan *plan);
void sluice_augment_run_rows(const struct sluice_augment *aug, const struct draw *draws,
                             const uint8_t *src, void *out);

#ifdef __cplusplus
}
#endif
#endif
