/* make_two.c -- make_two FILE CHANNELS: a file of two image fields, `a` of dark grey
 * pictures and `b` of bright ones with so many channels. Statistics are the first's. */
#include <stdlib.h>
#include <string.h>

#include <sluice/writer.h>

#include "check.h"

enum { SAMPLES = 20, PIXELS = 16, CHANNELS_MOST = 64 };

int main(int argc, char **argv)
{
    REQUIRE(argc == 3, "make_two FILE CHANNELS");
    const uint32_t channels = (uint32_t)atoi(argv[2]);
    REQUIRE(channels >= 1 && channels <= CHANNELS_MOST, "%s channels", argv[2]);
    const struct sluice_field fields[] = {
        { .name = "a",
          .kind = SLUICE_KIND_IMAGE,
          .dtype = SLUICE_U8,
          .shape = { 4, 4, 1 } },
        { .name = "b",
          .kind = SLUICE_KIND_IMAGE,
          .dtype = SLUICE_U8,
          .shape = { 4, 4, channels } },
    };
    const struct sluice_schema schema = { .fields = fields, .field_count = 2 };
    struct sluice_error err = { 0 };
    struct sluice_writer *w = NULL;
    uint8_t dark[PIXELS], bright[PIXELS * CHANNELS_MOST];
    for (int i = 0; i < PIXELS; i++)
        dark[i] = (uint8_t)(i % 4);
    memset(bright, 200, sizeof(bright));
    REQUIRE(sluice_writer_begin(&w, argv[1], &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        const struct sluice_value values[] = {
            { .data = dark, .size = sizeof(dark) },
            { .data = bright, .size = (size_t)PIXELS * channels },
        };
        REQUIRE(sluice_writer_append(w, values, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    return 0;
}
