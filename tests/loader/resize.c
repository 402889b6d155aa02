/* resize.c -- scaling is that of Pillow up to 12.2, byte for byte, with every
 * instruction set. The checksums were made with Pillow 9.4:
 *     Image.fromarray(pixels).resize((width, height), Image.BILINEAR)
 * where byte i of the pixels is (37 i + i i / 11) mod 256. */
#include <string.h>

#include <sluice/crc32c.h>
#include <sluice/rng.h>

#include "check.h"
#include "resize.h"

enum { ROOM = 512 * 512 * 3 };

static uint8_t in[ROOM + RESIZE_SLACK], out[ROOM], other[ROOM];
static struct resizer resizer;

static void pillow(const char *name)
{
    static const struct {
        int height, width, channels, to_height, to_width;
        uint32_t crc;
    } cases[] = {
        { 31, 47, 3, 16, 16, 0x605bf127 },     { 31, 47, 3, 64, 80, 0xf1805a9c },
        { 300, 200, 3, 224, 224, 0x45cc6e73 }, { 50, 60, 1, 17, 90, 0x6704a6c2 },
        { 40, 33, 3, 40, 20, 0x5cb7df0f },     { 40, 33, 3, 7, 33, 0x2dcafadf },
    };
    for (uint64_t i = 0; i < ROOM; i++)
        in[i] = (uint8_t)(i * 37 + i * i / 11);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t bytes =
            (size_t)(cases[i].to_height * cases[i].to_width * cases[i].channels);
        REQUIRE(sluice_resize(&resizer, in, cases[i].height, cases[i].width,
                              cases[i].channels, out, cases[i].to_height,
                              cases[i].to_width) == 0,
                "no memory");
        CHECK(sluice_crc32c(0, out, bytes) == cases[i].crc, "%s: case %zu: %08x", name,
              i, sluice_crc32c(0, out, bytes));
    }
}

/* Any sizes, against the plain loops. */
static void parity(const struct resize_kernels *kernels)
{
    struct sluice_rng rng = sluice_rng_at(3, 0, 0);
    for (int i = 0; i < 150; i++) {
        const int h = 1 + (int)sluice_rng_below(&rng, 200);
        const int w = 1 + (int)sluice_rng_below(&rng, 200);
        const int to_h = 1 + (int)sluice_rng_below(&rng, 150);
        const int to_w = 1 + (int)sluice_rng_below(&rng, 150);
        const int channels = i % 2 ? 1 : 3;
        const size_t bytes = (size_t)(to_h * to_w * channels);
        for (int k = 0; k < h * w * channels; k++)
            in[k] = (uint8_t)sluice_rng_u32(&rng);
        sluice_resize_use = &sluice_resize_plain;
        REQUIRE(sluice_resize(&resizer, in, h, w, channels, other, to_h, to_w) == 0,
                "no memory");
        sluice_resize_use = kernels;
        memset(out, 7, bytes);
        REQUIRE(sluice_resize(&resizer, in, h, w, channels, out, to_h, to_w) == 0,
                "no memory");
        CHECK(memcmp(out, other, bytes) == 0, "%s: %dx%dx%d to %dx%d differs",
              kernels->name, h, w, channels, to_h, to_w);
    }
}

int main(void)
{
    const struct resize_kernels *best = sluice_resize_use;
    sluice_resize_use = &sluice_resize_plain;
    pillow("plain");
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        sluice_resize_use = &sluice_resize_avx2;
        pillow("avx2");
        parity(&sluice_resize_avx2);
    }
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        sluice_resize_use = &sluice_resize_avx512;
        pillow("avx512");
        parity(&sluice_resize_avx512);
        if (__builtin_cpu_supports("avx512vbmi") &&
            __builtin_cpu_supports("avx512vnni")) {
            sluice_resize_use = &sluice_resize_vnni;
            pillow("vnni");
            parity(&sluice_resize_vnni);
        }
    }
#endif
    parity(best);
    sluice_resize_free(&resizer);
    return check_done();
}
