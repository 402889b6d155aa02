/* pipeline.h -- a created pipeline, and the two ways to run it on the CPU. */
#ifndef SLUICE_AUGMENT_PIPELINE_H
#define SLUICE_AUGMENT_PIPELINE_H

#include <pthread.h>

#include <sluice/augment.h>

#include "kernels.h"
#include "plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct narrow;
struct scratch; /* room for two u8 images, see stages.c */

struct sluice_augment {
    struct plan plan;
    char *description;
    char path[48];
    const struct kernels *kernels; /* NULL: stage by stage */
    struct narrow *narrow;         /* NULL: rows are wider, or no AVX-512 */
    struct conversion conversion;
    /* Scratch lives from call to call, so that no image costs an allocation; there are
     * never more than there were calls at one time. */
    pthread_mutex_t lock;
    struct scratch *idle;
};

/* What kernels are given. */
const struct plan *sluice_augment_plan(const struct sluice_augment *aug);

/* Stage by stage, pixel by pixel: the reference, and the way for every pipeline. */
int sluice_augment_run_stages(struct sluice_augment *aug, const struct draw *draws,
                              const uint8_t *src, void *out, struct sluice_error *err);
/* The steps behind the conversion. */
void sluice_augment_erase(const struct plan *p, const struct draw *draws, void *out);
void sluice_augment_free_scratch(struct sluice_augment *aug);

/* Row by row, in one pass, for what can_arrange() says. */
int sluice_augment_rows_fit(const struct plan *plan);
void sluice_augment_run_rows(const struct sluice_augment *aug, const struct draw *draws,
                             const uint8_t *src, void *out);

#ifdef __cplusplus
}
#endif
#endif
