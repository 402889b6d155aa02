/* conv_wino_f32.c -- F(4x4, 3x3) against sums in double, with every instruction set
 * that this CPU has: odd maps, no padding, stride 2, tiles that fill no unit and reach
 * beyond the map, several numbers of threads, which all give the same bits. */
#include "ops/conv_wino_f32.h"
#include "conv_rig.h"

static const struct onednn_shape shapes[] = {
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .pad = 1 },
    { .n = 2, .h = 7, .w = 9, .c = 64, .k = 32, .pad = 1, .bias = true },
    { .n = 1, .h = 5, .w = 3, .c = 96, .k = 96, .pad = 1 },
    { .n = 7, .h = 8, .w = 6, .c = 32, .k = 32, .pad = 0 },
    { .n = 65, .h = 4, .w = 4, .c = 160, .k = 32, .pad = 1 },
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .stride = 2, .pad = 1 },
    { .n = 5, .h = 7, .w = 18, .c = 64, .k = 32, .stride = 2, .pad = 1 },
    { .n = 3, .h = 16, .w = 16, .c = 32, .k = 64, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 2, .h = 9, .w = 30, .c = 64, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 21, .h = 31, .w = 15, .c = 32, .k = 64, .pad = 1 }, /* several units */
};

static void run(struct conv_rig *r, struct device *dev)
{
    struct conv_wino_f32 *conv;
    struct sluice_error err = { 0 };
    REQUIRE(conv_wino_f32_create(&conv, dev, &r->s, &err) == 0, "%s", err.message);
    conv_wino_f32_forward(conv, dev, r->x, r->w, r->bias, r->got.y);
    conv_wino_f32_backward_data(conv, dev, r->dy, r->w, r->got.dx);
    conv_wino_f32_backward_weight(conv, dev, r->x, r->dy, r->got.dw);
    conv_wino_f32_free(conv);
}

int main(void)
{
    const struct conv_rig_bound most = { 3e-6, 5e-5 }; /* directly: 2e-7, 2e-6 */
    static const char *const sets[] = { "avx512", "avx2", "plain" };
    for (int i = 0; i < 3 * (int)(sizeof shapes / sizeof *shapes); i++) {
        char what[40];
        snprintf(what, sizeof what, "%s, shape %d", sets[i % 3], i / 3);
        setenv("SLUICE_CPU_ISA", sets[i % 3], 1);
        conv_rig_test(run, &shapes[i / 3], SLUICE_F32, most, what);
    }
    return check_done();
}
