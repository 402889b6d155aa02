/* arena_plan.c -- things that live together never share a byte; things that do not, do.
 */
#include <stdint.h>
#include <string.h>

#include <sluice/rng.h>

#include "arena.h"
#include "check.h"

enum {
    COUNT = 60,
};

static int overlap(const struct arena_item *a, const struct arena_item *b)
{
    return a->first <= b->last && b->first <= a->last && a->size && b->size &&
           a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

static void random_lives(uint64_t seed)
{
    struct arena_item items[COUNT];
    struct sluice_rng rng = sluice_rng_at(seed, 0, 0);
    size_t sum = 0, used;
    for (int i = 0; i < COUNT; i++) {
        const int first = sluice_rng_range(&rng, 0, 100);
        items[i] = (struct arena_item){ .size = sluice_rng_below(&rng, 5000),
                                        .first = first,
                                        .last = first + sluice_rng_range(&rng, 0, 30) };
        sum += arena_round(items[i].size);
    }
    used = arena_plan(items, COUNT, 100);
    for (int i = 0; i < COUNT; i++) {
        CHECK(items[i].offset % ARENA_ALIGN == 0 && items[i].offset >= 100 &&
                  items[i].offset + items[i].size <= used,
              "item %d lies at %zu of %zu", i, items[i].offset, used);
        for (int j = 0; j < i; j++)
            CHECK(!overlap(&items[i], &items[j]),
                  "seed %d: items %d and %d share bytes", (int)seed, i, j);
    }
    CHECK(used < 128 + sum * 6 / 10, "%zu bytes for %zu", used, sum);
}

/* A training step's lives nest, and then the plan is as small as it can be. */
static void nested(void)
{
    struct arena_item items[20];
    for (int i = 0; i < 10; i++) {
        items[i] = (struct arena_item){ .size = 640, .first = i, .last = 20 - i };
        items[10 + i] =
            (struct arena_item){ .size = 640, .first = 20 - i, .last = 21 - i };
    }
    const size_t used = arena_plan(items, 20, 0);
    CHECK(used <= 12 * 640, "%zu bytes", used);
}

static void memory(void)
{
    struct arena arena;
    struct sluice_error err;
    REQUIRE(arena_open(&arena, 3000001, &err) == 0, "%s", err.message);
    int zero = 1;
    for (size_t i = 0; i < arena.size; i++)
        zero &= arena.base[i] == 0;
    CHECK(zero && arena.size >= 3000001 && (uintptr_t)arena.base % 64 == 0,
          "%zu bytes at %p", arena.size, (void *)arena.base);
    memset(arena.base, 1, arena.size);
    arena_close(&arena);
    CHECK(!arena.base, "closed");
    arena_close(&arena);
    CHECK(arena_open(&arena, SIZE_MAX / 2, &err) == SLUICE_ENOMEM && !arena.base,
          "an absurd size");
}

int main(void)
{
    for (uint64_t seed = 0; seed < 20; seed++)
        random_lives(seed);
    nested();
    memory();
    return check_done();
}
