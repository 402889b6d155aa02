/* damage.c -- what becomes of a sample that cannot be shown: opt.on_error. What is done
 * depends on the samples in use and on their bytes alone, so every thread and backend
 * that meets the damage does the same. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

enum { IN_A_ROW = 64, NAMED_MAX = 1000 };

/* A file that was cut while open is no matter of single samples. */
static bool was_cut(const struct sluice_loader *ld)
{
    uint64_t now = 0;
    return ld->file.sys->size(ld->file.fd, &now) < 0 || now < ld->file.size;
}

static int note(struct chunk *c, int position, uint64_t sample, uint64_t substitute,
                const char *message, struct sluice_error *err)
{
    struct damage *d = malloc(sizeof(*d));
    if (!d)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory to note damage: %.400s",
                           message);
    *d = (struct damage){ .next = c->damage,
                          .position = position,
                          .told = { .sample = sample, .substitute = substitute } };
    snprintf(d->told.message, sizeof(d->told.message), "%s", message);
    c->damage = d;
    return 0;
}

/* ---- a substitute ---- */

/* Sample `sample` in the place of another. 0; 1: it is damaged too; or an error. */
static int show_instead(struct worker *w, struct slot *slot, int position,
                        uint64_t sample, struct sluice_error *err)
{
    struct sluice_loader *ld = w->ld;
    struct sluice_extent x;
    const uint8_t *there;
    size_t done;
    bool damaged = false;
    if (sluice_sample_locate(ld, sample, &x, err) < 0)
        return 1;
    uint8_t *bytes = malloc(x.size + 1);
    if (!bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %u bytes",
                           ld->file.path, x.size);
    int rc;
    there = bytes;
    if (ld->resident.base) {
        rc = sluice_resident_get(ld, sample, &x, bytes, &there, &w->bytes_read, err);
        damaged = rc == SLUICE_ECORRUPT;
    } else {
        rc = sluice_file_pread(&ld->file, bytes, x.size, x.offset, &done);
        w->bytes_read += done;
        if (rc < 0 || done < x.size)
            rc = sluice_file_fail(&ld->file, sample, &x, rc, err);
        else
            damaged = (rc = sluice_file_check(&ld->file, sample, &x, bytes, err)) < 0;
    }
    if (rc == 0) {
        sluice_slot_name(ld, slot, position, sample);
        rc = sluice_sample_show(w, slot, position, &x, there, &damaged, err);
    }
    free(bytes);
    return damaged ? 1 : rc;
}

static int substitute(struct worker *w, struct chunk *c, int position, int rc,
                      struct sluice_error *err)
{
    const struct sluice_loader *ld = w->ld;
    struct slot *slot = c->slot;
    const uint64_t bad = slot->ids[position];
    const uint64_t index =
        sluice_view_index(ld, slot->batch.epoch, slot->first + (uint64_t)position);
    struct sluice_error why;
    for (uint64_t i = 1; i < IN_A_ROW && i < ld->in_use; i++) {
        const uint64_t other = sluice_view_sample(ld, (index + i) % ld->in_use);
        const int got = show_instead(w, slot, position, other, &why);
        if (got == 0)
            return note(c, position, bad, other, err->message, err);
        if (got < 0) {
            *err = why;
            return got;
        }
    }
    why = *err;
    return sluice_fail(err, (enum sluice_code)rc, "%.400s; so are those behind it",
                       why.message);
}

int sluice_sample_damaged(struct worker *w, struct chunk *c, int position, int rc,
                          struct sluice_error *err)
{
    const struct sluice_loader *ld = w->ld;
    const uint64_t sample = c->slot->ids[position];
    if (ld->opt.on_error == SLUICE_RAISE || was_cut(ld))
        return rc;
    if (ld->opt.on_error == SLUICE_SUBSTITUTE)
        return substitute(w, c, position, rc, err);
    return note(c, position, sample, sample, err->message, err);
}

