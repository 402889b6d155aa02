/* sluice_python.h -- the shared library behind `import sluice`: a loader and a pipeline
 * joined, as flat calls of numbers, texts and addresses, so that Python mirrors no
 * struct. sluice/_library.py is the only caller; nothing here knows Python.
 *
 * Errors:    a negative return is a SLUICE_E* code, its line is in `message` (480
 * bytes). Ownership: a batch is held through its lease until sluice_python_release;
 * close frees the memory of all of them, and every text. Threads:   next and close from
 * one at a time, all else from any. */
#ifndef SLUICE_PYTHON_H
#define SLUICE_PYTHON_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

struct sluice_python;

/* With the `count` options names[i] = values[i], NULL the default; python_options.c has
 * their table. */
EXPORT int sluice_python_open(struct sluice_python **out, const char *path,
                              const char *const *names, const char *const *values,
                              int count, char *message);
EXPORT void sluice_python_close(struct sluice_python *p);

/* The next batch, if it is there: its images, 0 at the end of the epoch, or a code;
 * SLUICE_EAGAIN: not yet. In `out`: lease, epoch, number, then the addresses of pixels,
 * labels, ids, partners and shares (0: the pipeline does not mix). */
EXPORT int sluice_python_next(struct sluice_python *p, uint64_t out[8], char *message);
/* The batch whose lease is in `out`; none if that is 0. `reference` is what watched
 * over it: Python names it when it calls. */
EXPORT void sluice_python_release(struct sluice_python *p, const uint64_t out[8],
                                  void *reference);

/* To poll: out[0] is readable when next has something to say, out[1] after stop. */
EXPORT int sluice_python_fds(struct sluice_python *p, int out[2], char *message);
EXPORT void sluice_python_stop(struct sluice_python *p);

/* The state's text has 192 bytes. restore takes the end of an epoch for the beginning
 * of the next one. */
EXPORT int sluice_python_seek(struct sluice_python *p, uint32_t epoch, uint64_t batch,
                              char *message);
EXPORT int sluice_python_state(struct sluice_python *p, char *text, char *message);
EXPORT int sluice_python_restore(struct sluice_python *p, const char *text,
                                 char *message);

/* Names and values to arrays of 32; returns how many. */
EXPORT int sluice_python_facts(struct sluice_python *p, const char **names,
                               double *values);
EXPORT int sluice_python_stats(struct sluice_python *p, const char **names,
                               double *values);
/* The backend and why, as two texts of 160 bytes. */
EXPORT void sluice_python_io(struct sluice_python *p, char *name, char *reason);
/* The i-th damaged sample: its number, and its line in `message`; -1 past the last. */
EXPORT int64_t sluice_python_damage(struct sluice_python *p, int i, char *message);

EXPORT const char *sluice_python_dtype(struct sluice_python *p);
/* The pipeline with every value spelled out; NULL: there is none. */
EXPORT const char *sluice_python_pipeline(struct sluice_python *p);
EXPORT const char *sluice_python_column(struct sluice_python *p, int column);
EXPORT const char *sluice_python_class_name(struct sluice_python *p, int i);
/* (source_channels) on the scale 0..255, or NULL */
EXPORT const double *sluice_python_mean(struct sluice_python *p);
EXPORT const double *sluice_python_std(struct sluice_python *p);

/* The i-th option's name and, into *help, a line about it; NULL past the last. */
EXPORT const char *sluice_python_option(int i, const char **help);
EXPORT const char *sluice_python_code(int rc);  /* "corrupt", ... */
EXPORT const char *sluice_python_version(void); /* "0.1.0" */

#endif
