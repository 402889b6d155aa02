/* sluice/loader.h -- batches of images from a .sluice file, read ahead of need.
 *
 *     struct sluice_error err;
 *     struct sluice_loader *ld = NULL;
 *     const struct sluice_batch *b;
 *     int n = sluice_loader_open(&ld, "train.sluice",
 *                 &(struct sluice_loader_options){ .batch_size = 512, .seed = 1 },
 * &err); while (n >= 0 && (n = sluice_loader_next(ld, &b, &err)) > 0) { step(b);
 *         sluice_loader_release(ld, b);
 *     }
 *     sluice_loader_close(ld);
 *
 * A batch is a pure function of (file, options, seed, epoch, batch number): the number
 * of threads, the I/O backend and where an earlier run stopped change nothing in it.
 *
 * Errors:    a negative return is a SLUICE_E* code and *err says which file and sample.
 *            An error in any thread reaches the next sluice_loader_next. After an error
 *            the loader can only be closed. On a failed open *out is NULL.
 * Ownership: a batch belongs to the consumer until sluice_loader_release. At most
 *            `batches` batches exist; while the consumer holds them all,
 *            sluice_loader_next is SLUICE_EINVAL (it could only wait for ever).
 * Threads:   next, release and the getters may be called from any thread; open, seek
 *            and close from one at a time. The transform runs in the loader's threads.
 * Caveats:   the file must not change while it is open (an append by sluice is fine);
 *            after fork() only the parent may use the loader. */
#ifndef SLUICE_LOADER_H
#define SLUICE_LOADER_H

#include <stdbool.h>

#include <sluice/error.h>
#include <sluice/format.h>
#include <sluice/image.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_loader;

enum sluice_order {
    SLUICE_RANDOM = 0,     /* a keyed permutation of all samples, new each epoch */
    SLUICE_SEQUENTIAL = 1, /* 0, 1, 2, ... */
    /* Blocks of neighbours in a keyed order, new each epoch; the samples of every
     * `open_blocks` of them in a row shuffled among each other. For files that are read
     * from a slow disk again and again; loader/README.md tells how well it shuffles. */
    SLUICE_QUASI_RANDOM = 2,
};

enum sluice_io {
    SLUICE_IO_AUTO = 0,     /* probe, choose, and say why: sluice_loader_io_reason */
    SLUICE_IO_RESIDENT = 1, /* the payload is kept in memory */
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
                              samples in use, by number (behind the last the first),
                              stands there with its own id and labels; 64 damaged ones
                              in a row are raised */
};

/* Which part of an image is taken, and the size that it gets: needed where images
 * differ in size. Parts of JPEGs are decoded without the rest, to the same pixels;
 * scaling is Pillow's antialiased bilinear, byte for byte. */
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

/* Zero in any field means the default, which stands behind the colon. */
struct sluice_loader_options {
    int batch_size;                /* images per batch: 256 */
    int batches;                   /* batches in existence, lent ones included: 4 */
    int threads;                   /* worker threads: one per online CPU */
    uint64_t seed;                 /* of order and draws */
    enum sluice_order order;       /* RANDOM */
    uint64_t block;                /* QUASI_RANDOM: samples of a block: about 1 MiB */
    uint64_t open_blocks;          /* QUASI_RANDOM: 256 */
    enum sluice_io io;             /* AUTO */
    enum sluice_on_error on_error; /* RAISE */
    int queue_depth;               /* reads in flight: 64 */
    size_t memory_budget;          /* bytes of payload that RESIDENT may hold: a quarter
                                      of the memory free at open */
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
     * and place); one of the three. A sample that comes twice in an epoch looks the
     * same both times: draws of crops and augmentation know sample and epoch only. */
    bool balanced;               /* classes equally likely, a class's samples too */
    const double *class_weights; /* (class_count) likelihoods of classes 0, 1, ...;
                                    classes without samples are left out */
    int class_count;
    const double *sample_weights; /* (sample_weight_count) one for each of the file */
    uint64_t sample_weight_count;
    uint64_t epoch_samples;  /* places of an epoch: as many as samples in use */
    const char *class_field; /* the integer field that is the class: the first one */

    const char *image_field; /* name of the image field: the first one */
    struct sluice_crop crop; /* NONE */
    int channels;            /* 1 or 3: what raw images of one size have, else 3 */
    struct sluice_transform transform; /* copy u8 HWC */
    struct sluice_allocator allocator; /* malloc */
};

