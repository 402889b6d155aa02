/* limits.c -- every number of every operation, given as what is no number, endless,
 * huge or just outside its range: refused with a line that names the operation and the
 * option. The registry says what there is, so nothing is left out. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "registry.h"

static const double mean[] = { 125, 122, 113 }, std[] = { 51, 50, 52 };

static const char *const odd[] = {
    "nan",
    "-nan",
    "NAN",
    "inf",
    "-inf",
    "infinity",
    "1e999",
    "-1e999",
    "1e308",
    "-1e308",
    "99999999999999999999",
    "-99999999999999999999",
    "-1e-300x",
    "",
    "-",
    "+",
    ".",
    "e5",
    "1e",
    "--1",
    "1 1",
    "0x",
    "one",
    "\xc2\xbd",
};

static bool is_number(const struct op_option *o)
{
    return o->kind == OPTION_INT || o->kind == OPTION_REAL || o->kind == OPTION_PAIR ||
           o->kind == OPTION_TWO || o->kind == OPTION_MEAN || o->kind == OPTION_STD;
}

/* The operation with this value, and whatever else must be given. */
static void write_pipeline(char *to, size_t size, const struct op_def *def,
                           const struct op_option *o, const char *value)
{
    int used = snprintf(to, size, "%s:%s=%s", def->name, o->key, value);
    for (const struct op_option *k = def->options; k->key; k++)
        if (k != o && !k->fallback)
            used +=
                snprintf(to + used, size - (size_t)used, ":%s=%.10g", k->key, k->low);
}

static void refuses(const struct op_def *def, const struct op_option *o,
                    const char *value)
{
    const struct sluice_augment_options options = {
        .source = { 32, 32, 3, SLUICE_U8, SLUICE_NHWC },
        .dtype = SLUICE_F32,
        .mean = mean,
        .std = std,
        .mixes = 1,
    };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    char pipeline[300];
    write_pipeline(pipeline, sizeof(pipeline), def, o, value);
    const int rc = sluice_augment_create(&a, pipeline, &options, &err);
    CHECK(rc == SLUICE_EINVAL && !a, "%s: code %d", pipeline, rc);
    CHECK(strstr(err.message, def->name), "%s: '%s' names no operation", pipeline,
          err.message);
    CHECK(strstr(err.message, o->key), "%s: '%s' names no option", pipeline,
          err.message);
    CHECK(!strchr(err.message, '\n'), "%s: more than a line", pipeline);
    sluice_augment_free(a);
}

static void beyond(const struct op_def *def, const struct op_option *o)
{
    const double step = o->kind == OPTION_INT ? 1 : fmax(fabs(o->high), 1) * 1e-6;
    char value[100];
    snprintf(value, sizeof(value), "%.17g", o->high + step);
    refuses(def, o, value);
    snprintf(value, sizeof(value), "%.17g", o->low - step);
    refuses(def, o, value);
    if (o->kind == OPTION_INT)
        refuses(def, o, "1.5");
    if (o->kind == OPTION_PAIR || o->kind == OPTION_TWO) {
        snprintf(value, sizeof(value), "%.17g/nan", o->low);
        refuses(def, o, value);
        snprintf(value, sizeof(value), "%.17g/%.17g/%.17g", o->low, o->low, o->low);
        refuses(def, o, value);
    }
}

int main(void)
{
    int numbers = 0;
    for (int i = 0; i < OP_COUNT; i++) {
        const struct op_def *def = sluice_augment_def(i);
        for (const struct op_option *o = def->options; o && o->key; o++) {
            if (!is_number(o))
                continue;
            numbers++;
            for (size_t k = 0; k < sizeof(odd) / sizeof(*odd); k++)
                refuses(def, o, odd[k]);
            beyond(def, o);
        }
    }
    CHECK(numbers > 40, "%d numbers", numbers);
    return check_done();
}
