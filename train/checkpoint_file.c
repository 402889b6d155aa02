/* checkpoint_file.c -- what a checkpoint's file says, checked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "checkpoint_parts.h"
#include "whole_file.h"

/* Other programs write safetensors files, too. */
static int check_kind(const struct safetensors *st, const char *path,
                      struct sluice_error *err)
{
    if (safetensors_text(st, "sluice") || safetensors_text(st, "crc32c"))
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: not a checkpoint of sluice train: holds no recipe; "
                       "init.from= takes plain weights",
                       path);
}

/* Compared as text: a digit of another case is damage, too. */
int checkpoint_check_crc(const struct safetensors *st, const char *path,
                         const void *file, size_t size, struct sluice_error *err)
{
    const char *bytes = file;
    const struct safetensors_text *text = safetensors_text(st, "crc32c");
    char digits[CHECKPOINT_CRC_DIGITS + 1];
    if (!text || text->size != CHECKPOINT_CRC_DIGITS)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: carries no checksum of Sluice's",
                           path);
    uint32_t crc = sluice_crc32c(0, bytes, text->raw);
    crc = sluice_crc32c(crc, CHECKPOINT_NO_CRC, CHECKPOINT_CRC_DIGITS);
    crc = sluice_crc32c(crc, bytes + text->raw + CHECKPOINT_CRC_DIGITS,
                        size - text->raw - CHECKPOINT_CRC_DIGITS);
    snprintf(digits, sizeof digits, "%08" PRIx32, crc);
    if (memcmp(digits, bytes + text->raw, CHECKPOINT_CRC_DIGITS) != 0)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: checksum %s, the file has %.8s",
                           path, digits, bytes + text->raw);
    return 0;
}

/* Where the values of the metadata are read from. */
struct source {
    const struct safetensors *st;
    const char *path;
    struct sluice_error *err;
};

static const char *get(const struct source *s, const char *key)
{
    const struct safetensors_text *text = safetensors_text(s->st, key);
    if (!text)
        sluice_fail(s->err, SLUICE_ECORRUPT, "%s: its metadata lacks '%s'", s->path,
                    key);
    return text ? text->value : NULL;
}

static int get_text(const struct source *s, const char *key, char *out, size_t room)
{
    const char *value = get(s, key);
    if (!value)
        return SLUICE_ECORRUPT;
    if (strlen(value) >= room)
        return sluice_fail(s->err, SLUICE_ECORRUPT,
                           "%s: its metadata '%s' has %zu bytes, expected below %zu",
                           s->path, key, strlen(value), room);
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int get_u64(const struct source *s, const char *key, uint64_t *out)
{
    const char *value = get(s, key);
    if (!value)
        return SLUICE_ECORRUPT;
    char *end;
    *out = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end)
        return sluice_fail(s->err, SLUICE_ECORRUPT,
                           "%s: its metadata '%s' is '%.40s', expected a number",
                           s->path, key, value);
    return 0;
}

static int get_double(const struct source *s, const char *key, double *out)
{
    const char *value = get(s, key);
    if (!value)
        return SLUICE_ECORRUPT;
    char *end;
    *out = strtod(value, &end);
    if (end == value || *end)
        return sluice_fail(s->err, SLUICE_ECORRUPT,
                           "%s: its metadata '%s' is '%.40s', expected a number",
                           s->path, key, value);
    return 0;
}

static int get_meta(const struct source *s, struct checkpoint_meta *m,
                    uint64_t *optimizer_steps)
{
    uint64_t version;
    int rc = get_u64(s, "sluice", &version);
    if (rc == 0 && version != CHECKPOINT_VERSION)
        rc = sluice_fail(s->err, SLUICE_EVERSION,
                         "%s: version %" PRIu64 " of a checkpoint, this is for %d",
                         s->path, version, CHECKPOINT_VERSION);
    if (rc < 0 || (rc = get_text(s, "model", m->model, sizeof m->model)) < 0 ||
        (rc = get_u64(s, "seed", &m->seed)) < 0 ||
        (rc = get_u64(s, "epoch", &m->epoch)) < 0 ||
        (rc = get_u64(s, "batch", &m->batch)) < 0 ||
        (rc = get_u64(s, "step", &m->step)) < 0 ||
        (rc = get_u64(s, "optimizer_steps", optimizer_steps)) < 0 ||
        (rc = get_double(s, "best_accuracy", &m->best_accuracy)) < 0 ||
        (rc = get_text(s, "config_crc", m->config_crc, sizeof m->config_crc)) < 0 ||
        (rc = get_text(s, "extra", m->extra, sizeof m->extra)) < 0)
        return rc;
    return 0;
}

void checkpoint_file_close(struct checkpoint_file *l)
{
    safetensors_free(&l->st);
    free(l->bytes);
    l->bytes = NULL;
}

static int parse(struct checkpoint_file *l, const char *path, const void *bytes,
                 size_t size, struct sluice_error *err)
{
    const struct source source = { &l->st, path, err };
    int rc = safetensors_parse(&l->st, path, bytes, size, err);
    if (rc == 0)
        rc = check_kind(&l->st, path, err);
    if (rc == 0)
        rc = checkpoint_check_crc(&l->st, path, bytes, size, err);
    if (rc == 0)
        rc = get_meta(&source, &l->meta, &l->optimizer_steps);
    return rc;
}

int checkpoint_file_open(struct checkpoint_file *l, const char *path, uint64_t limit,
                         struct sluice_error *err)
{
    *l = (struct checkpoint_file){ 0 };
    int rc = whole_file_read(path, &l->bytes, &l->size, limit, err);
    if (rc == 0)
        rc = parse(l, path, l->bytes, l->size, err);
    if (rc < 0)
        checkpoint_file_close(l);
    return rc;
}

int checkpoint_parse(const char *path, const void *bytes, size_t size,
                     struct checkpoint_meta *meta, struct sluice_error *err)
{
    struct checkpoint_file l = { 0 };
    const int rc = parse(&l, path, bytes, size, err);
    if (rc == 0)
        *meta = l.meta;
    checkpoint_file_close(&l);
    return rc;
}

int checkpoint_read_meta(const char *path, struct checkpoint_meta *meta, char **recipe,
                         struct sluice_error *err)
{
    struct checkpoint_file l;
    int rc = checkpoint_file_open(&l, path, UINT64_MAX, err);
    if (rc < 0)
        return rc;
    *meta = l.meta;
    if (recipe) {
        const struct safetensors_text *text = safetensors_text(&l.st, "recipe");
        if (!(*recipe = strdup(text ? text->value : "")))
            rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    }
    checkpoint_file_close(&l);
    return rc;
}

double extra_number(const struct checkpoint_meta *meta, const char *key, double missing)
{
    char quoted[64], *end;
    const char *at;
    snprintf(quoted, sizeof(quoted), "\"%s\":", key);
    if (!(at = strstr(meta->extra, quoted)))
        return missing;
    double value = strtod(at + strlen(quoted), &end);
    return end == at + strlen(quoted) ? missing : value;
}
