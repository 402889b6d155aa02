/* sluice/loader.h -- batches of images from a .sluice file, read ahead of need.
 *
 *     struct sluice_error err;
 *     struct sluice_loader *ld = NULL;
 *     const struct sluice_batch *b;
 *     struct sluice_loader_options opt = { .batch_size = 512, .seed = 1 };
 *     int n = sluice_loader_open(&ld, "train.sluice", &opt, &err);
 *     while (n >= 0 && (n = sluice_loader_next(ld, &b, &err)) > 0) {
 *         step(b);
 *         sluice_loader_release(ld, b);
 *     }
 *     sluice_loader_close(ld);
 *
 * A batch is a pure function of (file, options, seed, epoch, batch number): the number
 * of threads, the I/O backend and where an earlier run stopped change nothing in it.
 *
 * Errors:    a negative return is a SLUICE_E* code and *err says which file and sample.
 *            An error of a sample or batch, in any thread, reaches the next
 *            sluice_loader_next; from then on next and seek fail, and the loader can
 *            only be closed. SLUICE_EINVAL about a call, as for a seek beyond the end,
 *            changes nothing. On a failed open *out is NULL.
 * Ownership: a batch belongs to the consumer until sluice_loader_release. At most
 *            `batches` batches exist; when every one is held by a thread that waits in
 *            sluice_loader_next, the last of them gets SLUICE_EINVAL (they could only
 *            wait for ever). So batches that one thread takes and another releases
 *            should be fewer than `batches`, or be taken with sluice_loader_try_next.
 * Threads:   any number of consumers: next, release and the getters may be called from
 *            any thread; open, seek and close from one at a time. The transform runs in
 *            the loader's threads.
 * Caveats:   the file must not change while it is open (an append by sluice is fine);
 *            after fork() only the parent may use the loader: in the child every call
 *            is SLUICE_EINVAL at once, statistics are empty, close does nothing, and
 *            what the loader held stays allocated until the child ends or execs. */
#ifndef SLUICE_LOADER_H
#define SLUICE_LOADER_H

#include <stdbool.h>

#include <sluice/error.h>
#include <sluice/format.h>
#include <sluice/image.h>
#include <sluice/loader_options.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_loader;

int sluice_loader_open(struct sluice_loader **out, const char *path,
                       const struct sluice_loader_options *options,
                       struct sluice_error *err);
void sluice_loader_close(struct sluice_loader *ld); /* NULL is fine; stops mid-epoch */

/* The next batch of this epoch. Returns the images in it, 0 at the end of the epoch, or
 * an error. Blocks until a batch is ready. The last batch may be short. */
int sluice_loader_next(struct sluice_loader *ld, const struct sluice_batch **out,
                       struct sluice_error *err);
void sluice_loader_release(struct sluice_loader *ld, const struct sluice_batch *batch);

/* The same, but never waits: SLUICE_EAGAIN while there is nothing to get. */
int sluice_loader_try_next(struct sluice_loader *ld, const struct sluice_batch **out,
                           struct sluice_error *err);
/* A descriptor that is readable (POLLIN) as long as there is a batch, the end of the
 * epoch or an error to get at once; or a negative code. For poll, epoll and event
 * loops: it is not to be read or closed, and with several consumers another may be
 * faster. */
int sluice_loader_fd(struct sluice_loader *ld, struct sluice_error *err);

/* Continue with batch `batch` of epoch `epoch`, in time that does not depend on either.
 * May be called mid-epoch; batches that are held stay as they are until released. A
 * fresh loader stands at (0, 0); after the end of an epoch, seek to (epoch + 1, 0). */
int sluice_loader_seek(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                       struct sluice_error *err);

