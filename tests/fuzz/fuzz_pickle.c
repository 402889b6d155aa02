/* fuzz_pickle.c -- any bytes taken for a pickle are refused with words, or give values
 * whose every byte can be read, and then CIFAR's records or words again. */
#include "cifar_pickle.h"
#include "fuzz.h"
#include "pickle.h"

static volatile uint64_t sink; /* wraps; what is read matters */

/* Values may contain themselves. */
static void touch(const struct pickle_value *v, int depth)
{
    int64_t n;
    FUZZ_REQUIRE(v->kind < PICKLE_MARK);
    if (v->kind == PICKLE_STRING || v->kind == PICKLE_ARRAY)
        for (size_t i = 0; i < v->size; i++)
            sink += v->bytes[i];
    for (size_t i = 0; v->kind != PICKLE_DICT && i < pickle_length(v); i++)
        sink += pickle_integer(v, i, &n) ? (uint64_t)n : 0;
    for (size_t i = 0; i < v->count && i < 32 && depth < 4; i++)
        touch(v->items[i], depth + 1);
    sink += pickle_find(v, "data") != NULL;
}

/* A copy, as the converter would have loaded it. */
static struct input_file copy(const uint8_t *data, size_t size)
{
    struct input_file f = { .name = "pickle",
                            .data = malloc(size ? size : 1),
                            .size = size };
    FUZZ_REQUIRE(f.data);
    memcpy(f.data, data, size);
    return f;
}

static void convert(const uint8_t *data, size_t size)
{
    static const struct cifar_label labels[2] = { { "fine_labels", 100 },
                                                  { "labels", 20 } };
    struct sluice_error err = { 0 };
    struct input_file f = copy(data, size);
    int count = 2;
    if (cifar_unpickle(&f, labels, &count, &err) == 0) {
        FUZZ_REQUIRE(f.size % (size_t)(count + CIFAR_PIXELS) == 0);
        for (size_t i = 0; i < f.size; i++)
            sink += f.data[i];
    } else {
        FUZZ_REQUIRE(err.message[0]);
    }
    input_free(&f, 1);
    f = copy(data, size);
    err.message[0] = 0;
    if (cifar_unpickle_names(&f, "label_names", &err) == 0)
        for (size_t i = 0; i < f.size; i++)
            sink += f.data[i];
    else
        FUZZ_REQUIRE(err.message[0]);
    input_free(&f, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sluice_error err = { 0 };
    struct pickle *p;
    const int rc = pickle_parse(&p, data, size, &err);
    FUZZ_REQUIRE(rc == 0 || (!p && err.message[0] && err.code == rc));
    if (rc < 0)
        return 0;
    touch(pickle_root(p), 0);
    pickle_free(p);
    convert(data, size);
    return 0;
}
