/* writer_parts.h -- what a writer consists of, for its two halves. */
#ifndef SLUICE_WRITER_PARTS_H
#define SLUICE_WRITER_PARTS_H

#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "stats.h"

/* Bytes that grow. */
struct bytes {
    uint8_t *data;
    size_t size, room;
};

struct column {
    enum sluice_store_type type;
    struct bytes table; /* column values, checksums, or index entries */
    struct bytes spool; /* payloads that wait: all payload fields but the first */
    uint64_t start;     /* FIXED, INDEXED: where this segment's data begin */
    uint64_t written;   /* bytes of payload of this segment */
};

struct sluice_writer {
    struct output *out;
    char *path;
    struct sluice_directory dir;
    struct column columns[SLUICE_FIELDS_MAX];
    uint64_t samples, segment_samples;
    int streamed; /* the payload field that is written directly; -1: none */
    int image;    /* the image field that statistics are of; -1: none */
    struct deflater *deflater; /* NULL: payloads are stored as they are */
    struct stats stats;
    bool stats_whole; /* every image was raw */
    bool failed, prepared, finished;
    bool reopened;
    struct sluice_commit last; /* reopened: the commit that counts until the end */
};

/* The next segment, where the file ends now. */
int writer_begin_segment(struct sluice_writer *w, struct sluice_error *err);

#endif
