/* fuzz_csv.c -- any bytes taken for CSV are refused with words that name a line, or
 * give records whose fields lie one behind the other within those bytes; and a record
 * written with every field quoted is read as it was. */
#include "csv.h"
#include "fuzz.h"

static char *quote(char *to, const char *field)
{
    *to++ = '"';
    for (; *field; field++) {
        if (*field == '"')
            *to++ = '"';
        *to++ = *field;
    }
    *to++ = '"';
    return to;
}

/* `fields` again, through text. */
static void read_back(char *const *fields, int n, size_t size)
{
    char *text = malloc(2 * size + 3 * (size_t)n + 1), *to = text,
         *again[CSV_FIELDS_MAX];
    struct csv c;
    FUZZ_REQUIRE(text);
    for (int i = 0; i < n; i++) {
        if (i)
            *to++ = ',';
        to = quote(to, fields[i]);
    }
    csv_begin(&c, "again", text, (size_t)(to - text));
    FUZZ_REQUIRE(csv_next(&c, again, NULL) == n);
    for (int i = 0; i < n; i++)
        FUZZ_REQUIRE(strcmp(fields[i], again[i]) == 0);
    FUZZ_REQUIRE(csv_next(&c, again, NULL) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sluice_error err = { 0 };
    struct csv c;
    char *fields[CSV_FIELDS_MAX], *text = malloc(size + 1);
    uint64_t line = 0;
    int n;
    FUZZ_REQUIRE(text);
    memcpy(text, data, size);
    csv_begin(&c, "list", text, size);
    while ((n = csv_next(&c, fields, &err)) > 0) {
        FUZZ_REQUIRE(c.line > line && n <= CSV_FIELDS_MAX);
        line = c.line;
        for (int i = 0; i < n; i++) {
            FUZZ_REQUIRE(fields[i] >= text &&
                         fields[i] + strlen(fields[i]) <= text + size);
            FUZZ_REQUIRE(i == 0 || fields[i] > fields[i - 1] + strlen(fields[i - 1]));
        }
        read_back(fields, n, size);
    }
    FUZZ_REQUIRE(n == 0 || strstr(err.message, "list: line "));
    free(text);
    return 0;
}
