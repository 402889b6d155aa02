/* sluice/error.h -- how every call of every part reports failure.
 *
 *     struct sluice_error err;
 *     if (sluice_loader_open(&ld, path, NULL, &err) < 0)
 *         fprintf(stderr, "%s\n", err.message);
 *
 * A call that can fail returns 0 or a count, or one of the negative codes below,
 * and takes a struct sluice_error last. The error is a value that the caller owns:
 * there is no global and no thread-local state, so an error born in one thread is
 * read in another. Passing NULL is allowed wherever a struct sluice_error is taken. */
#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* A code exists only where some caller does something different because of it. */
enum sluice_code {
    SLUICE_OK = 0,
    SLUICE_EINVAL = -1,   /* the caller asked for something impossible */
    SLUICE_ENOMEM = -2,   /* memory, descriptors or threads ran out */
    SLUICE_EIO = -3,      /* the operating system refused or failed a transfer */
    SLUICE_ECORRUPT = -4, /* the bytes are damaged, or are not what they claim */
    SLUICE_EVERSION = -5, /* made by a later, incompatible version */
    SLUICE_EUNBUILT = -6, /* this build or this machine lacks the part asked for */
    SLUICE_EDEVICE = -7,  /* oneDNN, CUDA or cuDNN failed */
    SLUICE_ESTOPPED = -8, /* interrupted by the user */
    SLUICE_EAGAIN = -9,   /* not yet: ask again later */
};

struct sluice_error {
    enum sluice_code code;
    char message[480]; /* one line, no newline: which thing, expected, found */
};

/* Fill *err (NULL is fine) and return `code`, so that reporting and returning are
 * one expression. */
int sluice_fail(struct sluice_error *err, enum sluice_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The code's name for machines ("corrupt"), never NULL. */
const char *sluice_code_name(int code);

#ifdef __cplusplus
}
#endif
#endif
