/* zstd.c -- compressed payloads: every kind of field comes back, what does not shrink
 * is stored as it is, an append goes on with the file's dictionary, damage behind a
 * right checksum is found, and the loader's batches are those of the file that is not
 * compressed. */
#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/inflate.h>
#include <sluice/loader.h>
#include <sluice/rng.h>
#include <sluice/writer.h>

#include "packed.h"
#include "support/files.h"

enum { SAMPLES = 60, SIDE = 16, PIXELS = SIDE * SIDE * 3, BLOB = 700 };

static const struct sluice_field fields[] = {
    { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { SIDE, SIDE, 3 } },
    { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    { "blob", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
    { "tensor", SLUICE_KIND_TENSOR, SLUICE_I32, 1, { 64 } },
};

static uint8_t dictionary[1000];

/* Every third image is noise, which does not shrink. */
static void fill(int i, uint8_t pixels[PIXELS], uint8_t blob[BLOB], int32_t tensor[64])
{
    struct sluice_rng rng = sluice_rng_at(9, (uint64_t)i, 0);
    for (int k = 0; k < PIXELS; k++)
        pixels[k] = i % 3 ? (uint8_t)(i + k / 40) : (uint8_t)sluice_rng_u32(&rng);
    for (int k = 0; k < BLOB; k++)
        blob[k] = (uint8_t) "the same words again "[(i + k) % 21];
    for (int k = 0; k < 64; k++)
        tensor[k] = i * k / 9;
}

static int add(struct sluice_writer *w, int from, int to, struct sluice_error *err)
{
    uint8_t pixels[PIXELS], blob[BLOB];
    int32_t tensor[64];
    int rc = 0;
    for (int i = from; i < to && rc == 0; i++) {
        fill(i, pixels, blob, tensor);
        rc = sluice_writer_append(
            w,
            (struct sluice_value[]){ { .data = pixels, .size = PIXELS },
                                     { .integer = i },
                                     { .data = blob, .size = (size_t)i * 10 },
                                     { .data = tensor, .size = sizeof(tensor) } },
            err);
    }
    return rc;
}

/* In two commits. */
static void write_file(const char *path, int level, size_t dictionary_size)
{
    struct sluice_writer *w;
    struct sluice_error err;
    const struct sluice_schema schema = { .fields = fields,
                                          .field_count = 4,
                                          .zstd_level = level,
                                          .dictionary = dictionary,
                                          .dictionary_size = dictionary_size };
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0 &&
                add(w, 0, SAMPLES / 2, &err) == 0 && sluice_writer_finish(w, &err) == 0,
            "%s", err.message);
    sluice_writer_abandon(w);
    REQUIRE(sluice_writer_reopen(&w, path, &err) == 0 &&
                add(w, SAMPLES / 2, SAMPLES, &err) == 0 &&
                sluice_writer_finish(w, &err) == 0,
            "%s", err.message);
    sluice_writer_abandon(w);
}

static size_t check_values(const char *path, int level)
{
    uint8_t pixels[PIXELS], blob[BLOB];
    int32_t tensor[64];
    struct packed p;
    struct sluice_error err;
    struct sluice_value v[4];
    struct sluice_extent x;
    size_t stored = 0;
    const void *words;
    size_t size;
    REQUIRE(packed_open(&p, path, &err) == 0, "%s", err.message);
    CHECK(sluice_dataset_zstd(p.dataset, &words, &size) == level, "level");
    for (int i = 0; i < SAMPLES; i++) {
        fill(i, pixels, blob, tensor);
        REQUIRE(packed_read(&p, (uint64_t)i, v, &err) == 0, "%s", err.message);
        CHECK(v[0].size == PIXELS && memcmp(v[0].data, pixels, PIXELS) == 0 &&
                  v[0].codec == SLUICE_CODEC_RAW && v[0].height == SIDE &&
                  v[0].channels == 3,
              "image %d", i);
        CHECK(v[1].integer == i, "label %d", i);
        CHECK(v[2].size == (size_t)i * 10 && memcmp(v[2].data, blob, v[2].size) == 0,
              "blob %d", i);
        CHECK(v[3].size == sizeof(tensor) && memcmp(v[3].data, tensor, v[3].size) == 0,
              "tensor %d", i);
        REQUIRE(sluice_dataset_locate(p.dataset, 0, (uint64_t)i, &x, &err) == 0, "%s",
                err.message);
        CHECK(x.codec == (level && i % 3 ? SLUICE_CODEC_ZSTD : SLUICE_CODEC_RAW),
              "image %d: codec %d", i, (int)x.codec);
        stored += x.size;
    }
    packed_close(&p);
    return stored;
}

/* A checksum over a shuffled epoch. */
static uint32_t stream(const char *path)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    const struct sluice_batch *b;
    const struct sluice_loader_options opt = { .batch_size = 7,
                                               .order = SLUICE_RANDOM,
                                               .seed = 3 };
    uint32_t sum = 0;
    int n;
    REQUIRE(sluice_loader_open(&ld, path, &opt, &err) == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        sum = sluice_crc32c(sum, b->pixels, (size_t)n * PIXELS);
        sum = sluice_crc32c(sum, b->labels, (size_t)n * sizeof(*b->labels));
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0, "%s", err.message);
    sluice_loader_close(ld);
    return sum;
}

