/* conv_wino_bf16.c -- F(4x4, 3x3) in bf16 against sums in double, to a few of the
 * roundings on the way: odd maps, no padding, one image, stride 2, channels that fill
 * no block, tiles that fill no unit and reach beyond the map, several numbers of
 * threads, which all give the same bits. */
#include "ops/conv_wino_bf16.h"
#include "conv_rig.h"
#include "cpu_has.h"

static const struct onednn_shape shapes[] = {
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .pad = 1 },
    { .n = 2, .h = 7, .w = 9, .c = 64, .k = 32, .pad = 1 },
    { .n = 1, .h = 5, .w = 4, .c = 96, .k = 96, .pad = 1 },
    { .n = 3, .h = 3, .w = 4, .c = 32, .k = 32, .pad = 1 }, /* 3 tiles: no pairs */
    { .n = 70, .h = 8, .w = 6, .c = 32, .k = 32, .pad = 0 },
    { .n = 304, .h = 4, .w = 4, .c = 160, .k = 32, .pad = 1 }, /* units of 303 tiles */
    { .n = 9, .h = 31, .w = 31, .c = 32, .k = 64, .pad = 1 },
    { .n = 9, .h = 31, .w = 31, .c = 24, .k = 64, .pad = 1 }, /* filled up to 32 */
    { .n = 2, .h = 7, .w = 9, .c = 56, .k = 32, .pad = 1 },
    { .n = 70, .h = 8, .w = 6, .c = 120, .k = 32, .pad = 0 },
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .stride = 2, .pad = 1 },
    { .n = 2, .h = 7, .w = 10, .c = 64, .k = 32, .stride = 2, .pad = 1 },
    { .n = 90, .h = 6, .w = 9, .c = 32, .k = 96, .stride = 2, .pad = 1 },
    { .n = 3, .h = 12, .w = 12, .c = 32, .k = 64, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 2, .h = 9, .w = 14, .c = 64, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 50, .h = 15, .w = 7, .c = 96, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
};

static void run(struct conv_rig *r, struct device *dev)
{
    struct conv_wino_bf16 *conv;
    struct sluice_error err = { 0 };
    REQUIRE(conv_wino_bf16_create(&conv, dev, &r->s, false, &err) == 0, "%s",
            err.message);
    conv_wino_bf16_forward(conv, dev, r->x, r->w, r->got.y);
    conv_wino_bf16_backward_data(conv, dev, r->dy, r->w, r->got.dx);
    conv_wino_bf16_backward_weight(conv, dev, r->x, r->dy, r->got.dw);
    conv_wino_bf16_free(conv);
}

int main(void)
{
    const struct conv_rig_bound most = { 0.014, 0.2 }; /* directly: 0.0023, 0.012 */
    if (!cpu_has_avx512_bf16())
        SKIP("this CPU has no AVX512-BF16");
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        char what[40];
        snprintf(what, sizeof what, "shape %d", i);
        conv_rig_test(run, &shapes[i], SLUICE_BF16, most, what);
    }
    return check_done();
}
