/* arrange.h -- a packed file that was written in its source's order, once more:
 * shuffled, behind another file's samples, or compressed with a dictionary that had to
 * be learnt from it first. For programs. */
#ifndef SLUICE_ARRANGE_H
#define SLUICE_ARRANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/error.h>

struct arrangement {
    const char *source;   /* what the samples were made from, for messages */
    bool append, shuffle; /* behind the samples of the result; in random order */
    uint64_t seed;        /* of that order */
    int level;            /* of zstd; 0: not compressed. Not with append */
    uint64_t dictionary;  /* its bytes; 0: none */
    bool quiet;           /* no progress */
};

/* The samples of the file `from` to the file `path`. `from` loses its name as soon as
 * it is open: nothing of it is left, however this ends. On failure and on Ctrl-C
 * (SLUICE_ESTOPPED) `path` is as it was. */
int rearrange(const char *from, const char *path, const struct arrangement *how,
              struct sluice_error *err);

#endif
