/* verify.c FILE... | odd FILE -- 2,000 random single bits of each file flipped in turn,
 * and the file cut at every offset of its header, tables and directory and at 500
 * others: each is refused on opening or found by verify, and what verify finds is
 * named. */
#include <stdbool.h>
#include <stddef.h>

#include <sluice/format_emit.h>
#include <sluice/rng.h>
#include <sluice/writer.h>

#include "support/files.h"
#include "support/jpegs.h"
#include "verify.h"

enum { FLIPS = 2000, CUTS = 500 };

static struct sluice_rng rng;

struct finding {
    int lines;
    char first[600];
};

static void note(void *ctx, const char *line)
{
    struct finding *f = ctx;
    if (!f->lines++)
        snprintf(f->first, sizeof(f->first), "%s", line);
}

/* Findings; -1: it does not open. */
static int64_t findings(const char *path, struct finding *found)
{
    struct sluice_file f;
    struct sluice_error err;
    *found = (struct finding){ .lines = 0 };
    if (sluice_file_open(&f, path, &sluice_sys_real, &err) < 0) {
        CHECK(strstr(err.message, path), "%s", err.message);
        return -1;
    }
    const int64_t bad =
        sluice_verify(&f, &(struct verify_listener){ note, NULL, found }, &err);
    sluice_file_close(&f);
    CHECK(bad >= 0, "%s", err.message);
    return bad;
}

/* The payload that byte `at` belongs to; false: none. */
static bool owner(const struct sluice_dataset *ds, uint64_t at, uint64_t *sample)
{
    struct sluice_extent x;
    for (uint64_t i = 0; i < sluice_dataset_count(ds); i++)
        for (int k = 0; k < sluice_dataset_field_count(ds); k++)
            if (sluice_dataset_field(ds, k)->kind != SLUICE_KIND_SCALAR &&
                sluice_dataset_locate(ds, k, i, &x, NULL) == 0 && at >= x.offset &&
                at - x.offset < x.size) {
                *sample = i;
                return true;
            }
    return false;
}

/* Is it in the blocks of the directory before the last? Nobody reads them any more. */
static bool dead(const struct sluice_dataset *ds, const uint8_t *bytes, uint64_t at)
{
    struct sluice_commit earlier;
    const int slot = !sluice_dataset_commit(ds)->slot;
    const uint8_t *block = bytes + SLUICE_COMMIT_AT + (size_t)slot * SLUICE_BLOCK_SIZE;
    return sluice_commit_parse(&earlier, block) && at >= earlier.directory_offset &&
           at < (earlier.file_length | (SLUICE_BLOCK_SIZE - 1)) + 1;
}

static void flip(const char *path, const struct sluice_dataset *ds,
                 const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_RDWR), refused = 0, named = 0;
    struct finding found;
    char want[64];
    uint64_t sample;
    for (int n = 0; n < FLIPS; n++) {
        /* A third each: header, end with directory, anywhere. */
        const size_t area = n % 3 == 0 ? SLUICE_DATA_AT : size;
        const size_t from = n % 3 == 1 && size > 8192 ? size - 8192 : 0;
        const size_t at = from + sluice_rng_u32(&rng) % (area - from);
        if (dead(ds, bytes, at))
            continue;
        const uint8_t other = bytes[at] ^ (uint8_t)(1 << sluice_rng_u32(&rng) % 8);
        REQUIRE(pwrite(fd, &other, 1, (off_t)at) == 1, "pwrite");
        const int64_t bad = findings(path, &found);
        CHECK(bad != 0 && (bad < 0 || bad == found.lines), "%s: byte %zu: not found",
              path, at);
        if (bad > 0 && owner(ds, at, &sample)) {
            snprintf(want, sizeof(want), "sample %d,", (int)sample);
            CHECK(strstr(found.first, want), "%s: byte %zu of sample %d: %s", path, at,
                  (int)sample, found.first);
            named++;
        }
        refused += bad < 0;
        REQUIRE(pwrite(fd, &bytes[at], 1, (off_t)at) == 1, "pwrite");
    }
    close(fd);
    CHECK(refused > FLIPS / 10 && named > FLIPS / 20, "%s: %d refused, %d named", path,
          refused, named);
}

