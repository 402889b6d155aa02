/* traffic.c -- images of 32, 97 and 224 pixels on the kernel's body, whole batches
 * against the CPU's, with every kind of step; and what that reads and writes of global
 * memory: each source once, each result once. */
#include "kernel_compare.h"

enum { H200 = 227 * 1024, A100 = 163 * 1024, ADA = 99 * 1024 };

static const char *const chains[] = {
    "sharpness:factor=2.5:p=1,gaussian_blur:kernel=5:sigma=0.1/3,equalize:p=1,flip",
    "gaussian_blur:kernel=23:sigma=0.1/2,solarize:threshold=90,rotate:degrees=20",
    "autocontrast:p=1,translate:pad=9:fill=reflect,posterize:bits=3:p=1,erase:p=1:"
    "fill=random,color:factor=0.3:p=1,shear_x:reach=0.2:p=1:fill=mean",
    "randaugment:num_ops=4:magnitude=20:fill=9,autoaugment,trivialaugment_wide,"
    "center_crop:size=21,normalize",
    "translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:contrast=0.3:"
    "saturation=0.3:hue=0.1,perspective:distortion=0.2:p=1,normalize,erase:p=0.3:scale="
    "0.02/0.2,cutmix",
    "geometry:mode=fused,translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:"
    "contrast=0.3:saturation=0.3:hue=0.1,perspective:distortion=0.2:p=1,normalize,"
    "erase:p=1,mixup",
    "affine:degrees=30:scale=0.8/1.2,contrast:factor=1.5:p=1,mixup:per=sample",
    "flip,translate:pad=4,cutout:size=8,normalize,cutmix:per=sample",
    "flip,translate:pad=4,normalize,mixup",
};

static const int sides[] = { 32, 97, 224 };

/* Images that a batch mixes, and those of them that it blends. */
static void mixed_of(const struct sluice_augment *a, int *mixed, int *blended)
{
    *mixed = *blended = 0;
    for (int n = 0; n < COUNT && sluice_augment_mixes(a); n++) {
        struct sluice_mix m;
        mix_draw(&m, sluice_augment_plan(a), n, COUNT, ids[n], batch_number,
                 batch_epoch);
        *mixed += m.share < 1;
        *blended += m.share < 1 && !m.height;
    }
}

static void check_traffic(const struct sluice_augment *a, const struct room *r,
                          const char *what)
{
    const struct plan *p = sluice_augment_plan(a);
    const struct sluice_shape shape = sluice_augment_shape(a);
    const size_t in = (size_t)p->source_height * p->source_width * p->channels;
    const size_t out = sluice_shape_bytes(&shape);
    int mixed, blended;
    mixed_of(a, &mixed, &blended);
    const size_t again = r->kept || p->arranged ? 0 : (size_t)blended;
    const size_t images = COUNT + (size_t)mixed;
    if (p->arranged)
        CHECK(traffic.source <= in * (COUNT + (size_t)blended),
              "%s, %d: %zu bytes read", what, p->source_width, traffic.source);
    else
        CHECK(traffic.source == in * images, "%s, %d: %zu bytes read, expected %zu",
              what, p->source_width, traffic.source, in * images);
    CHECK(traffic.result == out * (COUNT + again),
          "%s, %d: %zu bytes written, expected %zu", what, p->source_width,
          traffic.result, out * (COUNT + again));
    CHECK(traffic.back == out * again, "%s, %d: %zu bytes read back, expected %zu",
          what, p->source_width, traffic.back, out * again);
}

static void run(const char *chain, int side, int case_number, int first, int rooms)
{
    struct sluice_augment_options o =
        case_options(8 + case_number % 8, SLUICE_AUGMENT_BEST);
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    o.source.height = o.source.width = side;
    o.source.channels = 3;
    if (o.dtype == SLUICE_U8 && strstr(chain, "normalize"))
        o.dtype = SLUICE_BF16;
    REQUIRE(sluice_augment_create(&a, chain, &o, &err) == 0, "%s", err.message);
    const struct plan *p = sluice_augment_plan(a);
    uint8_t *set = aligned_noise(SET * sluice_shape_bytes(&o.source), 3);
    for (int i = 0; i < rooms; i++) {
        const struct room r = room_number(p, (first + i) % ROOMS, H200);
        compare(a, chain, &o, set, &r);
        check_traffic(a, &r, chain);
    }
    free(set);
    sluice_augment_free(a);
}

/* Up to which side an image has as many spare planes as channels, and up to which it is
 * in shared memory at all. */
static void check_choice(size_t most, int spare_most, int side_most)
{
    const struct sluice_augment_options o = {
        .source = { 32, 32, 3, SLUICE_U8, SLUICE_NHWC }, .dtype = SLUICE_BF16
    };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, "rotate:degrees=9", &o, NULL) == 0, "create");
    struct plan p = *sluice_augment_plan(a);
    int spare = 0, all = 0;
    for (int side = 1; side < 300; side++) {
        p.height = p.width = p.source_height = p.source_width = side;
        p.step[0].height = p.step[0].width = side;
        const struct room r = room_choose(&p, most, BLOCK_BYTES);
        CHECK(r.scratch || BLOCK_BYTES + room_bytes(&p, &r) <= most, "%d", side);
        all = r.scratch ? all : side;
        spare = !r.scratch && r.spare == 3 ? side : spare;
    }
    CHECK(all == side_most && spare == spare_most, "%zu: %d, %d", most, all, spare);
    sluice_augment_free(a);
}

int main(void)
{
    for (size_t s = 0; s < sizeof(sides) / sizeof(*sides); s++)
        for (size_t k = 0; k < sizeof(chains) / sizeof(*chains); k++)
            run(chains[k], sides[s], (int)(s + k), 0, sides[s] == 224 ? 1 : ROOMS);
    for (int k = 0; k < PIPELINES; k++)
        run(pipelines[k], 97, k, k / 8, 1);
    check_choice(H200, 192, 235);
    check_choice(A100, 161, 197);
    check_choice(ADA, 123, 150);
    return check_done();
}
