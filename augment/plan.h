/* plan.h -- a pipeline as plain data, read by both compilers.
 *
 * A step is an operation with its options; a draw is what chance decided for one step
 * on one image; a plan is everything that does not change from image to image, small
 * enough to be passed to a kernel by value.
 *
 * What an operation needs to see to make one pixel decides its class:
 *   GATHER  where the pixel comes from: another place, or a fill colour
 *   POINT   the pixel alone
 *   IMAGE   neighbours, or counts over the whole image
 *   FINAL   becomes the multiply-add that turns bytes into numbers
 *   MIX     another image of the batch: behind all others, see mix.h
 * A member has no class: it is part of the geometry step before it, see fused.h.
 * Consecutive steps form a stage, which is one pass from image to image: an IMAGE step
 * can only be the first of its stage, since it must find its input complete. */
#ifndef SLUICE_AUGMENT_PLAN_H
#define SLUICE_AUGMENT_PLAN_H

#include <assert.h>
#include <stdint.h>

#include <sluice/image.h>
#include <sluice/rng.h>

/* On the GPU: a function of its own, so that the registers it needs are not those of
 * every thread all the time. */
#ifdef __CUDACC__
#define SLUICE_APART __noinline__
#else
#define SLUICE_APART
#endif
/* Likewise: a loop that stays one. */
#ifdef __CUDACC__
#define SLUICE_ROLLED _Pragma("unroll 1")
#else
#define SLUICE_ROLLED
#endif

enum {
    CHANNELS_MAX = 4,
    STEPS_MAX = 16,
    BLUR_HALF = 16,      /* weights of the widest blur: 31 pixels */
    SIDE_MAX = 32767,    /* of an image: rotation works in 16.16 fixed point */
    IMAGE_MAX = 1 << 28, /* bytes: elements are counted in int */
};

#define GATHER_OPS(OP)                                                                 \
    OP(flip)                                                                           \
    OP(vertical_flip)                                                                  \
    OP(translate)                                                                      \
    OP(cutout)                                                                         \
    OP(erase)                                                                          \
    OP(rotate)                                                                         \
    OP(affine)                                                                         \
    OP(shear_x)                                                                        \
    OP(shear_y)                                                                        \
    OP(translate_x)                                                                    \
    OP(translate_y)                                                                    \
    OP(center_crop)
#define POINT_OPS(OP)                                                                  \
    OP(identity)                                                                       \
    OP(grayscale)                                                                      \
    OP(posterize)                                                                      \
    OP(solarize)                                                                       \
    OP(solarize_add)                                                                   \
    OP(invert)                                                                         \
    OP(brightness)                                                                     \
    OP(color)
/* IMAGE: those that count over the image, and those that look at neighbours. */
#define COUNT_OPS(OP)                                                                  \
    OP(jitter)                                                                         \
    OP(contrast)                                                                       \
    OP(autocontrast)                                                                   \
    OP(equalize)
#define NEAR_OPS(OP)                                                                   \
    OP(sharpness)                                                                      \
    OP(gaussian_blur)                                                                  \
    OP(perspective)                                                                    \
    OP(geometry)
/* IMAGE: one of several operations, drawn for each image: all of the above. */
#define POLICY_OPS(OP)                                                                 \
    OP(autoaugment)                                                                    \
    OP(randaugment)                                                                    \
    OP(trivialaugment_wide)
#define FINAL_OPS(OP) OP(normalize)
#define MIX_OPS(OP)                                                                    \
    OP(cutmix)                                                                         \
    OP(mixup)
#define DRAWN_OPS(OP)                                                                  \
    GATHER_OPS(OP) POINT_OPS(OP) COUNT_OPS(OP) NEAR_OPS(OP) POLICY_OPS(OP)
#define ALL_OPS(OP) DRAWN_OPS(OP) FINAL_OPS(OP) MIX_OPS(OP)

enum op_id {
#define OP(name) OP_##name,
    ALL_OPS(OP)
#undef OP
        OP_COUNT
};

enum op_class { OP_GATHER, OP_POINT, OP_IMAGE, OP_FINAL };

enum fill_mode { FILL_COLOUR, FILL_REFLECT, FILL_EDGE, FILL_NOISE };

