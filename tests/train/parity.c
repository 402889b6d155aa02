/* parity.c -- device cpu against the reference, forward and backward, for every
 * operator and case: in both precisions, with one thread and several, and with the
 * kernels of every instruction set that this CPU runs. With several threads, as
 * large tensors are treated: written past the caches, and cut into slices of the batch,
 * the last of which may be smaller. argv[1] is the only operator, in bf16 and with the
 * best kernels, as where tiles are played. */
#include "device_cpu.h"
#include "parity_rig.h"

static const char *only; /* NULL: all */

/* As tensors are that no cache keeps, and layers that are worth cutting. */
static void treat_as_large(struct cpu *cpu)
{
    cpu->far_least = 0;
    cpu->slice_least = 0;
}

static void check_device(const char *isa, const char *precision, int threads)
{
    struct device *dev;
    struct sluice_error err = { 0 };
    /* In bf16 it rounds more: see conv_wino_bf16.c. */
    setenv("SLUICE_WINOGRAD", strcmp(precision, "bf16") == 0 ? "off" : "on", 1);
    const int rc = device_open(&dev, "cpu", precision, threads, &err);
    if (rc == SLUICE_EUNBUILT) {
        printf("%s %s: %s\n", isa, precision, err.message);
        return;
    }
    REQUIRE(rc == 0, "%s", err.message);
    printf("%s; kernels %s\n", dev->about, isa);
    if (threads > 1)
        treat_as_large(dev->impl);
    for (int i = 0; op_registry[i]; i++) {
        if (only && strcmp(only, op_registry[i]->name) != 0)
            continue;
        CHECK(op_registry[i]->on[DEVICE_CPU], "%s is not on device cpu",
              op_registry[i]->name);
        for (const struct op_case *c = op_registry[i]->cases; c->name; c++)
            check_case(op_registry[i], c, dev, isa);
    }
    device_close(dev);
}

/* What the environment may not ask for, in words that say what it may. */
static void check_environment(void)
{
    static const char *const names[] = { "SLUICE_CPU_ISA", "SLUICE_WINOGRAD" };
    for (int i = 0; i < 2; i++) {
        struct device *dev = NULL;
        struct sluice_error err = { 0 };
        setenv(names[i], "avx-512", 1);
        const int rc = device_open(&dev, "cpu", "auto", 1, &err);
        CHECK(rc == SLUICE_EINVAL && strstr(err.message, names[i]) &&
                  strstr(err.message, "expected") && !dev,
              "%s=avx-512 gives %d: %s", names[i], rc, err.message);
        unsetenv(names[i]);
    }
}

int main(int argc, char **argv)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    only = argc > 1 ? argv[1] : NULL;
    if (device_open(&dev, "cpu", "auto", 0, &err) == SLUICE_EUNBUILT)
        SKIP("%s", err.message);
    device_close(dev);
    check_environment();
    REQUIRE(device_open(&ref, "ref", "auto", 0, &err) == 0, "%s", err.message);
    static const char *const isas[] = { "avx512_bf16", "avx512", "avx2", "plain" };
    for (int i = 0; i < (only ? 2 : 4); i++) {
        const char *isa = isas[only ? 0 : i];
        setenv("SLUICE_CPU_ISA", isa, 1);
        if (!only)
            check_device(isa, "f32", i % 2 ? 1 : 3);
        check_device(isa, "bf16", i % 2 ? 3 : 1);
    }
    device_close(ref);
    return check_done();
}
