/* kernel.c -- what the GPU runs, run here: the body and the index arithmetic of the
 * kernel, in loops over blocks, phases and threads, against the CPU's path: small
 * images of all shapes, types and layouts, each pipeline with each way to place planes.
 */
#include "kernel_compare.h"

int main(void)
{
    for (int i = 0; i < CASES; i++) {
        const struct sluice_augment_options o = case_options(i, SLUICE_AUGMENT_BEST);
        uint8_t *set = aligned_noise(SET * sluice_shape_bytes(&o.source), 3);
        for (int k = 0; k < PIPELINES; k++) {
            struct sluice_error err = { 0 };
            struct sluice_augment *a;
            if (!case_suits(i, k))
                continue;
            REQUIRE(sluice_augment_create(&a, pipelines[k], &o, &err) == 0, "%s",
                    err.message);
            const struct room r =
                room_number(sluice_augment_plan(a), (i + k) % ROOMS, 227 * 1024);
            compare(a, pipelines[k], &o, set, &r);
            sluice_augment_free(a);
        }
        free(set);
    }
    return check_done();
}
