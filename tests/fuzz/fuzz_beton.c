/* fuzz_beton.c -- any bytes taken for FFCV's .beton file are refused with words, or
 * give samples that can all be read, or say what is wrong with them.
 *
 * Its pages make a true file long. So an input is: how many bytes lie at the start of
 * the file, and how many in the page at 2 MiB, each u16; those bytes; and what lies
 * from 4 MiB on. Without the last two the file ends behind the first. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "source.h"

enum { PAGE = 2 << 20, SAMPLES = 8, ENDS = 4096 };

static size_t put(int fd, const uint8_t *data, size_t size, size_t most, off_t at)
{
    const size_t n = size < most ? size : most;
    FUZZ_REQUIRE(pwrite(fd, data, n, at) == (ssize_t)n);
    return n;
}

static void store(int fd, const uint8_t *data, size_t size)
{
    FUZZ_REQUIRE(ftruncate(fd, 0) == 0);
    const size_t head = data[0] | (size_t)data[1] << 8;
    const size_t page = data[2] | (size_t)data[3] << 8;
    data += 4;
    size -= 4;
    size_t n = put(fd, data, size, head, 0);
    data += n;
    size -= n;
    if (size) {
        n = put(fd, data, size, page, PAGE);
        FUZZ_REQUIRE(ftruncate(fd, 2 * PAGE) == 0);
        put(fd, data + n, size - n, size, 2 * PAGE);
    }
}

static void read_samples(struct source *src)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    struct sluice_error err;
    volatile uint8_t sink = 0;
    for (uint64_t i = 0; i < src->count && i < SAMPLES; i++) {
        err.message[0] = 0;
        memset(values, 0, sizeof(values));
        if (src->def->read(src, i, values, &err) < 0) {
            FUZZ_REQUIRE(err.message[0]);
            continue;
        }
        for (int k = 0; k < src->schema.field_count; k++) {
            const struct sluice_value *v = &values[k];
            if (src->schema.fields[k].kind == SLUICE_KIND_IMAGE && !v->codec)
                FUZZ_REQUIRE(v->size == (size_t)v->height * v->width * v->channels);
            for (size_t n = 0; n < v->size; n++)
                if (n < ENDS || v->size - n <= ENDS)
                    sink ^= ((const uint8_t *)v->data)[n];
        }
    }
    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1; /* a file in memory: disks are too slow for this */
    char path[64];
    if (fd < 0)
        fd = memfd_create("fuzz_beton", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (size < 4)
        return 0;
    store(fd, data, size);
    for (int raw = 0; raw < 2; raw++) {
        struct sluice_error err = { 0 };
        struct source src = { .def = &source_beton };
        const struct source_options opt = {
            .input = path, .picture = { .mode = raw ? PICTURE_RAW : PICTURE_KEEP }
        };
        const int rc = src.def->open(&src, &opt, &err);
        FUZZ_REQUIRE(rc == 0 || (err.message[0] && err.code == rc));
        if (rc < 0)
            return 0;
        read_samples(&src);
        src.def->close(&src);
    }
    return 0;
}
