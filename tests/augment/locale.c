/* locale.c -- in a program of a language that writes 0,25 a pipeline still has 0.25,
 * and is described with it. */
#include <locale.h>
#include <stdbool.h>

#include <sluice/augment.h>

#include "support/files.h"

static const char pipeline[] = "flip:p=0.25,normalize:mean=125.5/1/2:std=3.5/1/1";

/* Make such a language, and speak it. */
static bool speak(const char *folder)
{
    char command[256];
    snprintf(command, sizeof(command),
             "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >%s/log 2>&1", folder, folder);
    if (system(command) != 0) /* NOLINT(cert-env33-c): the test's own words */
        return false;
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") && *localeconv()->decimal_point == ',';
}

int main(void)
{
    const struct sluice_augment_options options = {
        .source = { 8, 8, 3, SLUICE_U8, SLUICE_NHWC }, .dtype = SLUICE_F32
    };
    struct sluice_augment *aug;
    struct sluice_error err;
    char text[32], want[512];
    const char *folder = folder_make();
    REQUIRE(sluice_augment_create(&aug, pipeline, &options, &err) == 0, "%s",
            err.message);
    snprintf(want, sizeof(want), "%s", sluice_augment_describe(aug));
    CHECK(strstr(want, "0.25"), "%s", want);
    sluice_augment_free(aug);
    const bool spoken = speak(folder);
    folder_remove(folder);
    if (!spoken)
        SKIP("no such language can be made here");
    REQUIRE(sluice_augment_create(&aug, pipeline, &options, &err) == 0, "%s",
            err.message);
    CHECK(strcmp(sluice_augment_describe(aug), want) == 0, "%s, not %s",
          sluice_augment_describe(aug), want);
    sluice_augment_free(aug);
    snprintf(text, sizeof(text), "%.1f", 0.5);
    CHECK(strcmp(text, "0,5") == 0, "the program speaks another language: %s", text);
    return check_done();
}
