/* tiny_set.h -- small sets of images that a network can learn in seconds: each class
 * is a bright square in its own place on noise. */
#ifndef SLUICE_TINY_SET_H
#define SLUICE_TINY_SET_H

#include <string.h>

#include <sluice/rng.h>
#include <sluice/writer.h>

#include "check.h"

struct tiny_set {
    int count, side, channels, classes; /* classes 0: those of 4, but no labels */
    int label_offset;                   /* added to each label: to make wrong ones */
    int named; /* 1: the file names its classes; 2: behind a field of zeros */
    uint64_t seed;
};

static inline void tiny_image(uint8_t *pixels, const struct tiny_set *set, int label,
                              int number)
{
    struct sluice_rng rng = sluice_rng_at(set->seed, (uint64_t)number, 0);
    const int third = set->side / 3, top = label / 3 % 3 * third,
              left = label % 3 * third;
    for (int y = 0; y < set->side; y++)
        for (int x = 0; x < set->side; x++)
            for (int c = 0; c < set->channels; c++) {
                bool in = y >= top && y < top + third && x >= left && x < left + third;
                *pixels++ = (uint8_t)(sluice_rng_below(&rng, 128) + (in ? 100 : 0));
            }
}

static inline void tiny_set_write(const char *path, const struct tiny_set *set)
{
    static const char *const names[] = { "zero", "one", "two",   "three", "four",
                                         "five", "six", "seven", "eight" };
    const uint32_t side = (uint32_t)set->side;
    const struct sluice_field fields[] = {
        { .name = "image",
          .kind = SLUICE_KIND_IMAGE,
          .dtype = SLUICE_U8,
          .shape = { side, side, (uint32_t)set->channels } },
        { .name = "zero", .kind = SLUICE_KIND_SCALAR, .dtype = SLUICE_U8 },
        { .name = "label", .kind = SLUICE_KIND_SCALAR, .dtype = SLUICE_I32 },
    };
    struct sluice_field chosen[3] = { fields[0], fields[2] };
    if (set->named == 2)
        memcpy(chosen, fields, sizeof(fields));
    const struct sluice_schema schema = { .fields = chosen,
                                          .field_count = set->named == 2 ? 3
                                                         : set->classes  ? 2
                                                                         : 1,
                                          .class_field = set->named ? "label" : NULL,
                                          .classes = set->named ? names : NULL,
                                          .class_count =
                                              set->named ? set->classes : 0 };
    const size_t size = side * side * (size_t)set->channels;
    uint8_t *pixels = malloc(size);
    struct sluice_error err;
    struct sluice_writer *w;
    REQUIRE(pixels && set->classes <= 9, "no memory");
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < set->count; i++) {
        const int label = i % (set->classes ? set->classes : 4);
        tiny_image(pixels, set, label, i);
        struct sluice_value values[3] = { { .data = pixels, .size = size } };
        values[set->named == 2 ? 2 : 1].integer = label + set->label_offset;
        REQUIRE(sluice_writer_append(w, values, &err) >= 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    free(pixels);
}

#endif
