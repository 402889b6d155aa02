/* order.c -- the keyed permutation and the shares of ranks; see order.h.
 *
 * The permutation is the generalised Feistel network of Black and Rogaway ("Ciphers
 * with arbitrary finite domains", 2002) on Z_rows x Z_columns, with modular addition in
 * the place of exclusive or: it needs no power of two, so that only the few points
 * beyond `count` (fewer than its square root) are walked over again, which keeps the
 * loop nearly free of branches that the CPU cannot foretell. The round function is a
 * keyed 64-bit multiply-xorshift hash reduced by multiply-shift; the round keys are
 * Philox draws of a stream that no sample's draws use. Each round is invertible
 * whatever the hash gives, so the whole is a bijection by construction.
 *
 * Quality: a shuffle, not a cipher. For counts 3 to 6 every permutation is equally
 * frequent, for larger ones so is each (index, place) pair, and neighbours keep no
 * trace of having been neighbours: chi-square tests in tests/loader/order.c. A round of
 * few things has few outcomes, so small counts take more of them: with ten, the 720
 * orders of six things differ by 18 % in frequency. */
#include <assert.h>
#include <math.h>

#include <sluice/rng.h>

#include "draws.h"
#include "order.h"

enum { SMALL = 4096, ROUNDS_SMALL = SLUICE_ORDER_ROUNDS_MAX, ROUNDS = 10 };

static void init(struct sluice_permutation *p, uint64_t count, struct sluice_rng rng)
{
    assert(count > 0 && count >> 63 == 0);
    uint64_t root = (uint64_t)sqrt((double)count);
    while (root * root < count)
        root++;
    p->count = count;
    p->rows = root;
    p->columns = (count + root - 1) / root;
    p->rounds = count < SMALL ? ROUNDS_SMALL : ROUNDS;
    for (int i = 0; i < p->rounds; i++) {
        p->key[i] = (uint64_t)sluice_rng_u32(&rng) << 32;
        p->key[i] |= sluice_rng_u32(&rng);
    }
}

/* No file has 2^63 samples: the streams of such numbers are the order's own. */
void sluice_permutation_init(struct sluice_permutation *p, uint64_t count,
                             uint64_t seed, uint32_t epoch)
{
    init(p, count, sluice_rng_open(seed, epoch, UINT64_MAX, UINT16_MAX));
}

void sluice_permutation_init_window(struct sluice_permutation *p, uint64_t count,
                                    uint64_t seed, uint32_t epoch, uint64_t window)
{
    assert(window >> 63 == 0);
    init(p, count, sluice_rng_open(seed, epoch, UINT64_MAX - 1 - window, UINT16_MAX));
}

/* Uniform in [0, n): the round function. */
static inline uint64_t scramble(uint64_t x, uint64_t key, uint64_t n)
{
    uint64_t h = (x + key) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return (h >> 32) * n >> 32;
}

static inline uint64_t encipher(const struct sluice_permutation *p, uint64_t index)
{
    uint64_t row = index / p->columns, column = index % p->columns;
    for (int i = 0; i < p->rounds; i += 2) {
        row += scramble(column, p->key[i], p->rows);
        row -= row >= p->rows ? p->rows : 0;
        column += scramble(row, p->key[i + 1], p->columns);
        column -= column >= p->columns ? p->columns : 0;
    }
    return row * p->columns + column;
}

static uint64_t decipher(const struct sluice_permutation *p, uint64_t place)
{
    uint64_t row = place / p->columns, column = place % p->columns;
    for (int i = p->rounds - 2; i >= 0; i -= 2) {
        column += p->columns - scramble(row, p->key[i + 1], p->columns);
        column -= column >= p->columns ? p->columns : 0;
        row += p->rows - scramble(column, p->key[i], p->rows);
        row -= row >= p->rows ? p->rows : 0;
    }
    return row * p->columns + column;
}

uint64_t sluice_permutation_at(const struct sluice_permutation *p, uint64_t index)
{
    assert(index < p->count);
    do /* cycle walking: ends, since the cycle comes back to index < count */
        index = encipher(p, index);
    while (index >= p->count);
    return index;
}

uint64_t sluice_permutation_find(const struct sluice_permutation *p, uint64_t place)
{
    assert(place < p->count);
    do
        place = decipher(p, place);
    while (place >= p->count);
    return place;
}

void sluice_epoch_order_init(struct sluice_epoch_order *o)
{
    if (o->kind == SLUICE_RANDOM)
        sluice_permutation_init(&o->permutation, o->count, o->seed, o->epoch);
    else if (o->kind == SLUICE_QUASI_RANDOM)
        sluice_blocks_init(o);
}

uint64_t sluice_epoch_order_at(const struct sluice_epoch_order *o,
                               struct sluice_window *w, uint64_t position)
{
    if (o->draws)
        return sluice_draws_at(o->draws, o->seed, o->epoch, position);
    switch (o->kind) {
    case SLUICE_RANDOM:
        return sluice_permutation_at(&o->permutation, position);
    case SLUICE_QUASI_RANDOM:
        return sluice_blocks_at(o, w, position);
    default:
        return position;
    }
}

uint64_t sluice_share_batches(const struct sluice_share *s)
{
    const uint64_t round = s->batch_size * s->world;
    const uint64_t count = s->count - s->shift;
    return count / round + (s->drop_last || count % round == 0 ? 0 : 1);
}

uint64_t sluice_share_batch(const struct sluice_share *s, uint64_t batch,
                            uint64_t *first)
{
    const uint64_t round = s->batch_size * s->world, begin = s->shift + batch * round;
    const uint64_t left = s->count - begin;
    if (left >= round) {
        *first = begin + s->rank * s->batch_size;
        return s->batch_size;
    }
    const uint64_t each = left / s->world, more = left % s->world;
    if (each == 0 && s->rank >= more) {
        *first = s->rank % s->count;
        return 1;
    }
    *first = begin + s->rank * each + (s->rank < more ? s->rank : more);
    return each + (s->rank < more ? 1 : 0);
}

uint64_t sluice_share_samples(const struct sluice_share *s)
{
    uint64_t first, batches = sluice_share_batches(s);
    return batches == 0 ? 0
                        : (batches - 1) * s->batch_size +
                              sluice_share_batch(s, batches - 1, &first);
}