static void cut(const char *path, const uint8_t *bytes, size_t size, uint64_t tables)
{
    struct finding found;
    size_t have = 0;
    int fd = open(path, O_RDWR);
    REQUIRE(fd >= 0 && ftruncate(fd, 0) == 0, "%s", path);
    for (size_t n = 0; n < size; n++) {
        if (n >= SLUICE_DATA_AT && n < tables && sluice_rng_u32(&rng) % size >= CUTS)
            continue;
        REQUIRE(pwrite(fd, bytes + have, n - have, (off_t)have) == (ssize_t)(n - have),
                "pwrite");
        have = n;
        CHECK(findings(path, &found) < 0, "%s: cut to %zu of %zu", path, n, size);
    }
    close(fd);
}

static void write_picture(const char *path, const char *provenance,
                          const struct sluice_value *v)
{
    static const struct sluice_field field = {
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 }
    };
    struct sluice_writer *w;
    struct sluice_error err;
    REQUIRE(sluice_writer_begin(&w, path,
                                &(struct sluice_schema){ .fields = &field,
                                                         .field_count = 1,
                                                         .provenance = provenance },
                                &err) == 0,
            "%s", err.message);
    REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

/* A size that only the index claims is damage like any other: no memory is asked for.
 */
static void claimed(const char *folder)
{
    static const uint8_t no_jpeg[100];
    struct finding found;
    char path[128];
    snprintf(path, sizeof(path), "%s/claimed.sluice", folder);
    write_picture(path, NULL,
                  &(struct sluice_value){ .data = no_jpeg,
                                          .size = sizeof(no_jpeg),
                                          .codec = SLUICE_CODEC_JPEG,
                                          .height = UINT32_MAX,
                                          .width = UINT32_MAX,
                                          .channels = 3 });
    CHECK(findings(path, &found) == 1 && strstr(found.first, "sample 0: "), "%s",
          found.first);
}

/* A picture that takes more memory than a decoder may have is no damage. Progressive,
 * so that all of its coefficients are held: 6 bytes a pixel. */
static void hungry(const char *folder)
{
    enum { SIDE = 13600 };
    const struct jpeg_make kind = { 8, 8, 3, .progressive = 1 };
    struct finding found = { .lines = 0 };
    struct sluice_file f;
    struct sluice_error err;
    char path[128];
    size_t size, at = 0;
    uint8_t *jpeg = jpeg_make(&kind, &size);
    while (at + 9 < size && !(jpeg[at] == 0xff && jpeg[at + 1] == 0xc2))
        at++;
    REQUIRE(at + 9 < size, "no frame");
    for (int k = 5; k < 9; k += 2) {
        jpeg[at + (size_t)k] = SIDE >> 8;
        jpeg[at + (size_t)k + 1] = SIDE & 255;
    }
    snprintf(path, sizeof(path), "%s/hungry.sluice", folder);
    write_picture(path, NULL,
                  &(struct sluice_value){ .data = jpeg,
                                          .size = size,
                                          .codec = SLUICE_CODEC_JPEG,
                                          .height = SIDE,
                                          .width = SIDE,
                                          .channels = 3 });
    free(jpeg);
    REQUIRE(sluice_file_open(&f, path, &sluice_sys_real, &err) == 0, "%s", err.message);
    CHECK(sluice_verify(&f, &(struct verify_listener){ note, NULL, &found }, &err) ==
                  SLUICE_ENOMEM &&
              !found.lines &&
              strstr(err.message,
                     "hungry.sluice: sample 0: JPEG: needs more than 1024 MiB"),
          "%s%s", err.message, found.first);
    sluice_file_close(&f);
}

/* Grey and colour JPEGs whose index says the other. */
static void channels(const char *folder)
{
    struct finding found;
    char path[128];
    snprintf(path, sizeof(path), "%s/channels.sluice", folder);
    for (int real = 1; real <= 3; real += 2)
        for (uint32_t said = 1; said <= 3; said += 2) {
            const struct jpeg_make kind = { 8, 8, real, 1, 1, 0, 90, 0, 1 };
            char want[64];
            size_t size;
            uint8_t *jpeg = jpeg_make(&kind, &size);
            write_picture(path, NULL,
                          &(struct sluice_value){ .data = jpeg,
                                                  .size = size,
                                                  .codec = SLUICE_CODEC_JPEG,
                                                  .height = 8,
                                                  .width = 8,
                                                  .channels = said });
            free(jpeg);
            snprintf(want, sizeof(want),
                     "sample 0: a picture of %d channel%s, expected %u ", real,
                     real == 1 ? "" : "s", said);
            const int64_t n = findings(path, &found);
            CHECK((uint32_t)real == said ? n == 0 : n == 1 && strstr(found.first, want),
                  "%d channels for %u: %s", real, said, found.first);
        }
}