int sluice_loader_open(struct sluice_loader **out, const char *path,
                       const struct sluice_loader_options *options,
                       struct sluice_error *err);
void sluice_loader_close(struct sluice_loader *ld); /* NULL is fine; stops mid-epoch */

/* The next batch of this epoch. Returns the images in it, 0 at the end of the epoch, or
 * an error. Blocks until a batch is ready. The last batch may be short. */
int sluice_loader_next(struct sluice_loader *ld, const struct sluice_batch **out,
                       struct sluice_error *err);
void sluice_loader_release(struct sluice_loader *ld, const struct sluice_batch *batch);

/* Continue with batch `batch` of epoch `epoch`, in time that does not depend on either.
 * May be called mid-epoch; every batch must have been released. A fresh loader stands
 * at (0, 0); after the end of an epoch, seek to (epoch + 1, 0). */
int sluice_loader_seek(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                       struct sluice_error *err);

/* The sample numbers of batch `batch` of epoch `epoch`, without reading it, into `ids`
 * (`capacity` of them fit: opt.batch_size do). Returns how many; damage is not known.
 * From any thread, in time that does not depend on the place. */
int sluice_loader_ids(const struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                      uint64_t *ids, int capacity, struct sluice_error *err);

/* Batches and samples in every epoch, for this rank. */
uint64_t sluice_loader_batches(const struct sluice_loader *ld);
uint64_t sluice_loader_samples(const struct sluice_loader *ld);
/* The open file: schema, class names, statistics. */
const struct sluice_dataset *sluice_loader_dataset(const struct sluice_loader *ld);
/* Shape of the images that the transform sees (u8, NHWC): the file's, or what `crop`
 * makes of them. */
struct sluice_shape sluice_loader_source(const struct sluice_loader *ld);

/* What was chosen and how it went, since opening. */
struct sluice_loader_stats {
    enum sluice_io io;
    char io_reason[160]; /* one line */
    int threads;
    size_t memory; /* bytes held: batches, buffers, resident payload, metadata */
    uint64_t batches, samples, bytes_read;
    double read_seconds;      /* summed over threads: waiting for and doing I/O */
    double decode_seconds;    /* summed over threads: JPEG, crop, scaling */
    double transform_seconds; /* summed over threads: checksum, transform */
    double wait_seconds;      /* the consumer waited in sluice_loader_next */
    double idle_seconds; /* workers waited for a free batch: the consumer is slower */
    uint64_t damaged;    /* times that a sample of a delivered batch was damaged */
    int damaged_samples; /* different ones among them, at most 1000: all are named */
};
void sluice_loader_stats(struct sluice_loader *ld, struct sluice_loader_stats *out);

/* The `i`-th of stats.damaged_samples, in the order of delivery: 0, or SLUICE_EINVAL
 * behind the last. */
struct sluice_damage {
    uint64_t sample, substitute; /* equal: skipped */
    char message[480];           /* one line */
};
int sluice_loader_damage(struct sluice_loader *ld, int i, struct sluice_damage *out);
const char *sluice_io_name(enum sluice_io io); /* "resident", "uring", ... */

/* One whole image by its sample's number, decoded to u8 HWC at its own size into
 * `pixels` (`capacity` bytes, checked): map-style access, beside the batches. No crop,
 * no transform. `out` may be NULL. */
int sluice_loader_read(struct sluice_loader *ld, uint64_t sample, void *pixels,
                       size_t capacity, struct sluice_image *out,
                       struct sluice_error *err);

#ifdef __cplusplus
}
#endif
#endif