int sluice_sample_put(struct worker *w, struct chunk *c, int position,
                      const struct sluice_extent *x, const uint8_t *bytes,
                      struct sluice_error *err)
{
    bool damaged;
    const int rc = sluice_sample_show(w, c->slot, position, x, bytes, &damaged, err);
    return damaged ? sluice_sample_damaged(w, c, position, rc, err) : rc;
}

/* ---- records ---- */

void sluice_damage_collect(struct chunk *c)
{
    while (c->damage) {
        struct damage *d = c->damage, **at = &c->slot->damage;
        c->damage = d->next;
        while (*at && (*at)->position < d->position)
            at = &(*at)->next;
        d->next = *at;
        *at = d;
    }
}

void sluice_damage_drop(struct slot *slot)
{
    while (slot->damage) {
        struct damage *d = slot->damage;
        slot->damage = d->next;
        free(d);
    }
}

static bool is_known(const struct sluice_loader *ld, uint64_t sample)
{
    for (int i = 0; i < ld->stats.damaged_samples; i++)
        if (ld->damaged[i].sample == sample)
            return true;
    return false;
}

/* Without memory for the name the count still tells. */
static void name(struct sluice_loader *ld, const struct sluice_damage *told)
{
    int *count = &ld->stats.damaged_samples;
    if (*count == NAMED_MAX || is_known(ld, told->sample))
        return;
    if (*count == ld->damaged_room) {
        const int room = ld->damaged_room ? ld->damaged_room * 2 : 8;
        struct sluice_damage *more = realloc(ld->damaged, (size_t)room * sizeof(*more));
        if (!more)
            return;
        ld->damaged = more;
        ld->damaged_room = room;
    }
    ld->damaged[(*count)++] = *told;
}

void sluice_damage_count(struct sluice_loader *ld, struct slot *slot)
{
    for (const struct damage *d = slot->damage; d; d = d->next) {
        ld->stats.damaged++;
        name(ld, &d->told);
    }
    sluice_damage_drop(slot);
}

int sluice_loader_damage(struct sluice_loader *ld, int i, struct sluice_damage *out)
{
    if (ld->pid != getpid())
        return SLUICE_EINVAL;
    pthread_mutex_lock(&ld->lock);
    const bool there = i >= 0 && i < ld->stats.damaged_samples;
    if (there)
        *out = ld->damaged[i];
    pthread_mutex_unlock(&ld->lock);
    return there ? 0 : SLUICE_EINVAL;
}

/* ---- skipping ---- */

static void move(const struct sluice_loader *ld, struct slot *s, int to, int from,
                 int count)
{
    uint8_t *pixels = s->batch.pixels;
    const size_t columns = (size_t)ld->label_columns, n = (size_t)count;
    memmove(pixels + (size_t)to * ld->out_bytes, pixels + (size_t)from * ld->out_bytes,
            n * ld->out_bytes);
    memmove(s->ids + to, s->ids + from, n * sizeof(*s->ids));
    memmove(s->labels + (size_t)to * columns, s->labels + (size_t)from * columns,
            n * columns * sizeof(*s->labels));
}

void sluice_damage_close_gaps(const struct sluice_loader *ld, struct slot *slot)
{
    const struct damage *d = slot->damage;
    int kept = d->position;
    for (; d; d = d->next) {
        const int from = d->position + 1,
                  to = d->next ? d->next->position : slot->count;
        move(ld, slot, kept, from, to - from);
        kept += to - from;
    }
    slot->batch.count = kept;
    if (kept || slot->failed_at < slot->count)
        return;
    slot->failed_at = 0;
    sluice_fail(&slot->error, SLUICE_ECORRUPT,
                "%s: epoch %" PRIu32 ", batch %" PRIu64
                ": all its samples are damaged; "
                "the first: %.300s",
                ld->file.path, slot->batch.epoch, slot->batch.number,
                slot->damage->told.message);
}