/* What the provenance may be, and what it may not. */
static void provenances(const char *folder)
{
    enum { DEEP = 513 };
    static char deep[2 * DEEP + 1];
    static const char *const good[] = {
        " {\"a\" : [1, -0.5e+3, 0, 10E2 , true,false, null, {}, [ ]]}\n",
        "\"\\u00e9\\n\xc3\xa9\"", "42"
    };
    const char *const bad[] = { "",         "{\"a\":",  "{\"a\"}", "{\"a\" 1}",
                                "{1:2}",    "[1,]",     "[1 2]",   "01",
                                "1.",       "-",        "+1",      "nul",
                                "\"a",      "\"\x1b\"", "\"\\x\"", "\"\\u00g0\"",
                                "\"\xff\"", "{} {}",    "[1}",     deep };
    const int goods = sizeof(good) / sizeof(*good), bads = sizeof(bad) / sizeof(*bad);
    struct finding found;
    char path[128];
    snprintf(path, sizeof(path), "%s/provenance.sluice", folder);
    memset(deep, '[', DEEP);
    memset(deep + DEEP, ']', DEEP);
    for (int i = 0; i < goods + bads; i++) {
        const char *text = i < goods ? good[i] : bad[i - goods];
        write_picture(
            path, text,
            &(struct sluice_value){
                .data = "x", .size = 1, .height = 1, .width = 1, .channels = 1 });
        const int64_t n = findings(path, &found);
        CHECK(i < goods
                  ? n == 0
                  : n == 1 && strstr(found.first, "the provenance is no JSON text"),
              "%s: %s", text, found.first);
    }
    memset(deep + DEEP - 1, ']', DEEP - 1);
    deep[2 * (DEEP - 1)] = 0;
    write_picture(path, deep,
                  &(struct sluice_value){
                      .data = "x", .size = 1, .height = 1, .width = 1, .channels = 1 });
    CHECK(findings(path, &found) == 0, "512 deep: %s", found.first);
}

int main(int argc, char **argv)
{
    struct finding found;
    struct memory_file f;
    struct sluice_error err;
    struct sluice_dataset *ds;
    if (argc == 3 && strcmp(argv[1], "odd") == 0) { /* a file for `sluice info` */
        write_picture(
            argv[2], "{\"a\": \x1b[31m\n\xff",
            &(struct sluice_value){
                .data = "x", .size = 1, .height = 1, .width = 1, .channels = 1 });
        return check_done();
    }
    REQUIRE(argc > 1, "which files?");
    const char *folder = folder_make();
    claimed(folder);
    hungry(folder);
    channels(folder);
    provenances(folder);
    folder_remove(folder);
    rng = sluice_rng_at(5, 0, 0);
    for (int i = 1; i < argc; i++) {
        f.bytes = file_read(argv[i], &f.size);
        REQUIRE(sluice_dataset_open(&ds, argv[i], f.size, memory_read, &f, &err) == 0,
                "%s", err.message);
        const struct sluice_directory *dir = sluice_dataset_directory(ds);
        uint64_t tables = f.size;
        for (int g = 0; g < dir->segment_count; g++)
            for (int k = 0; k < dir->field_count; k++)
                if (dir->segments[g].stores[k].table_offset &&
                    dir->segments[g].stores[k].table_offset < tables)
                    tables = dir->segments[g].stores[k].table_offset;
        CHECK(findings(argv[i], &found) == 0, "undamaged: %s", found.first);
        flip(argv[i], ds, f.bytes, f.size);
        CHECK(findings(argv[i], &found) == 0, "put back: %s", found.first);
        cut(argv[i], f.bytes, f.size, tables);
        file_write(argv[i], f.bytes, f.size);
        CHECK(findings(argv[i], &found) == 0, "put back: %s", found.first);
        sluice_dataset_free(ds);
        free((void *)f.bytes);
    }
    return check_done();
}
