/* threads.c -- a pipeline used from several threads at once gives what it gives from
 * one, in whatever order the images come. */
#include <pthread.h>
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

enum { SIDE = 24, IMAGES = 140, MOST = 7, ELEMENTS = SIDE * SIDE * 3 };

static uint8_t source[IMAGES][ELEMENTS];
static float want[IMAGES][ELEMENTS], got[IMAGES][ELEMENTS];
static struct sluice_transform transform;
static int threads;

static void *work(void *arg)
{
    const int first = *(const int *)arg;
    for (int n = first; n < IMAGES; n += threads) {
        const int i = (n * 17 + 5) % IMAGES;
        const struct sluice_image image = { source[i], SIDE, SIDE, 3, (uint64_t)i, 2 };
        if (transform.apply(transform.arg, &image, got[i], NULL) < 0)
            return arg;
    }
    return NULL;
}

static void with(int count)
{
    pthread_t thread[MOST];
    int first[MOST];
    threads = count;
    memset(got, 0, sizeof(got));
    for (int i = 0; i < count; i++) {
        first[i] = i;
        REQUIRE(pthread_create(&thread[i], NULL, work, &first[i]) == 0, "no thread");
    }
    for (int i = 0; i < count; i++) {
        void *failed;
        pthread_join(thread[i], &failed);
        CHECK(!failed, "thread %d failed", i);
    }
    if (count == 1)
        memcpy(want, got, sizeof(got));
    CHECK(memcmp(want, got, sizeof(got)) == 0, "%d threads: other numbers", count);
}

int main(void)
{
    static const char *const text =
        "flip,translate:pad=2:fill=reflect,cutout:size=4:fill=9,"
        "normalize:mean=128:std=64";
    struct sluice_augment_options o = { .source = { SIDE, SIDE, 3, SLUICE_U8,
                                                    SLUICE_NHWC },
                                        .seed = 5,
                                        .dtype = SLUICE_F32 };
    struct sluice_error err = { 0 };
    for (int i = 0; i < IMAGES * ELEMENTS; i++)
        source[i / ELEMENTS][i % ELEMENTS] = (uint8_t)(i * 31 + i / 251);
    for (int use = SLUICE_AUGMENT_BEST; use <= SLUICE_AUGMENT_STEPS; use++) {
        struct sluice_augment *a;
        o.use = (enum sluice_augment_use)use;
        REQUIRE(sluice_augment_create(&a, text, &o, &err) == 0, "%s", err.message);
        transform = sluice_augment_transform(a);
        with(1);
        with(2);
        with(MOST);
        sluice_augment_free(a);
    }
    return check_done();
}
