/* fuzz_recipe.c -- any text taken for a recipe is refused with one line, or gives a
 * configuration whose record reads back to the same. */
#include "config.h"
#include "fuzz.h"
#include "yaml_read.h"

static void require_words(const struct sluice_error *err)
{
    FUZZ_REQUIRE(err->message[0]);
}

static void require_round_trip(const struct config *cfg)
{
    struct sluice_error err = { .message = "" };
    struct settings s = { 0 };
    struct config again;
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    FUZZ_REQUIRE(to);
    config_write(to, cfg, "heading");
    fclose(to);
    if (yaml_read(&s, "record", text, size, &err) < 0 ||
        config_resolve(&again, &s, &err) < 0)
        fprintf(stderr, "%s\n%s", err.message, text);
    FUZZ_REQUIRE(!err.message[0]);
    FUZZ_REQUIRE(memcmp(cfg, &again, sizeof(again)) == 0);
    settings_free(&s);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config cfg;
    struct sluice_error err = { .message = "" };
    struct settings s = { 0 };
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text);
    memcpy(text, data, size);
    text[size] = 0;
    if (yaml_read(&s, "fuzz", text, size, &err) < 0 ||
        config_resolve(&cfg, &s, &err) < 0)
        require_words(&err);
    else
        require_round_trip(&cfg);
    settings_free(&s);
    if (yaml_read_value(&s, "fuzz", "data", text, &err) < 0)
        require_words(&err);
    settings_free(&s);
    free(text);
    return 0;
}
