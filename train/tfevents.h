/* tfevents.h -- scalars for TensorBoard: events.out.tfevents.* in a run's folder.
 *
 * The file is TFRecord frames: u64 length, u32 masked CRC-32C of the length, the
 * bytes, u32 masked CRC-32C of the bytes, all little-endian, where masked(crc) =
 * rotate_right(crc, 15) + 0xa282ead8. Each frame holds one Event message (protocol
 * buffers): 1 wall time (double), 2 step (varint), 3 version text in the first
 * record, 5 Summary { 1 Value { 1 tag, 2 simple_value (float) } }. */
#ifndef SLUICE_TFEVENTS_H
#define SLUICE_TFEVENTS_H

#include <stdint.h>

#include <sluice/error.h>

struct tfevents;

/* A new file in `folder`, with its first record. */
int tfevents_create(struct tfevents **out, const char *folder,
                    struct sluice_error *err);
/* The file that is in `folder` (a new one if none is), cut behind the last whole
 * record whose step is at most `step`: what came after happens again. A record torn at
 * its end is cut too; a damaged one with whole ones behind it is SLUICE_ECORRUPT. */
int tfevents_continue(struct tfevents **out, const char *folder, uint64_t step,
                      struct sluice_error *err);
/* Write errors are kept and reported by tfevents_flush. */
void tfevents_scalar(struct tfevents *t, const char *tag, uint64_t step, double value);
int tfevents_flush(struct tfevents *t, struct sluice_error *err);
int tfevents_sync(struct tfevents *t, struct sluice_error *err); /* to the disk */
void tfevents_close(struct tfevents *t);                         /* NULL is fine */

#endif
