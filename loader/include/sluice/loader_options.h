/* sluice/loader_options.h -- what a loader can be asked for: in which order, from
 * where, which samples, how often, which part of each, in which memory. See
 * sluice/loader.h. */
#ifndef SLUICE_LOADER_OPTIONS_H
#define SLUICE_LOADER_OPTIONS_H

#include <stdbool.h>

#include <sluice/image.h>
#include <sluice/jpeg.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sluice_order {
    SLUICE_RANDOM = 0,     /* a keyed permutation of all samples, new each epoch */
    SLUICE_SEQUENTIAL = 1, /* 0, 1, 2, ... */
    /* Blocks of neighbours in a keyed order, new each epoch; the samples of every
     * `open_blocks` of them in a row shuffled among each other. For files that are read
     * from a slow disk again and again; loader/README.md tells how well it shuffles. */
    SLUICE_QUASI_RANDOM = 2,
};

enum sluice_io {
    SLUICE_IO_AUTO = 0,     /* probe, choose, and say why: io_reason of the stats */
    SLUICE_IO_RESIDENT = 1, /* the payload is kept in memory; it lies in order */
    SLUICE_IO_URING = 2,    /* io_uring, through the page cache */
    SLUICE_IO_DIRECT = 3,   /* io_uring with O_DIRECT, past the page cache */
    SLUICE_IO_PREAD = 4,    /* a pool of threads that call pread */
};

/* What becomes of a sample whose bytes have another checksum than stored, whose JPEG is
 * cut short or no JPEG, or whose picture is beyond the limits of size. Skipped and
 * replaced ones are counted (struct sluice_loader_stats) and named
 * (sluice_loader_damage). Which they are, and so the batches, does not depend on
 * threads or backends. All other failures are raised: the disk's, a transform's, a file
 * that was cut while open. */
enum sluice_on_error {
    SLUICE_RAISE = 0, /* sluice_loader_next fails with the sample's name */
    SLUICE_SKIP = 1,  /* the batch is shorter; one of which nothing is left is raised,
                         so that the number of batches never changes */
    SLUICE_SUBSTITUTE = 2, /* the batch keeps its size: the next undamaged one of the
                              samples in use, by number or by place in `subset`
                              (behind the last the first), stands there with its own id
                              and labels; 64 damaged ones in a row are raised */
};

/* Which part of an image is taken, and the size that it gets: needed where images
 * differ in size. Parts of JPEGs are decoded without the rest, to the same pixels;
 * scaling is the antialiased bilinear of Pillow up to 12.2, byte for byte. */
enum sluice_crop_kind {
    SLUICE_CROP_NONE = 0,   /* whole images, which must be of one size */
    SLUICE_CROP_RANDOM = 1, /* torchvision's RandomResizedCrop */
    SLUICE_CROP_CENTER = 2, /* the square in the middle, `share` of the shorter side */
};

struct sluice_crop {
    enum sluice_crop_kind kind;
    int size;        /* height and width of the result */
    double scale[2]; /* RANDOM: share of the area: 0.08, 1 */
    double ratio[2]; /* RANDOM: width / height: 3/4, 4/3 */
    double share;    /* CENTER: 224/256 */
};

/* Memory for batches, for a consumer that wants it pinned. */
struct sluice_allocator {
    void *(*allocate)(void *ctx, size_t size); /* 64-byte aligned, or NULL */
    void (*release)(void *ctx, void *memory, size_t size);
    void *ctx;
};

enum {
    SLUICE_THREADS_MAX = 1024, /* of any one set of threads */
};

/* Zero in any field means the default, which stands behind the colon. One that has no
 * effect without another (scale without a crop, block without QUASI_RANDOM) is refused
 * there. */
struct sluice_loader_options {
    int batch_size;                /* images per batch: 256 */
    int batches;                   /* batches in existence, lent ones included: 4 */
    int threads;                   /* worker threads: sluice_cpus() */
    uint64_t seed;                 /* of order and draws */
    enum sluice_order order;       /* RANDOM */
    uint64_t block;                /* QUASI_RANDOM: samples of a block: about 1 MiB */
    uint64_t open_blocks;          /* QUASI_RANDOM: 256 */
    enum sluice_io io;             /* AUTO */
    enum sluice_on_error on_error; /* RAISE */
    int queue_depth;               /* reads in flight: 64 */
    size_t memory_budget;          /* bytes of payload that RESIDENT may hold, for
                                      this loader: a quarter of the address space free at
                                      open, and of the memory divided by `world`, whose
                                      ranks are taken to be all on this machine */
    size_t memory_limit;           /* bytes that the loader may hold in all; what
                                      cannot keep it is SLUICE_ENOMEM at open. Not
                                      counted: stacks, io_uring, page cache: none */
    bool drop_last;                /* leave out a short last batch: keep it */
    int rank, world;               /* this consumer's share of every epoch: 0 of 1 */

    /* Which samples are in use, here and in every epoch: a list, then a fold of it. */
    const uint64_t *subset; /* (subset_count) sample numbers to use, copied: all */
    uint64_t subset_count;
    const char *subset_file; /* the same as text: numbers, blanks, # comments: none */
    int folds, fold;         /* leave out fold `fold` of so many: no folds */
    bool fold_test;          /* use that fold alone: all others */
    bool stratified;         /* every class in equal shares over the folds: chance */
    uint64_t fold_seed;      /* what shuffles samples into folds, and nothing else: 0 */

    /* Drawn with replacement, each place of the epoch by itself (Philox of seed, epoch
     * and place); one of the three, with the order RANDOM alone. A sample that comes
     * twice in an epoch looks the same both times: draws of crops and augmentation know
     * sample and epoch only. */
    bool balanced;               /* classes equally likely, a class's samples too */
    const double *class_weights; /* (class_count) likelihoods of classes 0, 1, ...;
                                    classes without samples are left out */
    int class_count;
    const double *sample_weights; /* (sample_weight_count) one for each of the file */
    uint64_t sample_weight_count;
    uint64_t epoch_samples;  /* places of such an epoch: as many as samples in use */
    const char *class_field; /* the integer field that is the class: the one that has
                                class names, else the first one */

    const char *image_field;    /* name of the image field: the first one */
    struct sluice_crop crop;    /* NONE */
    enum sluice_jpeg_path jpeg; /* what decodes JPEGs; the pixels are the same: AUTO */
    int channels;               /* 1 or 3: what all have, if none is a JPEG, else 3 */
    struct sluice_transform transform; /* copy u8 HWC */
    struct sluice_allocator allocator; /* malloc */
};

#ifdef __cplusplus
}
#endif
#endif
