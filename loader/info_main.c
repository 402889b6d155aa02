/* info_main.c -- `sluice info`: what a .sluice file holds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice/format_emit.h>

#include "file.h"
#include "json.h"
#include "options.h"
#include "progress.h"

static const char program[] = "sluice info";

struct options {
    bool json;
};

static const struct cli_option option_table[] = {
    { "json", CLI_FLAG, offsetof(struct options, json), 0, 0, NULL, "as JSON" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

static const char *const kinds[] = {
    "?", "scalar", "image", "bytes", "tensor", "json"
};

enum { CLASSES_MAX = 65536, NAME_SHOWN = 256 };

/* Samples of each label, for all that have names or samples; NULL: a label is out of
 * range. */
static uint64_t *count_labels(const struct sluice_dataset *ds, int field, int *classes)
{
    const uint64_t samples = sluice_dataset_count(ds);
    *classes = sluice_dataset_classes(ds, field);
    for (uint64_t i = 0; i < samples; i++) {
        const int64_t label = sluice_dataset_integer(ds, field, i);
        if (label < 0 || (label >= *classes && label >= CLASSES_MAX))
            return NULL;
        *classes = label >= *classes ? (int)label + 1 : *classes;
    }
    uint64_t *counts = calloc((size_t)*classes + 1, sizeof(*counts));
    for (uint64_t i = 0; counts && i < samples; i++)
        counts[sluice_dataset_integer(ds, field, i)]++;
    return counts;
}

/* What is no JSON, as a string. */
static void print_json_provenance(const char *text)
{
    if (json_valid(text))
        printf("%s", text);
    else
        json_print_string(text);
}

static void print_json(const struct sluice_file *f)
{
    const struct sluice_dataset *ds = f->dataset;
    const struct sluice_commit *commit = sluice_dataset_commit(ds);
    const int channels = sluice_dataset_directory(ds)->stats_channels;
    int classes = 0;
    const int labels = sluice_dataset_find_label(ds);
    uint64_t *counts = labels < 0 ? NULL : count_labels(ds, labels, &classes);
    printf("{\"samples\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"segments\": %d, "
           "\"commits\": %" PRIu64 ", \"fields\": [",
           sluice_dataset_count(ds), f->size, sluice_dataset_segments(ds),
           commit->sequence);
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *field = sluice_dataset_field(ds, i);
        printf("%s{\"name\": ", i ? ", " : "");
        json_print_string(field->name);
        printf(", \"kind\": \"%s\", \"dtype\": \"%s\", \"shape\": [",
               kinds[field->kind], sluice_dtype_name((int)field->dtype));
        const int axes = field->kind == SLUICE_KIND_IMAGE ? 3 : field->rank;
        for (int k = 0; k < axes; k++)
            printf("%s%u", k ? ", " : "", field->shape[k]);
        printf("]}");
    }
    printf("], \"classes\": [");
    for (int k = 0; counts && k < classes; k++) {
        const char *name = sluice_dataset_class_name(ds, labels, k);
        printf("%s{\"name\": ", k ? ", " : "");
        json_print_string(name ? name : "");
        printf(", \"samples\": %" PRIu64 "}", counts[k]);
    }
    printf("], \"mean\": [");
    for (int k = 0; k < channels; k++)
        printf("%s%.9g", k ? ", " : "", sluice_dataset_mean(ds)[k]);
    printf("], \"std\": [");
    for (int k = 0; k < channels; k++)
        printf("%s%.9g", k ? ", " : "", sluice_dataset_std(ds)[k]);
    printf("], \"provenance\": ");
    print_json_provenance(sluice_dataset_provenance(ds));
    printf("}\n");
    free(counts);
}

static void print_fields(const struct sluice_dataset *ds)
{
    char name[64];
    for (int i = 0; i < sluice_dataset_field_count(ds); i++) {
        const struct sluice_field *f = sluice_dataset_field(ds, i);
        const int axes = f->kind == SLUICE_KIND_IMAGE ? 3 : f->rank;
        printf("  %-16s %-7s %-5s", text_name(name, sizeof(name), f->name),
               kinds[f->kind], sluice_dtype_name((int)f->dtype));
        for (int k = 0; k < axes; k++)
            if (f->shape[k])
                printf("%s%u", k ? "x" : " ", f->shape[k]);
            else
                printf("%s?", k ? "x" : " ");
        putchar('\n');
    }
}

/* On one line, cleaned as names are, however long it is. */
static void print_provenance(const char *text)
{
    printf("from ");
    for (const char *at = text; *at; at++)
        putchar(*at == '\t' || *at == '\r' || *at == '\n'  ? ' '
                : (unsigned char)*at < 0x20 || *at == 0x7f ? '?'
                                                           : *at);
    putchar('\n');
}

static void print_text(const struct sluice_file *f)
{
    char count[32], size[32], memory[32], shown[NAME_SHOWN];
    const struct sluice_dataset *ds = f->dataset;
    const int channels = sluice_dataset_directory(ds)->stats_channels;
    int classes = 0;
    const int labels = sluice_dataset_find_label(ds);
    uint64_t *counts = labels < 0 ? NULL : count_labels(ds, labels, &classes);
    printf("%s: %s sample%s, %s, %d segment%s; %s resident once open\n", f->path,
           text_count(count, sluice_dataset_count(ds)),
           sluice_dataset_count(ds) == 1 ? "" : "s", text_bytes(size, f->size),
           sluice_dataset_segments(ds), sluice_dataset_segments(ds) == 1 ? "" : "s",
           text_bytes(memory, sluice_dataset_memory(ds)));
    printf("fields\n");
    print_fields(ds);
    if (channels) {
        printf("mean");
        for (int k = 0; k < channels; k++)
            printf(" %.4f", sluice_dataset_mean(ds)[k]);
        printf("   std");
        for (int k = 0; k < channels; k++)
            printf(" %.4f", sluice_dataset_std(ds)[k]);
        printf("   (of 0..255)\n");
    }
    if (counts)
        printf("classes of %s\n",
               text_name(shown, sizeof(shown), sluice_dataset_field(ds, labels)->name));
    for (int k = 0; counts && k < classes; k++) {
        const char *name = sluice_dataset_class_name(ds, labels, k);
        printf("  %4d %-24s %10s\n", k,
               text_name(shown, sizeof(shown), name ? name : ""),
               text_count(count, counts[k]));
    }
    print_provenance(sluice_dataset_provenance(ds));
    free(counts);
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary =
            "What a .sluice file holds: schema, counts, classes, statistics, origin.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    struct options opt = { 0 };
    struct sluice_error err;
    struct sluice_file file;
    const char *path;
    cli_parse(&spec, argc, argv, &opt, &path);
    if (sluice_file_open(&file, path, &sluice_sys_real, &err) < 0)
        return cli_report(program, &err);
    cli_warn_slot(program, file.dataset);
    if (opt.json)
        print_json(&file);
    else
        print_text(&file);
    sluice_file_close(&file);
    return cli_finish(program, CLI_OK);
}
