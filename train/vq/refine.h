/* refine.h -- a network that writes the weights of other networks, stage by stage.
 *
 * A latent is a list of T = stages numbers below K = options. From theta = 0 (P = size
 * numbers) each stage t replaces theta by one of K proposals for it, the one that the
 * latent names:
 *
 *     h = relu(in.1 relu(in.0 theta))            P -> H -> H
 *     x = h + stage[t]
 *     x = relu(mid.i x), i = 0 ... depth - 1     H -> H
 *     o = out[k] (x + stage[t]) + output_bias[t][k]     H -> P
 *     theta = theta + output_scale[t] o
 *
 * where in, mid and out are linear layers with biases, the same for all stages. With
 * bias_only o is output_bias[t][k] alone, and nothing else is trained.
 *
 *     struct refiner *r;
 *     struct refine_shape shape = { .stages = 40, .options = 4, .hidden = 512,
 *                                   .depth = 2, .size = 60106 };
 *     refiner_open(&r, &(struct refiner_options){ shape, 4, 16, true }, workers, &err);
 *     refiner_init(r, seed);
 *     refiner_decode(r, latents, 4);     // theta_T of each: refiner_output(r)
 *     ... dL/dtheta_T into refiner_delta(r) ...
 *     refiner_gradient(r, sink, arg);    // the trained numbers' gradients, in pieces
 *
 * Threads: one refiner, one thread at a time; it uses the workers. No call but open
 * allocates. Results do not depend on how many workers there are. */
#ifndef SLUICE_REFINE_H
#define SLUICE_REFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#include "products.h"

struct workers;
struct refiner;

enum {
    REFINE_STAGES_MOST = 4096,
    REFINE_OPTIONS_MOST = 256,
    REFINE_HIDDEN_MOST = 16384,
    REFINE_DEPTH_MOST = 16,
    REFINE_BATCH_MOST = 64,
};

struct refine_shape {
    int stages, options, hidden, depth; /* T, K, H; at least 1 */
    size_t size;                        /* P */
    bool bias_only;
};

/* How stages are gone through: the same numbers but for rounding. */
enum refine_way {
    REFINE_AUTO,   /* by the shape alone, what reads and computes less */
    REFINE_DIRECT, /* as written above */
    REFINE_FOLDED, /* by products of in.0 and out, see refine_fold.c */
};

struct refiner_options {
    struct refine_shape shape;
    int batch;     /* latents decoded at once, at most */
    int samples;   /* latents sampled at once, at most; less than batch: batch */
    bool training; /* room for moments and for what a gradient needs */
    enum refine_way way;
    bool bf16; /* the folded way's products of in.0 and out, of numbers in bf16 */
};

/* How many numbers are trained. */
size_t refine_count(const struct refine_shape *shape);
/* Bytes that a refiner holds, without threads' scratch of a few MB. */
size_t refine_bytes(const struct refiner_options *options);

/* The workers (NULL: none) are borrowed. SLUICE_EINVAL for a shape out of bounds,
 * SLUICE_ENOMEM. All numbers are 0 afterwards. */
int refiner_open(struct refiner **out, const struct refiner_options *options,
                 struct workers *workers, int threads, struct sluice_error *err);
void refiner_close(struct refiner *r); /* NULL is fine */
/* Linear layers U(+-1 / sqrt(fan_in)), stage and output_bias N(0, 1), output_scale 0.1:
 * functions of `seed` alone. Moments become 0. */
void refiner_init(struct refiner *r, uint64_t seed);
const struct refine_shape *refiner_shape(const struct refiner *r);

/* A tensor among the trained numbers: `at` is where it begins in refiner_values. Linear
 * weights are (out, in) but for in.0's, which is (in, out): see its name. */
struct refine_param {
    char name[32];
    int rank, shape[3];
    size_t at, count;
    double bound; /* of its first values: U(+-bound); 0: N(0, 1); below 0: -bound */
};
int refiner_param_count(const struct refiner *r);
const struct refine_param *refiner_param(const struct refiner *r, int i);
/* To be called before each change of the values: what was made of the old ones is
 * dropped then. */
float *refiner_values(struct refiner *r);
float *refiner_moment(struct refiner *r, int which); /* 0 or 1; as the values lie */

/* theta_T of n latents (n, stages), and whatever refiner_gradient needs of it. */
void refiner_decode(struct refiner *r, const uint8_t *latents, int n);
float *refiner_output(struct refiner *r); /* (n, size) */
float *refiner_delta(struct refiner *r);  /* (n, size): the caller's to write */

/* Called with `count` gradients of the values from `at` on, once for each piece, from
 * several threads at a time. It may change those values. */
typedef void refine_sink(void *arg, size_t at, size_t count, const float *gradient);
/* For the latents decoded last, by dL/dtheta_T in refiner_delta. */
void refiner_gradient(struct refiner *r, refine_sink *sink, void *arg);

/* theta_T alone, of n <= samples latents, to out (n, size). Leaves a decode's traces.
 */
void refiner_sample(struct refiner *r, const uint8_t *latents, int n, float *out);
/* The latent that comes near `target` (size) when each stage takes the option with the
 * least squared distance; its theta_T to `out`. Returns the mean squared distance. */
double refiner_encode(struct refiner *r, const float *target, uint8_t *latent,
                      float *out);

/* One step of Adam by those gradients: the sink's argument. */
struct refine_adam {
    struct refiner *refiner;
    struct adam_rates rates;
};
/* For step `step`, counted from 1. */
void refine_adam_begin(struct refine_adam *a, struct refiner *r, double lr,
                       uint64_t step);
refine_sink refine_adam_sink;

#endif
