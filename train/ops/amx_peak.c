/* amx_peak.c -- six accumulators, so that no product waits for the one before; operands
 * of random values, since zeros draw less power and run faster on some machines. */
#include "amx_peak.h"

#include "../clock.h"
#include "../device_cpu.h"
#include "amx.h"
#include "conv_amx.h"

enum {
    TRIES = 5,
    ITEMS = 64,    /* a thread */
    ROUNDS = 2000, /* an item; of six products */
};

static void multiply(void *arg, size_t begin, size_t end)
{
    const uint16_t *operands = arg;
    amx_begin();
    amx_zero();
    _tile_loadd(6, operands, 64);
    _tile_loadd(7, operands + AMX_TILE, 64);
    for (size_t i = begin * ROUNDS; i < end * ROUNDS; i++) {
        _tile_dpbf16ps(0, 6, 7);
        _tile_dpbf16ps(1, 6, 7);
        _tile_dpbf16ps(2, 6, 7);
        _tile_dpbf16ps(3, 6, 7);
        _tile_dpbf16ps(4, 6, 7);
        _tile_dpbf16ps(5, 6, 7);
    }
    amx_end();
}

double amx_peak(const struct device *dev)
{
    uint16_t operands[2 * AMX_TILE] __attribute__((aligned(64)));
    const size_t items = (size_t)dev->threads * ITEMS;
    double best = 0;
    uint32_t random = 1;
    if (dev->kind != DEVICE_CPU || dev->compute != SLUICE_BF16 || !amx_usable())
        return 0;
    for (int i = 0; i < 2 * AMX_TILE; i++) {
        random = random * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
        operands[i] = (uint16_t)((random >> 16 & 0x80ff) | 0x3f00); /* +-0.5 ... 2 */
    }
    for (int i = 0; i < TRIES; i++) {
        const double began = clock_seconds();
        threads_for(dev, items, 1 << 20, multiply, operands);
        const double rate =
            (double)items * ROUNDS * 6 * 2 * 16 * 16 * 32 / (clock_seconds() - began);
        best = rate > best ? rate : best;
    }
    return best;
}