/* Where all ranks together stand, when each has taken equally many batches: the batches
 * that sluice_loader_next returned so far, released or not, are behind it. It may be
 * given to loaders of another rank, world, batch size, thread count or backend: the
 * rest of the epoch is dealt out to them anew, so that all its samples come once. (As
 * in any epoch: where fewer samples than ranks are left for the last round, the ranks
 * without one repeat one each, at most world - 1, unless drop_last is set.) The world
 * and batch size that it was taken with get the very batches of an unbroken epoch. The
 * batches' numbers then go on from the one that this place has in their own epoch.
 * Seed, file, order and samples in use must be the same; SLUICE_EINVAL says what is
 * not. Both take well under a millisecond. */
struct sluice_loader_state {
    uint64_t seed;
    uint32_t epoch;
    uint64_t position; /* places of the epoch's order that are behind */
    uint64_t samples;  /* places that it has */
    uint32_t view;     /* checksum of file, order and samples in use */
};
int sluice_loader_get_state(struct sluice_loader *ld, struct sluice_loader_state *out,
                            struct sluice_error *err);
int sluice_loader_set_state(struct sluice_loader *ld,
                            const struct sluice_loader_state *state,
                            struct sluice_error *err);
/* As JSON, for checkpoints:
 *     {"version": 1, "seed": "5", "epoch": 3, "position": 12800, "samples": 50000,
 *      "view": "1c0ffee2"}
 * The seed is text because many readers of JSON round numbers above 2^53. Print is
 * snprintf's: bytes written without the 0. Parse takes the keys in any order, and
 * numbers with or without quotes. */
enum { SLUICE_LOADER_STATE_TEXT = 192 }; /* bytes that are always enough */
int sluice_loader_state_print(const struct sluice_loader_state *state, char *out,
                              size_t size);
int sluice_loader_state_parse(struct sluice_loader_state *out, const char *text,
                              struct sluice_error *err);

/* The sample numbers of batch `batch` of epoch `epoch`, without reading it, into `ids`
 * (`capacity` of them fit: opt.batch_size do). Returns how many; damage is not known.
 * From any thread, in time that does not depend on the place. */
int sluice_loader_ids(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                      uint64_t *ids, int capacity, struct sluice_error *err);

/* Batches and samples in every epoch, for this rank; one that sluice_loader_set_state
 * broke into may have others. */
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
    size_t memory;       /* bytes held: batches, resident payload, metadata */
    size_t memory_bound; /* the most that it comes to hold with all buffers */
    uint64_t batches, samples, bytes_read;
    double read_seconds;      /* summed over threads: waiting for and doing I/O */
    double decode_seconds;    /* summed over threads: JPEG, zstd, crop */
    double entropy_seconds;   /* of these: Huffman codes, by the library's decoder */
    double pixels_seconds;    /* of these: inverse DCT, upsampling, colour, by that */
    double resize_seconds;    /* summed over threads: scaling */
    double transform_seconds; /* summed over threads: checksum, transform */
    double wait_seconds;      /* the consumer waited in sluice_loader_next */
    double idle_seconds; /* workers waited for a free batch: the consumer is slower */
    uint64_t reads;      /* transfers, neighbours counted as one */
    double reads_in_flight; /* of a thread, when it waited for one: mean */
    double batches_ready;   /* when one was asked for: mean */
    uint64_t damaged;       /* times that a sample of a delivered batch was damaged */
    int damaged_samples;    /* different ones among them, at most 1000: all are named */
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

/* CPUs that this process may use at once: those of its affinity mask (taskset,
 * cpusets), and no more than its cgroups' quotas of time come to, rounded up. At
 * least 1, at most SLUICE_THREADS_MAX. From any thread. */
int sluice_cpus(void);

/* One whole image by its sample's number, decoded to u8 HWC at its own size into
 * `pixels` (`capacity` bytes, checked): map-style access, beside the batches. No crop,
 * no transform. `out` may be NULL. From any thread. */
int sluice_loader_read(struct sluice_loader *ld, uint64_t sample, void *pixels,
                       size_t capacity, struct sluice_image *out,
                       struct sluice_error *err);

#ifdef __cplusplus
}
#endif
#endif
