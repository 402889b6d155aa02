/* fuzz_mat.c -- any bytes taken for one of SVHN's MATLAB files are refused with words,
 * or give samples that can all be read. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "source.h"

/* The library asks for as many bytes as a damaged tag says, up to 4 GiB, before it sees
 * that the file is shorter. Here it does not get them, which it has to bear as well. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "max_allocation_size_mb=64:allocator_may_return_null=1";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sluice_value values[2];
    struct sluice_error err = { 0 };
    struct source src = { .def = &source_svhn };
    static int fd = -1; /* a file in memory: disks are too slow for this */
    char path[64];
    if (fd < 0)
        fd = memfd_create("fuzz_mat", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    FUZZ_REQUIRE(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    int rc = src.def->open(&src, &(struct source_options){ .input = path }, &err);
    FUZZ_REQUIRE(rc == 0 || (err.message[0] && err.code == rc));
    if (rc < 0)
        return 0;
    volatile uint8_t sink = 0;
    for (uint64_t i = 0; i < src.count; i++) {
        err.message[0] = 0;
        rc = src.def->read(&src, i, values, &err);
        FUZZ_REQUIRE(rc == 0 ? values[0].size == 3072 && values[1].integer < 10
                             : err.message[0]);
        for (size_t k = 0; rc == 0 && k < values[0].size; k++)
            sink ^= ((const uint8_t *)values[0].data)[k];
    }
    (void)sink;
    src.def->close(&src);
    return 0;
}
