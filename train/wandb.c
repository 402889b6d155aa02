/* wandb.c -- what a run records for Weights & Biases while it goes on; see wandb.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text_write.h"
#include "wandb_parts.h"

/* Record { 1 number; field { message } } */
void wandb_record(struct wandb *w, unsigned field, struct proto *m)
{
    struct proto record;
    if (!proto_begin(&record)) {
        fclose(m->to);
        free(m->bytes);
        return;
    }
    proto_number(record.to, 1, ++w->number);
    proto_end(m, record.to, field);
    fclose(record.to);
    wandb_log_append(w->file, &w->offset, record.bytes, record.size);
    free(record.bytes);
}

double wandb_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void put_value(FILE *to, const char *key, double value)
{
    char text[NUMBER_TEXT];
    number_text(text, value);
    proto_item(to, 1, 2, key, strlen(key), text, strlen(text));
}

static void put_values(struct wandb *w, FILE *to)
{
    const double at = wandb_now();
    for (int i = 0; i < w->tags; i++)
        if (w->last[i].fresh)
            put_value(to, w->last[i].tag, w->last[i].value);
    put_value(to, "_timestamp", at);
    put_value(to, "_runtime", at - w->start);
    put_value(to, "_step", (double)w->step);
}

/* The row's history and what the summary becomes by it. The step stands first: see
 * step_of. */
static void put_row(struct wandb *w)
{
    struct proto m, step;
    if (!w->row)
        return;
    w->row = false;
    if (proto_begin(&m)) {
        if (proto_begin(&step)) {
            proto_number(step.to, 1, w->step);
            proto_end(&step, m.to, 2);
        }
        put_values(w, m.to);
        wandb_record(w, HISTORY, &m);
    }
    if (proto_begin(&m)) {
        put_values(w, m.to);
        wandb_record(w, SUMMARY, &m);
    }
    for (int i = 0; i < w->tags; i++)
        w->last[i].fresh = false;
}

/* Room for one more. */
static bool has_room(struct wandb *w)
{
    if (w->tags < w->tags_room)
        return true;
    const int room = w->tags_room ? 2 * w->tags_room : 32;
    struct wandb_last *last = realloc(w->last, (size_t)room * sizeof(*last));
    if (!last)
        return false;
    w->last = last;
    w->tags_room = room;
    return true;
}

void wandb_set(struct wandb *w, const char *tag, double value, bool fresh)
{
    int i = 0;
    while (i < w->tags && strncmp(w->last[i].tag, tag, TAG_MAX - 1) != 0)
        i++;
    if (i == w->tags) {
        if (!has_room(w))
            return;
        snprintf(w->last[w->tags++].tag, TAG_MAX, "%s", tag);
    }
    w->last[i].value = value;
    w->last[i].fresh = fresh;
}

void wandb_value(struct wandb *w, const char *tag, uint64_t step, double value)
{
    if (!isfinite(value))
        return;
    if (w->row && w->step != step)
        put_row(w);
    wandb_set(w, tag, value, true);
    w->step = step;
    w->row = true;
}

void wandb_summary(struct wandb *w, const char *tag, double value)
{
    struct proto m;
    put_row(w);
    if (!isfinite(value) || !proto_begin(&m))
        return;
    wandb_set(w, tag, value, false);
    put_value(m.to, tag, value);
    wandb_record(w, SUMMARY, &m);
}

int wandb_flush(struct wandb *w, struct sluice_error *err)
{
    put_row(w);
    return file_flush(w->file, w->path, err);
}

int wandb_sync(struct wandb *w, struct sluice_error *err)
{
    put_row(w);
    return file_sync(w->file, w->path, err);
}

static int write_summary(const struct wandb *w, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    snprintf(path, sizeof(path), "%.1900s/files/wandb-summary.json", w->folder);
    const int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    fprintf(f.to, "{\"_step\": %" PRIu64, w->step);
    for (int i = 0; i < w->tags; i++)
        fprintf(f.to, ", \"%s\": %.17g", w->last[i].tag, w->last[i].value);
    fputs("}\n", f.to);
    return file_commit(&f, err);
}

int wandb_finish(struct wandb *w, struct sluice_error *err)
{
    struct proto m;
    put_row(w);
    if (proto_begin(&m))
        wandb_record(w, EXIT, &m);
    const int rc = file_flush(w->file, w->path, err);
    return rc < 0 || !w->tags ? rc : write_summary(w, err);
}

void wandb_close(struct wandb *w)
{
    if (w && w->file) {
        put_row(w);
        fclose(w->file);
    }
    if (w)
        free(w->last);
    free(w);
}
