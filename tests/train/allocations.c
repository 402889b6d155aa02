/* allocations.c -- a step of training takes no memory: all of it was planned. On device
 * cpu the libraries behind it make lists, of a call's arguments and of threads, and
 * oneDNN packs the small matrices of a linear layer; whatever is larger is a buffer of
 * somebody's activations or weights. */
#include <stddef.h>

#include "net_rig.h"

enum {
    STEPS = 3,
    LIST = 8192,      /* bytes of a list of threads, at most */
    PACKED = 1 << 17, /* of the matrices of a linear layer */
};

static struct {
    bool on;
    size_t limit;
    long count, large;
    size_t most;
} seen;

static void note(size_t size)
{
    if (!__atomic_load_n(&seen.on, __ATOMIC_RELAXED))
        return;
    __atomic_fetch_add(&seen.count, 1, __ATOMIC_RELAXED);
    if (size > seen.limit)
        __atomic_fetch_add(&seen.large, 1, __ATOMIC_RELAXED);
    if (size > seen.most)
        seen.most = size;
}

/* Sanitizers have malloc to themselves and tell whom they are asked to tell; without
 * them, these functions stand before glibc's. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifdef SANITIZED
int __sanitizer_install_malloc_and_free_hooks(void (*taken)(const volatile void *at,
                                                            size_t size),
                                              void (*given)(const volatile void *at));

static void taken(const volatile void *at, size_t size)
{
    (void)at;
    note(size);
}

static void given(const volatile void *at)
{
    (void)at;
}

static void watch(void)
{
    REQUIRE(__sanitizer_install_malloc_and_free_hooks(taken, given) > 0,
            "malloc cannot be watched");
}
#elif defined(__GLIBC__)
#pragma GCC visibility push(default) /* libraries shall find them */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    note(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
    note(size);
    return __libc_realloc(at, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    note(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    note(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    note(size);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12; /* ENOMEM */
}
#pragma GCC visibility pop

static void watch(void)
{
}
#else
static void watch(void)
{
    SKIP("malloc cannot be watched");
}
#endif

/* The compiler knows malloc and that it does not look at `seen`: let nothing be moved
 * past it. */
static void listen(bool on)
{
    __atomic_store_n(&seen.on, on, __ATOMIC_SEQ_CST);
}

/* Something is seen at all. */
static void check_watch(void)
{
    static void *volatile sink;
    seen.limit = LIST;
    listen(true);
    sink = malloc(2 * LIST);
    listen(false);
    REQUIRE(seen.count == 1 && seen.large == 1 && seen.most == 2 * (size_t)LIST,
            "%ld allocations seen of one", seen.count);
    free(sink);
}

static void check(const char *device, const char *model, const char *optimizer,
                  double width)
{
    struct rig r;
    struct model_values options;
    rig_device(&r, device);
    model_defaults(model_find(model), &options);
    if (width > 0)
        rig_set(model, &options, "width", width);
    rig_model(&r, model, &(struct net_input){ 4, 32, 32, 3 }, &options);
    rig_optimizer(&r, optimizer);
    rig_batch(&r, 0);
    rig_step(&r, 0.01); /* operators prepare themselves in the first */
    rig_step(&r, 0.01);
    seen.limit = strcmp(device, "ref") == 0 ? LIST : PACKED;
    seen.count = seen.large = 0;
    seen.most = 0;
    listen(true);
    for (int i = 0; i < STEPS; i++)
        rig_step(&r, 0.01);
    listen(false);
    printf("%-9s %-16s %-5s %ld allocations in %d steps, at most %zu bytes\n", device,
           model, optimizer, seen.count, STEPS, seen.most);
    CHECK(seen.large == 0, "%s on %s with %s: %zu bytes allocated in a step", model,
          device, optimizer, seen.most);
    rig_close(&r);
}

int main(int argc, char **argv)
{
    const char *device = argc > 1 ? argv[1] : "ref";
    watch();
    check_watch();
    check(device, "airbench94", "muon", 0.125);
    check(device, "resnet9", "sgd", 0.125);
    if (strcmp(device, "ref") == 0) /* which takes minutes for the others */
        return check_done();
    check(device, "se_resnet", "adam", 0);
    check(device, "stochastic_depth", "sgd", 0);
    return check_done();
}
