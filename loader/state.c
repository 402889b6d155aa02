/* state.c -- where a loader stands, as a value: taken, given back to the same or
 * another number of ranks, and its text. The state counts places of the epoch's order,
 * not batches, so that worlds and batch sizes may change; see order.h for what is left
 * of an epoch then. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/crc32c.h>

#include "core.h"

/* ---- what decides the order ---- */

static uint32_t add_number(uint32_t crc, uint64_t n)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(n >> 8 * i);
    return sluice_crc32c(crc, bytes, sizeof(bytes));
}

static uint32_t add_numbers(uint32_t crc, const uint64_t *n, uint64_t count)
{
    for (uint64_t i = 0; n && i < count; i++)
        crc = add_number(crc, n[i]);
    return crc;
}

/* The file by the checksums of some of its samples. */
static uint32_t add_file(uint32_t crc, const struct sluice_loader *ld)
{
    enum { LOOKS = 64 };
    const uint64_t count = sluice_dataset_count(ld->file.dataset);
    const uint64_t step = count / LOOKS + 1;
    struct sluice_extent x;
    crc = add_number(crc, count);
    for (uint64_t i = 0; i < count; i += step)
        if (sluice_dataset_locate(ld->file.dataset, ld->image_field, i, &x, NULL) == 0)
            crc = add_number(crc, (uint64_t)x.size << 32 | x.crc);
    return crc;
}

uint32_t sluice_view_checksum(const struct sluice_loader *ld)
{
    const struct sluice_draws *d = &ld->draws;
    uint32_t crc = add_file(0, ld);
    crc = add_number(crc, (uint64_t)ld->opt.order);
    if (ld->opt.order == SLUICE_QUASI_RANDOM)
        crc = add_number(add_number(crc, ld->opt.block), ld->opt.open_blocks);
    crc = add_number(crc, ld->in_use);
    crc = add_numbers(crc, ld->subset, ld->in_use);
    crc = add_number(crc, d->count);
    crc = add_numbers(crc, d->edges, d->count);
    crc = add_numbers(crc, d->first, d->count);
    return add_numbers(crc, d->members, d->members ? ld->in_use : 0);
}

/* ---- taken and given back ---- */

int sluice_loader_get_state(struct sluice_loader *ld, struct sluice_loader_state *out,
                            struct sluice_error *err)
{
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    pthread_mutex_lock(&ld->lock);
    const struct sluice_share share = sluice_share_of(ld, ld->epoch);
    *out = (struct sluice_loader_state){
        .seed = ld->opt.seed,
        .epoch = ld->epoch,
        .position = ld->delivered == sluice_share_batches(&share)
                        ? ld->count
                        : share.shift + ld->delivered * share.batch_size * share.world,
        .samples = ld->count,
        .view = ld->view,
    };
    pthread_mutex_unlock(&ld->lock);
    return 0;
}

int sluice_loader_set_state(struct sluice_loader *ld,
                            const struct sluice_loader_state *state,
                            struct sluice_error *err)
{
    const uint64_t round = ld->share.batch_size * ld->share.world;
    const char *path = ld->file.path;
    if (state->samples != ld->count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: the state is of epochs of %" PRIu64
                           " samples, here they have %" PRIu64,
                           path, state->samples, ld->count);
    if (state->seed != ld->opt.seed)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: the state is of seed %" PRIu64 ", here it is %" PRIu64,
                           path, state->seed, ld->opt.seed);
    if (state->view != ld->view)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: the state is of another file, order, subset or weights "
                           "(view %08" PRIx32 ", here %08" PRIx32 ")",
                           path, state->view, ld->view);
    if (state->position > ld->count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: the state is at place %" PRIu64 " of %" PRIu64, path,
                           state->position, ld->count);
    if (state->position == ld->count)
        return sluice_loader_go(ld, state->epoch, UINT64_MAX, 0, err);
    return sluice_loader_go(ld, state->epoch, state->position / round,
                            state->position % round, err);
}

/* ---- text ---- */

int sluice_loader_state_print(const struct sluice_loader_state *s, char *out,
                              size_t size)
{
    return snprintf(out, size,
                    "{\"version\": 1, \"seed\": \"%" PRIu64 "\", \"epoch\": %" PRIu32
                    ", \"position\": %" PRIu64 ", \"samples\": %" PRIu64
                    ", \"view\": \"%08" PRIx32 "\"}",
                    s->seed, s->epoch, s->position, s->samples, s->view);
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* A number, in quotes or not; NULL: none, or one beyond `max`. */
static const char *parse_number(const char *p, int base, uint64_t max, uint64_t *out)
{
    const bool quoted = *p == '"';
    const size_t digits =
        strspn(p + quoted, base == 16 ? "0123456789abcdef" : "0123456789");
    char *end;
    if (!digits || (base == 16 && !quoted))
        return NULL;
    errno = 0;
    *out = strtoull(p + quoted, &end, base);
    if (errno || *out > max || end != p + quoted + digits || (quoted && *end++ != '"'))
        return NULL;
    return end;
}

int sluice_loader_state_parse(struct sluice_loader_state *out, const char *text,
                              struct sluice_error *err)
{
    enum { KEYS = 6 };
    static const struct {
        const char *name;
        int base;
        uint64_t max;
    } keys[KEYS] = {
        { "\"version\"", 10, 1 },          { "\"seed\"", 10, UINT64_MAX },
        { "\"epoch\"", 10, UINT32_MAX },   { "\"position\"", 10, UINT64_MAX },
        { "\"samples\"", 10, UINT64_MAX }, { "\"view\"", 16, UINT32_MAX }
    };
    uint64_t value[KEYS] = { 0 };
    int seen = 0, k;
    const char *p = skip_blanks(text);
    for (char before = '{'; p && *p == before; before = ',') {
        p = skip_blanks(p + 1);
        for (k = 0; k < KEYS; k++)
            if (strncmp(p, keys[k].name, strlen(keys[k].name)) == 0)
                break;
        if (k == KEYS || seen >> k & 1)
            break;
        seen |= 1 << k;
        p = skip_blanks(p + strlen(keys[k].name));
        p = *p == ':'
                ? parse_number(skip_blanks(p + 1), keys[k].base, keys[k].max, &value[k])
                : NULL;
        p = p ? skip_blanks(p) : NULL;
    }
    if (!p || *p != '}' || *skip_blanks(p + 1) || seen != (1 << KEYS) - 1 ||
        value[0] != 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected the state of a loader, {\"version\": 1, ...}, "
                           "found %.100s",
                           text);
    *out = (struct sluice_loader_state){ .seed = value[1],
                                         .epoch = (uint32_t)value[2],
                                         .position = value[3],
                                         .samples = value[4],
                                         .view = (uint32_t)value[5] };
    return 0;
}
