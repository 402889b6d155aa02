/* tiles_on_host.h -- matrix tiles without such a CPU. The kernels' files are compiled
 * once more with this before their first line (-include), so that the tile instructions
 * in them are calls of tiles_on_host.c. It needs AVX512-BF16, as what stands between
 * the instructions does.
 *
 * Each thread has its tiles. They are noise when they are configured, so that a sum
 * that was never begun shows, and gone when they are released; whatever is loaded and
 * stored is ordinary memory to the sanitizers, which tile instructions are not. */
#ifndef SLUICE_TILES_ON_HOST_H
#define SLUICE_TILES_ON_HOST_H

#include <immintrin.h>
#include <stddef.h>

void tiles_configure(const void *config);
void tiles_release(void);
void tiles_zero(int tile);
void tiles_load(int tile, const void *from, size_t stride);
void tiles_store(int tile, void *to, size_t stride);
/* Intel's manual (319433), TDPBF16PS: even and odd products are summed apart, fused,
 * and then added to the result. What it says of denormals is left out. */
void tiles_multiply(int sums, int left, int right);

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig tiles_configure
#define _tile_release tiles_release
#define _tile_zero tiles_zero
#define _tile_loadd tiles_load
#define _tile_stored tiles_store
#define _tile_dpbf16ps tiles_multiply

#endif
