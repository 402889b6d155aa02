/* cat_main.c -- `sluice cat`: samples as lines of JSON, or the bytes of one field. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "json.h"
#include "options.h"
#include "packed.h"
#include "progress.h"

static const char program[] = "sluice cat";

enum { SAMPLES_MAX = 10000 };

struct options {
    const char *field;
};

static const struct cli_option option_table[] = {
    { "field", CLI_STRING, offsetof(struct options, field), 0, 0, NULL,
      "only the bytes of this field" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

/* ---- JSON ---- */

/* Enough digits to come back as the same value; JSON has no NaN and no infinity. */
static void print_real(double v)
{
    if (isfinite(v))
        printf("%.17g", v);
    else
        printf("\"%g\"", v);
}

static void print_scalar(const struct sluice_dataset *ds, int field, uint64_t sample)
{
    const int classes = sluice_dataset_classes(ds, field);
    if (sluice_dataset_field(ds, field)->dtype > SLUICE_I64) {
        print_real(sluice_dataset_real(ds, field, sample));
        return;
    }
    const int64_t v = sluice_dataset_integer(ds, field, sample);
    printf("%" PRId64, v);
    if (v >= 0 && v < classes) {
        printf(", \"class\": ");
        json_print_string(sluice_dataset_class_name(ds, field, (int)v));
    }
}

static bool is_json(const struct sluice_field *f, const struct sluice_value *v)
{
    return f->kind == SLUICE_KIND_JSON && v->size;
}

/* Whoever wrote the file, every line is to be JSON. */
static int check_json(const struct packed *p, uint64_t sample,
                      const struct sluice_field *f, const struct sluice_value *v,
                      struct sluice_error *err)
{
    char *text = malloc(v->size + 1);
    if (!text)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", v->size);
    memcpy(text, v->data, v->size);
    text[v->size] = 0;
    const bool valid = strlen(text) == v->size && json_valid(text);
    free(text);
    return valid ? 0
                 : sluice_fail(err, SLUICE_ECORRUPT,
                               "%.300s: sample %" PRIu64
                               ": field %s: expected JSON, found %zu bytes that are "
                               "none; --field=%s writes them",
                               p->path, sample, f->name, v->size, f->name);
}

/* On one line: within strings JSON has no line's end, elsewhere it is a blank. */
static void print_json(const struct sluice_value *v)
{
    const char *text = v->data;
    for (size_t i = 0; i < v->size; i++)
        putchar(text[i] == '\n' || text[i] == '\r' ? ' ' : text[i]);
}

static void print_payload(const struct sluice_field *f, const struct sluice_value *v)
{
    if (is_json(f, v)) {
        print_json(v);
        return;
    }
    printf("{\"bytes\": %zu, \"crc32c\": \"%08x\"", v->size,
           sluice_crc32c(0, v->data, v->size));
    if (f->kind == SLUICE_KIND_IMAGE)
        printf(", \"codec\": \"%s\", \"height\": %u, \"width\": %u, \"channels\": %u",
               v->codec == SLUICE_CODEC_JPEG ? "jpeg" : "raw", v->height, v->width,
               v->channels);
    putchar('}');
}

static int print_sample(struct packed *p, uint64_t sample, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    const int fields = sluice_dataset_field_count(p->dataset);
    int rc = packed_read(p, sample, values, err);
    for (int i = 0; i < fields && rc == 0; i++) {
        const struct sluice_field *f = sluice_dataset_field(p->dataset, i);
        if (is_json(f, &values[i]))
            rc = check_json(p, sample, f, &values[i], err);
    }
    if (rc < 0)
        return rc;
    printf("{\"sample\": %" PRIu64, sample);
    for (int i = 0; i < fields; i++) {
        const struct sluice_field *f = sluice_dataset_field(p->dataset, i);
        printf(", ");
        json_print_string(f->name);
        printf(": ");
        if (f->kind == SLUICE_KIND_SCALAR)
            print_scalar(p->dataset, i, sample);
        else
            print_payload(f, &values[i]);
    }
    printf("}\n");
    return 0;
}

/* ---- bytes ---- */

static int print_bytes(struct packed *p, uint64_t sample, int field,
                       struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    const int rc = packed_read(p, sample, values, err);
    if (rc < 0)
        return rc;
    if (fwrite(values[field].data, 1, values[field].size, stdout) != values[field].size)
        return sluice_fail(err, SLUICE_EIO, "standard output: %s", strerror(errno));
    return 0;
}

static int find_field(const struct sluice_dataset *ds, const char *name,
                      struct sluice_error *err)
{
    const int field = sluice_dataset_find(ds, name);
    if (field < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no field '%.60s'",
                           sluice_dataset_name(ds), name);
    if (sluice_dataset_field(ds, field)->kind == SLUICE_KIND_SCALAR)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: field %s is a number: leave --field out",
                           sluice_dataset_name(ds), name);
    return field;
}

static int print_all(struct packed *p, const char *const *samples, int count,
                     const char *name, struct sluice_error *err)
{
    const uint64_t total = sluice_dataset_count(p->dataset);
    int rc = name ? find_field(p->dataset, name, err) : 0;
    const int field = rc;
    for (int i = 0; i < count && rc >= 0; i++) {
        char *end;
        errno = 0;
        const uint64_t sample = strtoull(samples[i], &end, 10);
        if (*samples[i] < '0' || *samples[i] > '9' || *end || errno || sample >= total)
            rc = sluice_fail(err, SLUICE_EINVAL,
                             "%s: expected numbers of samples below %" PRIu64
                             ", found %.40s",
                             p->path, total, samples[i]);
        else
            rc = name ? print_bytes(p, sample, field, err)
                      : print_sample(p, sample, err);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE SAMPLE...",
        .summary =
            "Print samples of a .sluice file: a line of JSON for each, with its class\n"
            "behind the label; or, with --field, the field's bytes (of a picture in a\n"
            "JPEG, that JPEG; of a zstd frame, what it holds).\n",
        .options = option_table,
        .arguments_min = 2,
        .arguments_max = SAMPLES_MAX,
        .epilogue = "examples:\n"
                    "  sluice cat photos.sluice 17 --field=image >17.jpg\n",
    };
    static const char *arguments[SAMPLES_MAX];
    struct options opt = { .field = NULL };
    struct sluice_error err;
    struct packed p;
    const int n = cli_parse(&spec, argc, argv, &opt, arguments);
    cli_catch_signals();
    signal(SIGPIPE,
           SIG_DFL); /* a reader that has enough ends it: nothing is half-done */
    if (packed_open(&p, arguments[0], &err) < 0)
        return cli_report(program, &err);
    const int rc = print_all(&p, arguments + 1, n - 1, opt.field, &err);
    packed_close(&p);
    if (rc < 0)
        return cli_report(program, &err);
    return cli_finish(program, CLI_OK);
}
