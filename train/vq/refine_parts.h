/* refine_parts.h -- a refiner as its own files see it. */
#ifndef SLUICE_REFINE_PARTS_H
#define SLUICE_REFINE_PARTS_H

#include "../arena.h"
#include "../workers.h"
#include "refine.h"

/* Places in the list of parameters; layer i of mid has MID + 2 i and the one behind. */
enum {
    SCALE,
    OUTPUT_BIAS,
    STAGE,
    IN0_WEIGHT,
    IN0_BIAS,
    IN1_WEIGHT,
    IN1_BIAS,
    OUT_WEIGHT,
    OUT_BIAS,
    MID,
    PARAMS_MOST = MID + 2 * REFINE_DEPTH_MOST,
};

enum {
    PART_ROWS = 1024,     /* of a large matrix: one worker's part */
    WEIGH_FLOATS = 32768, /* of a gradient at a time: they stay in level 2 */
    WEIGH_ROWS = 2048,    /* of these at most */
    SLICE_ROWS = 8192,    /* of P: one worker's part of a sum over it */
    BLOCK_ROWS = 128,     /* of a large matrix at a time, for all stages at once */
};

/* Latents of one stage, sorted by option. */
struct groups {
    int order[REFINE_BATCH_MOST];       /* latents, those of option 0 first */
    int first[REFINE_OPTIONS_MOST + 1]; /* where an option's begin in `order` */
    int used[REFINE_OPTIONS_MOST];      /* options that have any */
    int count;                          /* of these */
};

/* A gradient that is a sum of products: row r of it is the sum over i of d[i][r] x[i].
 */
struct weigh {
    size_t at, rows, cols;
    const float **d;
    const float *x; /* (n, cols) */
    int n;
    size_t part_rows, first_part;
};

/* Of all stages of a decode, for the folded way; see refine_fold.c. */
struct fold {
    bool made;          /* `products` are of the values as they are */
    float *products;    /* (K, H, H): in.0 out[k] */
    float *biases;      /* (T * min(widest, K), H): in.0 of biases that are taken */
    int *bias;          /* which these are: t K + k */
    int *first_bias;    /* (T + 1) where stage t's begin */
    float *x;           /* (T * widest, H): out_x, sorted by option */
    int *place;         /* (T * widest): where t's latent b is there: t * n + b */
    int *first;         /* (K + 1) where option k's begin there */
    float *hidden;      /* (widest, H): in.0 theta */
    float *pulls;       /* (K, batch, H): out[k] delta_T, transposed product */
    float *down;        /* (T, n, H): sum of d_in[0] of this and later stages */
    double *bias_dots;  /* (blocks of P, T * n): delta times biases */
    double *scale_dots; /* (T): delta times out[k] x, all latents */
    float *slices;      /* (slices of P, slice_each) */
    size_t slice_each;
};

struct refiner {
    struct refine_shape shape;
    int batch, widest, threads; /* widest: latents at once, decoded or sampled */
    bool training, folded, bf16;
    struct fold fold;
    struct workers *workers;
    const struct products *products;
    struct refine_param param[PARAMS_MOST];
    int params;
    struct arena memory;
    float *values, *moment[2];

    /* Of the decode that is differentiated: stage t's latent b of `decoded` stands at
     * (t * decoded + b) * H, or * P. */
    float *theta;     /* (T + 1, n, P) going into stage t; bias_only: (1, ...) */
    float *delta;     /* (T, n, P) of what comes out of stage t; likewise */
    float *in[2];     /* (T, n, H) outputs of the layers */
    float *mid;       /* (depth; T, n, H) */
    float *mid_x;     /* (T, n, H): in[1] + stage */
    float *out_x;     /* (T, n, H): mid + stage */
    float *d_in[2];   /* (T, n, H): before their relu */
    float *d_mid;     /* (depth; T, n, H) */
    float *d_stage;   /* (T, H) */
    float *d_scale;   /* (T) */
    uint8_t *latents; /* (batch, T) */
    int decoded;      /* n */

    /* Of a decode that is not: one stage at a time. */
    float *once; /* 4 + depth times (widest, H) */

    float *gathered;      /* (widest, H), sorted by option */
    float *partial;       /* (parts of P, widest, H) */
    double *partial_bias; /* (parts of P, widest) */
    float *scratch;       /* (threads, scratch_each) */
    size_t scratch_each;

    /* Of refiner_gradient. */
    struct weigh *weigh;
    int weighs;
    const float **rows; /* the d of all of these */
    float *by_option;   /* (T * batch, H): out_x times scale, sorted by option */
    float *scales;      /* (2 * T * batch): scale of each, in both orders */
    float *ones;        /* (T * batch) */
    float *candidates;  /* (options, P) of refiner_encode */
};

static inline float *refine_at(const struct refiner *r, int param)
{
    return r->values + r->param[param].at;
}

static inline size_t refine_parts_of(size_t rows)
{
    return (rows + PART_ROWS - 1) / PART_ROWS;
}

static inline size_t refine_slices_of(size_t rows)
{
    return (rows + SLICE_ROWS - 1) / SLICE_ROWS;
}

static inline size_t refine_blocks_of(size_t rows)
{
    return (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

static inline size_t refine_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline float *refine_scratch(const struct refiner *r)
{
    return r->scratch + (size_t)workers_self() * r->scratch_each;
}

/* Stage t of `latents` (n, stages). */
void refine_group(struct groups *g, const uint8_t *latents, int n, int stages,
                  int options, int t);
/* Whether a refiner of this shape goes the folded way. */
bool refine_folds(const struct refine_shape *shape, enum refine_way way);
/* Before the stages of n latents: what they need of in.0 and out. */
void refine_fold(struct refiner *r, const uint8_t *latents, int n);
/* The same of refiner_delta, before the stages downward. */
void refine_fold_pulls(struct refiner *r);
/* Behind the stages: theta_t to theta + t each, for every t or (each 0) the last alone.
 * theta_0 is there. */
void refine_unfold_thetas(const struct refiner *r, const uint8_t *latents, int n,
                          float *theta, size_t each);
/* Behind the stages downward: delta of all stages but the last, and fold.bias_dots. */
void refine_unfold_deltas(struct refiner *r);

/* All gradients to the sink but those of output_scale and stage, which are there. */
void refine_weigh(struct refiner *r, refine_sink *sink, void *arg);

/* delta of what stage t puts out */
float *refine_delta_at(const struct refiner *r, int t);
/* Of stage t: its part of an array (T, decoded, width). */
static inline float *refine_slot(const struct refiner *r, float *of, int t,
                                 size_t width)
{
    return of + (size_t)t * (size_t)r->decoded * width;
}

/* total[i] = the sum over the parts of P of partial[part][i], i < count. */
void refine_sum_parts(const struct refiner *r, size_t count, float *total);

#endif