/* One step's options: those that its operation's table in registry.c names. */
struct step {
    uint16_t op;       /* enum op_id */
    uint16_t number;   /* in the pipeline as written: which stream of draws */
    int height, width; /* of the image that it is given */
    float p;           /* how often it happens */
    int alternating;   /* flip, see flip_draw */
    int pad;           /* translate */
    int size;          /* cutout */
    int fill_mode;     /* enum fill_mode */
    uint8_t fill[CHANNELS_MAX];
    double area[2],
        log_ratio[2]; /* erase: share of the image; logarithm of the shape */
    float degrees;    /* rotate, affine: to either side */
    float reach[2];   /* affine: largest shift, of width and height; shear_*: pixels
                         per pixel; translate_*: of width or height */
    double scale[2];  /* affine; gaussian_blur: sigma */
    float shear[2];   /* affine: degrees to either side, across and down */
    float
        jitter[4]; /* reach of brightness, contrast, saturation and hue; 0: left out */
    float factor;  /* sharpness, brightness, contrast, color */
    int bits;      /* posterize */
    int threshold; /* solarize, solarize_add */
    int addition;  /* solarize_add */
    int kernel;    /* gaussian_blur: width in pixels, odd */
    int turn;      /* autoaugment, randaugment: which of the steps it became */
    int members;   /* geometry: how many of the steps behind it are its own */
    int member;    /* 1: is such a step; height and width are those of its draw */
    int magnitude, bins; /* randaugment, trivialaugment_wide */
    float alpha;         /* cutmix, mixup: of the Beta distribution */
    int each;            /* likewise: drawn image by image, not batch by batch */
    int inward[2];       /* perspective: how far a corner may move, down and across */
};

struct rect {
    int y, x, height, width;
};

/* Where output pixels come from; see affine.h. */
struct affine {
    double map[6]; /* as it was meant: x from (x, y, 1), then y */
    int straight;  /* neither turned nor sheared: line is used */
    union {
        int64_t fixed[6]; /* 16.16, of the centre of (0, 0) and per pixel */
        double line[4];   /* x = line[0] x + line[1], y = line[2] y + line[3] */
    } u;
};

/* One operation that a policy chose; see change.h. */
struct change {
    int kind;     /* enum change_kind */
    int amount;   /* posterize: bits; solarize: threshold */
    float factor; /* brightness, color, contrast, sharpness */
    struct affine affine;
};

struct draw {
    int on; /* 0: this image is left alone */
    union {
        struct {
            int dy, dx; /* 0..2*pad: corner of the crop in the padded image */
        } shift;
        struct rect rect;
        struct {
            struct rect rect; /* in the place of `rect` */
            uint64_t seed, sample;
            uint32_t epoch;
        } noise; /* erase: the key of what fills it */
        struct affine affine;
        struct change change;
        struct {
            float factor[3];
            int hue; /* to be added, of 256 */
            uint8_t order[4];
        } jitter;
        double homography[8];   /* see neighbours.h */
        double warp[9];         /* see fused.h */
        double blur[BLUR_HALF]; /* weights of a row, from the centre outwards */
    } u;
};

struct plan {
    int source_height, source_width;
    int height, width; /* of the result */
    int channels;
    int dtype;  /* enum sluice_dtype, of the result */
    int layout; /* enum sluice_layout, of the result */
    uint64_t seed;
    int steps;
    int posts; /* steps behind those, after conversion: rectangles that become 0 */
    int mixes; /* and behind those: between images of a batch */
    struct step step[STEPS_MAX];
    int fused;    /* geometry:mode=fused was said */
    int arranged; /* the steps have the form of arrange.h */
    int stages;
    int stage_end[STEPS_MAX +
                  1];         /* stage i is steps stage_end[i - 1] .. stage_end[i] */
    float gain[CHANNELS_MAX]; /* result = byte * gain + bias, rounded twice */
    float bias[CHANNELS_MAX];
};

/* Kernels take it by value, and 4 KiB is all that they take. */
static_assert(sizeof(struct plan) < 3800, "a plan is a kernel's argument");

/* First step of a stage. */
SLUICE_HD static inline int stage_begin(const struct plan *p, int stage)
{
    return stage ? p->stage_end[stage - 1] : 0;
}

/* Size of the image that step `step` is given; behind the last step, of the result. */
SLUICE_HD static inline int given_height(const struct plan *p, int step)
{
    return step < p->steps ? p->step[step].height : p->height;
}

SLUICE_HD static inline int given_width(const struct plan *p, int step)
{
    return step < p->steps ? p->step[step].width : p->width;
}

/* Of the largest image that lies between two stages. */
SLUICE_HD static inline size_t stages_image_bytes(const struct plan *p)
{
    size_t most = 0;
    for (int i = 1; i < p->stages; i++) {
        const int k = stage_begin(p, i);
        const size_t bytes =
            (size_t)given_height(p, k) * given_width(p, k) * p->channels;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Whose draw: the key of the numbers that one step gets for one image. */
struct draw_key {
    uint64_t seed, sample;
    uint32_t epoch;
    uint16_t number;
};

SLUICE_HD static inline struct sluice_rng draw_stream(const struct draw_key *key)
{
    return sluice_rng_open(key->seed, key->epoch, key->sample, key->number);
}

#endif
