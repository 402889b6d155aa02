/* fuzz_picture.c -- any bytes taken for an image file are refused with words, or become
 * something that is stored and whole. The first 2 bytes choose how. */
#include "fuzz.h"
#include "picture.h"

/* A JPEG that is stored has the size that is said of it, and lies upright if asked. */
static void check_jpeg(struct picture_work *work, const struct picture *p, bool orient)
{
    struct sluice_jpeg_info info;
    struct sluice_error err;
    FUZZ_REQUIRE(sluice_jpeg_begin(work->decoder, p->data, p->size, &info, &err) == 0);
    FUZZ_REQUIRE(info.height == p->height && info.width == p->width);
    FUZZ_REQUIRE(!orient || info.orientation == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct picture_work work;
    struct sluice_error err = { 0 };
    struct picture p;
    uint32_t height, width, channels;
    if (size < 2)
        return 0;
    const struct picture_options opt = { .mode = (enum picture_mode)(data[0] % 5),
                                         .quality = 1 + data[1] % 100,
                                         .max_side = data[0] & 8 ? 20 : 0,
                                         .smart = 500,
                                         .proportion = 0.5,
                                         .channels = data[0] & 16 ? 3 : 0,
                                         .trust = data[0] & 32,
                                         .orient = data[0] & 64,
                                         .sums = data[0] & 128 };
    const uint8_t *bytes = data + 2;
    size -= 2;
    /* Sizes that a header may claim without having the pixels take long. */
    if (picture_measure(&work, bytes, size, &opt, &height, &width, &channels, &err) ==
            0 &&
        (uint64_t)height * width > 1 << 18)
        return 0;
    uint8_t *own = malloc(size + 1);
    FUZZ_REQUIRE(own);
    memcpy(own, bytes, size);
    memset(&err, 0, sizeof err);
    const int rc = picture_make(&p, &work, own, size, 3, &opt, &err);
    FUZZ_REQUIRE(rc == 0 || (err.message[0] && err.code == rc));
    if (rc < 0) {
        free(own);
        return 0;
    }
    FUZZ_REQUIRE(p.codec == SLUICE_CODEC_JPEG ||
                 p.size == (size_t)p.height * p.width * p.channels);
    FUZZ_REQUIRE(!p.sums.channels || p.sums.pixels == (uint64_t)p.height * p.width);
    if (p.codec == SLUICE_CODEC_JPEG && work.decoder)
        check_jpeg(&work, &p, opt.orient);
    free(p.data);
    return 0;
}
