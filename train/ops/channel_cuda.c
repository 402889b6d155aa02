/* channel_cuda.c -- see channel_cuda.h. */
#include "channel_cuda.h"

struct channel_args channel_cut(const struct tensor *t)
{
    struct channel_args a = { .dtype = t->dtype,
                              .rows = op_pixels(t),
                              .c = op_channels(t),
                              .tile_runs = TILE_RUNS };
    const int runs = (int)runs_of((size_t)a.c);
    while (a.tile_runs / 2 >= runs)
        a.tile_runs /= 2;
    a.tiles = (runs + a.tile_runs - 1) / a.tile_runs;
    a.chunk_rows = (a.rows + CHUNKS_MOST - 1) / CHUNKS_MOST;
    if (a.chunk_rows < CHUNK_LEAST)
        a.chunk_rows = CHUNK_LEAST;
    a.chunks = (int)((a.rows + a.chunk_rows - 1) / a.chunk_rows);
    return a;
}

size_t channel_partial_bytes(const struct channel_args *a)
{
    return (size_t)a->chunks * 2 * (size_t)a->c * sizeof(float);
}

static int partial_sums(struct gpu *gpu, const struct channel_args *a,
                        struct sluice_error *err)
{
    const int blocks = a->chunks * a->tiles;
    switch (a->sums) {
    case SUMS_PLAIN:
        return launch_channel_plain(gpu, blocks, BLOCK, a, err);
    case SUMS_MOMENTS:
        return launch_channel_moments(gpu, blocks, BLOCK, a, err);
    case SUMS_BACKWARD:
        return launch_channel_backward(gpu, blocks, BLOCK, a, err);
    case SUMS_NONE:
        break;
    }
    return 0;
}

int channel_sum_up(struct gpu *gpu, const struct channel_args *a,
                   struct sluice_error *err)
{
    const int blocks = (a->c + SETTLE_CHANNELS - 1) / SETTLE_CHANNELS;
    const int rc = partial_sums(gpu, a, err);
    return rc < 0 ? rc : launch_channel_settle(gpu, blocks, BLOCK, a, err);
}

int channel_norm_apply(struct gpu *gpu, const struct channel_args *a,
                       struct sluice_error *err)
{
    return launch_norm_apply(gpu, a->chunks * a->tiles, BLOCK, a, err);
}

int channel_norm_backward(struct gpu *gpu, const struct channel_args *a,
                          struct sluice_error *err)
{
    return launch_norm_backward(gpu, a->chunks * a->tiles, BLOCK, a, err);
}