/* Bytes of a frame changed, the checksum set right again in the index and its own in
 * the directory: only inflating tells. */
static void lies(const char *path)
{
    struct sluice_dataset *ds;
    struct sluice_error err = { 0 };
    struct memory_file f;
    struct sluice_extent x;
    struct sluice_inflater *inflater;
    uint8_t out[PIXELS];
    int found = 0;
    uint8_t *bytes = file_read(path, &f.size);
    f.bytes = bytes;
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0 &&
                sluice_dataset_locate(ds, 0, 1, &x, &err) == 0 &&
                sluice_inflater_create(&inflater, ds, &err) == 0,
            "%s", err.message);
    CHECK(sluice_inflate(inflater, &x, bytes + x.offset, out, &err) == 0, "%s",
          err.message);
    struct sluice_extent other = x;
    other.plain--;
    CHECK(sluice_inflate(inflater, &other, bytes + x.offset, out, &err) ==
              SLUICE_ECORRUPT,
          "room for one byte less");
    for (uint32_t n = 0; n < x.size; n++) {
        other = x;
        other.size = n;
        CHECK(sluice_inflate(inflater, &other, bytes + x.offset, out, &err) ==
                  SLUICE_ECORRUPT,
              "cut to %u of %u", n, x.size);
        bytes[x.offset + n] ^= 64;
        found += sluice_inflate(inflater, &x, bytes + x.offset, out, &err) < 0;
        bytes[x.offset + n] ^= 64;
    }
    CHECK(found > 0, "no changed byte was found");
    sluice_inflater_free(inflater);
    sluice_dataset_free(ds);
    free(bytes);
}

/* A dictionary that begins as a trained one and is none: the file is to blame, and not
 * the machine. */
static void no_dictionary(const char *path)
{
    struct sluice_dataset *ds;
    struct sluice_error err = { 0 };
    struct sluice_inflater *inflater;
    struct memory_file f;
    uint8_t *bytes = file_read(path, &f.size);
    f.bytes = bytes;
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    struct sluice_commit commit = *sluice_dataset_commit(ds);
    uint8_t *directory = bytes + commit.directory_offset;
    uint8_t *there =
        memmem(directory, commit.directory_size, dictionary, sizeof(dictionary));
    REQUIRE(there, "no dictionary in the directory");
    sluice_dataset_free(ds);
    memcpy(there, "\x37\xa4\x30\xec", 4);
    commit.directory_crc = sluice_crc32c(0, directory, commit.directory_size);
    sluice_emit_commit(
        bytes + SLUICE_COMMIT_AT + (size_t)commit.slot * SLUICE_BLOCK_SIZE, &commit);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    CHECK(sluice_inflater_create(&inflater, ds, &err) == SLUICE_ECORRUPT && !inflater &&
              strstr(err.message, "dictionary"),
          "%s", err.message);
    sluice_dataset_free(ds);
    file_write(path, bytes, f.size);
    free(bytes);
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    REQUIRE(sluice_loader_open(&ld, path, NULL, &err) == 0, "%s", err.message);
    CHECK(sluice_loader_next(ld, &b, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, path) == err.message &&
              !strstr(err.message + 1, path),
          "the file's name once, in front: %s", err.message);
    sluice_loader_close(ld);
}

int main(void)
{
    char plain[128], small[128], learnt[128];
    struct sluice_error err;
    struct sluice_writer *w;
    const char *folder = folder_make();
    snprintf(plain, sizeof(plain), "%s/plain.sluice", folder);
    snprintf(small, sizeof(small), "%s/small.sluice", folder);
    snprintf(learnt, sizeof(learnt), "%s/learnt.sluice", folder);
    for (size_t k = 0; k < sizeof(dictionary); k++)
        dictionary[k] =
            k < 500 ? (uint8_t)(k / 40) : (uint8_t) "the same words again "[k % 21];
    write_file(plain, 0, 0);
    write_file(small, 5, 0);
    write_file(learnt, 5, sizeof(dictionary));
    const size_t a = check_values(plain, 0), b = check_values(small, 5),
                 c = check_values(learnt, 5);
    CHECK(a == (size_t)SAMPLES * PIXELS && b < a / 2 && c < b, "%zu, %zu, %zu bytes", a,
          b, c);
    const uint32_t want = stream(plain);
    CHECK(stream(small) == want && stream(learnt) == want, "other batches");
    lies(small);
    lies(learnt);
    no_dictionary(learnt);
    CHECK(sluice_writer_begin(&w, small,
                              &(struct sluice_schema){ .fields = fields,
                                                       .field_count = 4,
                                                       .zstd_level = 99 },
                              &err) == SLUICE_EINVAL &&
              strstr(err.message, "99"),
          "level 99: %s", err.message);
    folder_remove(folder);
    return check_done();
}
