/* replay.c -- a plain main for a fuzz target: run it on every file of the folders
 * given, and on every cut and a few changes of each, under any compiler and sanitizer.
 */
#include <dirent.h>

#include "fuzz.h"

enum { CUTS = 200 };

static int ran;

static void try_bytes(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1); /* so that a read past the end shows */
    FUZZ_REQUIRE(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    ran++;
}

static void replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    FUZZ_REQUIRE(f && data);
    const size_t size = fread(data, 1, 1 << 20, f);
    fclose(f);
    try_bytes(data, size);
    for (int i = 0; i < CUTS && size; i++) {
        const size_t at = (size_t)i * size / CUTS;
        const uint8_t kept = data[at];
        try_bytes(data, at);
        data[at] ^= (uint8_t)(1 << i % 8);
        try_bytes(data, size);
        data[at] = kept;
    }
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        FUZZ_REQUIRE(d);
        for (struct dirent *e; (e = readdir(d));) {
            char path[4096];
            snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
            if (e->d_name[0] != '.')
                replay(path);
        }
        closedir(d);
    }
    printf("%d inputs\n", ran);
    return ran ? 0 : 1;
}
