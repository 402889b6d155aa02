/* make_notes.c FILE TEXT... -- a .sluice file with a field `note` of JSON: a sample for
 * each text, whatever it is. */
#include <string.h>

#include <sluice/writer.h>

#include "check.h"

int main(int argc, char **argv)
{
    static const struct sluice_field field = {
        "note", SLUICE_KIND_JSON, SLUICE_U8, 0, { 0 }
    };
    const struct sluice_schema schema = { .fields = &field, .field_count = 1 };
    struct sluice_writer *w;
    struct sluice_error err;
    REQUIRE(argc > 2, "FILE TEXT...");
    REQUIRE(sluice_writer_begin(&w, argv[1], &schema, &err) == 0, "%s", err.message);
    for (int i = 2; i < argc; i++) {
        const struct sluice_value v = { .data = argv[i], .size = strlen(argv[i]) };
        REQUIRE(sluice_writer_append(w, &v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    return 0;
}
