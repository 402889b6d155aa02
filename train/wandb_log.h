/* wandb_log.h -- Weights & Biases' offline file: records of bytes in a LevelDB log.
 *
 *     7 bytes  ":W&B", u16 0xBEE1, u8 0
 *     blocks of 32,768 bytes, the first with these 7 in it, of fragments:
 *         u32 CRC-32 (IEEE) of type and data, u16 length, u8 type, data
 *     type 1: a whole record; 2, 3, 4: its first, middle and last fragment
 *
 * Little-endian. A fragment never crosses a block's end; less than 7 bytes there are
 * zeros. */
#ifndef SLUICE_WANDB_LOG_H
#define SLUICE_WANDB_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <sluice/error.h>

/* Write errors are the stream's. *offset is where the file ends. */
void wandb_log_begin(FILE *to, uint64_t *offset);
void wandb_log_append(FILE *to, uint64_t *offset, const void *record, size_t size);

/* The whole records at the front, until `keep` says no, a fragment is torn or damaged,
 * or the file ends: returns the bytes that they take. The record is lent. 0: not even
 * the beginning is one. *damaged: whole fragments stand behind one that is not. */
size_t wandb_log_scan(const void *bytes, size_t size,
                      bool (*keep)(void *ctx, const unsigned char *record, size_t size),
                      void *ctx, bool *damaged);

#endif
