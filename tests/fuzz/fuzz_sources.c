/* fuzz_sources.c -- any bytes taken for a CIFAR or IDX file, compressed or not, are
 * refused with words, or give samples that can all be read. The first byte chooses the
 * format and the file's name. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "source.h"

static char folder[64];

static void store(const char *name, const uint8_t *data, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    FUZZ_REQUIRE(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        perror(folder);
}

static void try_source(const struct source_def *def, const char *name)
{
    char path[128];
    struct sluice_error err = { 0 };
    struct source src = { .def = def };
    struct sluice_value values[SLUICE_FIELDS_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int rc = def->open(&src, &(struct source_options){ .input = path }, &err);
    FUZZ_REQUIRE(rc == 0 || err.message[0]);
    if (rc < 0)
        return;
    for (uint64_t i = 0; i < src.count && rc == 0; i++) {
        memset(values, 0, sizeof(values));
        rc = def->read(&src, i, values, &err);
        FUZZ_REQUIRE(rc == 0 || err.message[0]);
        volatile uint8_t sink = 0;
        for (size_t k = 0; rc == 0 && k < values[0].size; k++)
            sink ^= ((const uint8_t *)values[0].data)[k];
        (void)sink;
    }
    def->close(&src);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const struct source_def *def;
        const char *name;
    } targets[] = { { &source_cifar10, "data_batch_1.bin" },
                    { &source_cifar100, "train.bin" },
                    { &source_cifar10, "cifar-10.tar" },
                    { &source_mnist, "train-images-idx3-ubyte" },
                    { &source_mnist, "" } };
    if (!folder[0]) {
        snprintf(folder, sizeof(folder), "/tmp/sluice-fuzz-XXXXXX");
        FUZZ_REQUIRE(mkdtemp(folder));
        atexit(remove_folder);
    }
    if (!size)
        return 0;
    const int t = data[0] % 5;
    data++;
    size--;
    if (t < 3) {
        store(targets[t].name, data, size);
    } else { /* images, then labels: half each */
        store("train-images-idx3-ubyte", data, size - size / 2);
        store("train-labels-idx1-ubyte", data + size - size / 2, size / 2);
    }
    try_source(targets[t].def, targets[t].name);
    return 0;
}
